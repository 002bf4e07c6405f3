"""Sweeps: submit, preview, list, read."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.deps import (
    Archived,
    Cursor,
    IdempotencyKey,
    JsonBody,
    Limit,
    Search,
    ServiceDep,
    SweepId,
    Tag,
    conditional,
    link_next,
)
from api.models import Listing, SubmissionOut, SweepOut, TrialCounts
from api.models_forecast import ForecastOut, PreviewOut
from api.routes.examples import SWEEP_BODY
from sweeper.trials import SweepState

router = APIRouter(prefix="/sweeps", tags=["sweeps"])

Confirm = Annotated[
    bool, Query(description="train it even if it takes more device-hours than the server's limit")
]


@router.post("", status_code=201, operation_id="submit_sweep", openapi_extra=SWEEP_BODY)
def submit(
    service: ServiceDep,
    response: Response,
    body: JsonBody,
    idempotency_key: IdempotencyKey = None,
    confirm: Confirm = False,
) -> SubmissionOut:
    """Store a sweep; it is trained as soon as there is room. Answers after the commit.

    Where the server has a limit, a sweep of more device-hours has to be confirmed.
    """
    submission = service.submit(body, key=idempotency_key, confirmed=confirm)
    sweep = service.sweep(submission.sweep_id)
    response.headers["location"] = f"/api/v1/sweeps/{sweep.id}"
    if submission.replayed:
        response.headers["idempotent-replayed"] = "true"
    trials = TrialCounts.model_validate(submission)
    return SubmissionOut(id=sweep.id, state=sweep.state, trials=trials)


@router.post("/preview", operation_id="preview_sweep", openapi_extra=SWEEP_BODY)
def preview(service: ServiceDep, body: JsonBody) -> PreviewOut:
    """What a submission would train, how much is there already, and the hours. Stores nothing."""
    found = service.preview(body)
    return PreviewOut(
        variants=len(found.variants),
        points=found.points,
        may_add=found.may_add,
        trials=TrialCounts.model_validate(found),
        flops=found.flops,
        tokens=found.tokens,
        forecast=ForecastOut.model_validate(found.forecast),
    )


@router.get("", operation_id="list_sweeps")
def list_sweeps(
    service: ServiceDep,
    request: Request,
    response: Response,
    state: Annotated[SweepState | None, Query(description="only sweeps in this state")] = None,
    search: Search = "",
    tag: Tag = None,
    archived: Archived = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listing[SweepOut]:
    """The sweeps, newest first."""
    page = service.sweeps(
        limit=limit, cursor=cursor, state=state, search=search, tag=tag, archived=archived
    )
    response.headers.update(link_next(request, page.next))
    return Listing(items=[SweepOut.of(sweep) for sweep in page.items], next=page.next)


@router.get("/{sweep_id}", operation_id="get_sweep", response_model=SweepOut)
def get(service: ServiceDep, request: Request, sweep_id: SweepId) -> Response:
    """One sweep: state, counts, best so far, and what was asked for. Has an ETag."""
    return conditional(request, SweepOut.of(service.sweep(sweep_id)))
