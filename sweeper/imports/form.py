"""The neutral form of results from elsewhere, as REST takes it; every file format becomes this."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic import model_validator as checked
from pydantic_core import ErrorDetails

from sweeper.errors import InvalidRequest, Problem
from sweeper.shape import pointer
from sweeper.spec import MAX_POINTS, AxisScale, Name, Number, Text, Whole

Words = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,500}$")]
"""Any text without control characters."""

LARGEST = 1e100
"""Of a value or a loss, either way: beyond, squares and differences are no numbers any more."""


def _not_too_large(number: float) -> float:
    if abs(number) > LARGEST:
        raise ValueError(f"`|number| <= {LARGEST:g}` must hold, but got {number:g}")
    return number


Measured = Annotated[Number, AfterValidator(_not_too_large)]

_RULES: Mapping[str, str] = {
    "float_type": "a finite number is needed",
    "finite_number": "a finite number is needed",
    "int_type": "a whole number is needed",
    "string_type": "a text is needed",
    "dict_type": "an object is needed",
    "model_type": "an object is needed",
    "list_type": "a list is needed",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportedConfig(_Model):
    """What is known of how a run was trained; what is not listed may be any JSON."""

    model_config = ConfigDict(extra="allow", frozen=True)

    hyperparameters: dict[Name, Number] = {}
    steps: Annotated[Whole, Field(ge=1, lt=2**53)] | None = None
    batch_size: Annotated[Whole, Field(ge=1, lt=2**53)] | None = None


class ImportedRow(_Model):
    """One result: of one variant, at one value of the axis, with one seed. Losses in nats."""

    label: Text
    optimizer: Name
    scale: Name
    architecture: Name = "standard"
    value: Measured
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    origin: Literal["grid", "extend", "refine"] = "grid"
    outcome: Literal["finite", "diverged"]
    final_loss: Measured | None = None
    best_loss: Measured | None = None
    train_loss: Measured | None = None
    initial_loss: Measured | None = None
    last_finite_loss: Measured | None = None
    diverged_at_step: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None
    busy_s: Annotated[Measured, Field(ge=0)] | None = None
    id: Words = "none"
    """What the run is called where it comes from; rows with one id are points of one run."""
    config: ImportedConfig = ImportedConfig()
    provenance: dict[str, Any] = {}

    @checked(mode="after")
    def _texts_can_be_stored(self) -> Self:
        for name, value in (("config", self.config.model_dump()), ("provenance", self.provenance)):
            if _has_nul(value):
                raise ValueError(f"`{name}` has a text with the character NUL, which none may have")
        return self

    @checked(mode="after")
    def _the_outcome_is_that_of_the_loss(self) -> Self:
        if (self.outcome == "finite") != (self.final_loss is not None):
            raise ValueError(
                "a finite row has a `final_loss` and a diverged one has none, "
                f"but got outcome={self.outcome}, final_loss={self.final_loss}"
            )
        return self

    @property
    def variant(self) -> tuple[str, str, str, str]:
        """What makes it a point of one curve."""
        return self.label, self.optimizer, self.scale, self.architecture

    @property
    def has_id(self) -> bool:
        """Whether the run has a name of its own."""
        return "id" in self.model_fields_set


class ImportedAxis(_Model):
    """The hyperparameter that the values are of; without a scale, its customary one."""

    parameter: Name
    scale: AxisScale | None = None


class ImportSpec(_Model):
    """A sweep that was trained elsewhere."""

    name: Text
    imported_from: Words
    """Where it comes from, in words: a file, a study, an address."""
    axis: ImportedAxis
    rows: list[ImportedRow] = Field(min_length=1, max_length=MAX_POINTS)


def _has_nul(value: Any) -> bool:
    """Whether a NUL is anywhere: PostgreSQL cannot read JSON that has one."""
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(part) for key, part in value.items())
    if isinstance(value, list):
        return any(_has_nul(part) for part in value)
    return isinstance(value, str) and "\0" in value


def parse(body: Mapping[str, Any]) -> ImportSpec:
    """The results that a JSON body holds; `InvalidRequest` lists all that is wrong and where."""
    try:
        return ImportSpec.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidRequest(tuple(_problem(detail) for detail in details)) from None


def _problem(detail: ErrorDetails) -> Problem:
    return Problem(pointer(*detail["loc"]), _message(detail))


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return f"unknown key {str(detail['loc'][-1])!r}"
    if kind == "literal_error":
        return f"must be one of {context['expected']}, but got {_shown(detail)}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}, but got {_shown(detail)}"
    rule = _RULES.get(kind, detail["msg"][0].lower() + detail["msg"][1:])
    return f"{rule}, but got {_shown(detail)}"


def _shown(detail: ErrorDetails) -> str:
    given = detail["input"]
    text = "nothing" if given is None else repr(given)
    return text if len(text) <= 80 else text[:77] + "..."
