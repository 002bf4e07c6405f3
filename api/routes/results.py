"""The results of a sweep, one row per point, as JSON, CSV or Parquet."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from api.deps import ServiceDep, SweepId
from sweeper import export

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["results"])

Format = Literal["json", "csv", "parquet"]
Suffix = Annotated[Format, Path(description="kind of file")]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}
}


@router.get("/results", operation_id="get_results", responses=DOCUMENTED, response_class=Response)
def negotiated(service: ServiceDep, request: Request, sweep_id: SweepId) -> Response:
    """One row per point, in the format that Accept names; JSON unless it says otherwise."""
    accept = request.headers.get("accept", "")
    named = (form for form, media_type in MEDIA_TYPES.items() if media_type in accept)
    return _answer(service, sweep_id, next(named, "json"))


@router.get(
    "/results.{form}", operation_id="get_results_as", responses=DOCUMENTED, response_class=Response
)
def by_suffix(service: ServiceDep, sweep_id: SweepId, form: Suffix) -> Response:
    """One row per point as a file to keep: `results.csv`, `results.json`, `results.parquet`."""
    answer = _answer(service, sweep_id, form)
    answer.headers["content-disposition"] = f'attachment; filename="sweep-{sweep_id}.{form}"'
    return answer


def _answer(service: ServiceDep, sweep_id: str, form: Format) -> Response:
    frame = service.results(sweep_id)
    body: str | bytes
    if form == "csv":
        body = export.to_csv(frame)
    elif form == "parquet":
        body = export.to_parquet(frame)
    else:
        body = json.dumps({"items": json.loads(export.to_json(frame)), "next": None})
    return Response(body, media_type=MEDIA_TYPES[form], headers={"vary": "accept"})
