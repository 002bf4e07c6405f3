"""Living with a sweep: adding points to it, what people say of it, and its end."""

from fastapi import APIRouter

from api.deps import JsonBody, ServiceDep, SweepId
from api.models import SweepOut, TrialCounts
from api.models_living import DeletionOut, DiskUseOut, ExtensionOut
from api.routes.examples import EDIT_BODY, EXTENSION_BODY

router = APIRouter(tags=["sweeps"])


@router.post(
    "/sweeps/{sweep_id}/extend",
    status_code=202,
    operation_id="extend_sweep",
    openapi_extra=EXTENSION_BODY,
)
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


@router.patch("/sweeps/{sweep_id}", operation_id="edit_sweep", openapi_extra=EDIT_BODY)
def edit(service: ServiceDep, sweep_id: SweepId, body: JsonBody) -> SweepOut:
    """Change name, note, tags, priority, or whether it is archived; what is left out stays."""
    return SweepOut.of(service.edit(sweep_id, body))


@router.delete("/sweeps/{sweep_id}", operation_id="delete_sweep")
def delete(service: ServiceDep, sweep_id: SweepId) -> DeletionOut:
    """Delete a sweep that has ended, with the trials that nothing else needs.

    Checkpoints on disk go as soon as a dispatcher looks. One that is at work must be cancelled
    first; deleting what is not there changes nothing.
    """
    found = service.delete(sweep_id)
    return DeletionOut(id=sweep_id, deleted=found.deleted, points=found.points, trials=found.trials)


@router.get("/disk", operation_id="get_disk_use")
def disk(service: ServiceDep) -> DiskUseOut:
    """How much room database, checkpoints and data sets take, and each sweep, the largest first."""
    return DiskUseOut.model_validate(service.disk())
