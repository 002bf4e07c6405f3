"""What people say of a sweep: the JSON body of an edit, and its rules. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from sweeper.shape import TAG
from sweeper.spec import Text, Whole, validated

# Neither quotes nor commas, as lists of tags are filtered by them and typed with them.
Tag = Annotated[str, StringConstraints(pattern=TAG)]
Note = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=10_000)]


class EditSpec(BaseModel):
    """What to change of a sweep; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text | None = None
    note: Note | None = None
    """Any text for people; an empty one takes it away."""
    tags: list[Tag] | None = Field(default=None, max_length=20)
    """All tags from now on."""
    priority: Annotated[Whole, Field(ge=-100, le=100)] | None = None
    archived: StrictBool | None = None
    """Whether lists leave it out; not for a sweep that is at work."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


def parse_edit(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a JSON body changes; tags in order, each once. Raises `InvalidRequest`."""
    changes = validated(EditSpec, body).model_dump(exclude_none=True)
    if "tags" in changes:
        changes["tags"] = tuple(sorted(set(changes["tags"])))
    return changes
