"""What routes ask for: the service, a strictly read body, conditional answers, page links."""

import hashlib
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator, BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.body import json_object
from sweeper.errors import NotFound
from sweeper.service import Service


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101 - create_app put it there
    return service


def _storable(opaque_id: str) -> str:
    # PostgreSQL takes no text with a NUL, not even to compare with.
    if "\0" in opaque_id:
        raise NotFound(f"there is no {opaque_id!r}: ids hold no NUL")
    return opaque_id


Storable = AfterValidator(_storable)
ServiceDep = Annotated[Service, Depends(_service)]
JsonBody = Annotated[dict[str, Any], Depends(json_object)]
SweepId = Annotated[str, Path(max_length=64, description="id of a sweep"), Storable]
TrialId = Annotated[str, Path(max_length=64, description="id of a trial"), Storable]
Limit = Annotated[int, Query(ge=1, le=500, description="most items to answer")]
Cursor = Annotated[
    Annotated[str, Storable] | None,
    Query(max_length=200, description="`next` of the part before"),
]
Search = Annotated[
    str, Query(max_length=120, pattern=r"^[^\x00]*$", description="part of a name, without NUL")
]
Tag = Annotated[
    Annotated[str, Storable] | None,
    Query(max_length=40, description="only sweeps with this tag"),
]
Archived = Annotated[bool, Query(description="the archived sweeps instead of the others")]
Tolerance = Annotated[
    float,
    Query(gt=0, le=10, allow_inf_nan=False, description="depth of the basins, in nats"),
]
WindowEnd = Annotated[
    float | None,
    Query(allow_inf_nan=False, description="an end of a window of values of the axis"),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="any text of your own: the same key with the same body is done once",
    ),
]


def conditional(request: Request, model: BaseModel) -> Response:
    """The model as JSON with an ETag; 304 without a body if the client has it already."""
    body = model.model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    headers = {"etag": etag, "cache-control": "no-cache"}
    if etag in known or f"W/{etag}" in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def link_next(request: Request, cursor: str | None) -> dict[str, str]:
    """The Link header of a list that goes on, relative so that no Host is repeated."""
    if cursor is None:
        return {}
    query = request.query_params.multi_items()
    kept = [(key, value) for key, value in query if key != "cursor"]
    return {"link": f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
