"""Living with a sweep: adding points to it."""

from fastapi import APIRouter

from api.deps import JsonBody, ServiceDep, SweepId
from api.models import TrialCounts
from api.models_living import ExtensionOut
from api.routes.examples import EXTENSION_BODY

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["sweeps"])


@router.post("/extend", status_code=202, operation_id="extend_sweep", openapi_extra=EXTENSION_BODY)
def extend(service: ServiceDep, sweep_id: SweepId, body: JsonBody) -> ExtensionOut:
    """Add values and seeds; what is there already is left as it is. Takes up a sweep that is done.

    Every one of `values` gets every one of `seeds`; what is left out is what the curve has.
    """
    found = service.extend(sweep_id, body)
    return ExtensionOut(
        id=sweep_id,
        state=service.sweep(sweep_id).state,
        added=found.points,
        there=found.there,
        trials=TrialCounts.model_validate(found),
    )
