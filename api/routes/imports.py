"""Sweeps that were trained elsewhere."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.body import large_json_object
from api.deps import IdempotencyKey, ServiceDep
from api.models import SubmissionOut, TrialCounts
from api.routes.examples import IMPORT_BODY

router = APIRouter(prefix="/sweeps", tags=["sweeps"])

LargeJsonBody = Annotated[dict[str, Any], Depends(large_json_object)]


@router.post("/import", status_code=201, operation_id="import_sweep", openapi_extra=IMPORT_BODY)
def import_sweep(
    service: ServiceDep,
    response: Response,
    body: LargeJsonBody,
    idempotency_key: IdempotencyKey = None,
) -> SubmissionOut:
    """Store results from elsewhere as a sweep that is done; all of them, or none and the reasons.

    A row is one result: a variant, a value of the axis, a seed, and how it ended.
    """
    submission = service.import_results(body, key=idempotency_key)
    sweep = service.sweep(submission.sweep_id)
    response.headers["location"] = f"/api/v1/sweeps/{sweep.id}"
    if submission.replayed:
        response.headers["idempotent-replayed"] = "true"
    trials = TrialCounts.model_validate(submission)
    return SubmissionOut(id=sweep.id, state=sweep.state, trials=trials)
