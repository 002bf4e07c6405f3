"""What a user wants of a sweep: cancel, pause, resume, retry."""

from fastapi import APIRouter

from api.deps import ServiceDep, SweepId
from api.models import RetryOut, SweepOut
from sweeper.errors import Conflict
from sweeper.storage.records import SweepRecord
from sweeper.trials import Intent

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["sweeps"])


@router.post("/cancel", status_code=202, operation_id="cancel_sweep")
def cancel(service: ServiceDep, sweep_id: SweepId) -> SweepOut:
    """End the sweep for good. Trials that other sweeps want go on."""
    return SweepOut.of(service.cancel(sweep_id))


@router.post("/pause", status_code=202, operation_id="pause_sweep")
def pause(service: ServiceDep, sweep_id: SweepId) -> SweepOut:
    """Start nothing more; what runs is saved and waits, unless another sweep wants it."""
    return _unless_cancelled(service.pause(sweep_id))


@router.post("/resume", status_code=202, operation_id="resume_sweep")
def resume(service: ServiceDep, sweep_id: SweepId) -> SweepOut:
    """Go on after a pause."""
    return _unless_cancelled(service.resume(sweep_id))


@router.post("/retry", status_code=202, operation_id="retry_sweep")
def retry(service: ServiceDep, sweep_id: SweepId) -> RetryOut:
    """Replace every failed or cancelled trial by a new one; brings a cancelled sweep back."""
    return RetryOut(id=sweep_id, retried=service.retry(sweep_id))


def _unless_cancelled(sweep: SweepRecord) -> SweepOut:
    if sweep.intent is Intent.CANCELLED:
        raise Conflict(f"sweep {sweep.id!r} is cancelled; `retry` brings it back")
    return SweepOut.of(sweep)
