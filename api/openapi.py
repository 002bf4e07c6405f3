"""The OpenAPI document, with what FastAPI cannot know: the body of a sweep, and the one problem."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE
from sweeper.editing import EditSpec
from sweeper.imports.form import ImportSpec
from sweeper.spec import ExtensionSpec, SweepSpec

TEMPLATE = "#/components/schemas/{model}"


class ProblemError(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer into the body, or `query/limit` and the like")
    message: str = Field(description="the rule, the value and the choices")


class ProblemOut(BaseModel):
    """What every error answers (RFC 9457)."""

    type: str = Field(description="stays the same for a kind of problem; compare this")
    title: str
    status: int
    detail: str
    hint: str = Field(description="what to do about it")
    errors: list[ProblemError]
    request_id: str = Field(description="as in the header X-Request-ID and the service's log")


PROBLEM_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": TEMPLATE.format(model="ProblemOut")}}},
    }
}


class Application(FastAPI):
    """FastAPI, with a whole OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document; the schemas are added once."""
        document = super().openapi()
        schemas = document["components"]["schemas"]
        if "ProblemOut" not in schemas:
            for model in (SweepSpec, ExtensionSpec, EditSpec, ImportSpec):
                schemas |= _schemas(model, "validation")
            schemas |= _schemas(ProblemOut, "serialization")
        return document


def _schemas(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    _, found = models_json_schema([(model, mode)], ref_template=TEMPLATE)
    return dict(found["$defs"])
