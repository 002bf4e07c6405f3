"""Trials: those of a sweep, one of them, its metrics and its log."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import ServiceDep, SweepId, TrialId
from api.frames import rows
from api.models import Listing
from api.models_trials import LogOut, MetricOut, TrialOut, TrialRow
from sweeper.trials import TrialState

router = APIRouter(tags=["trials"])


@router.get("/sweeps/{sweep_id}/trials", operation_id="list_trials")
def of_sweep(
    service: ServiceDep,
    sweep_id: SweepId,
    state: Annotated[TrialState | None, Query(description="only trials in this state")] = None,
) -> Listing[TrialRow]:
    """One row per point: its value and seed, the trial it has, and how that ended."""
    found = (TrialRow.model_validate(row) for row in rows(service.results(sweep_id)))
    return Listing(items=[row for row in found if state in (None, row.state)])


@router.get("/trials/{trial_id}", operation_id="get_trial")
def get(service: ServiceDep, trial_id: TrialId) -> TrialOut:
    """One trial: configuration, outcome, attempts, and the sweeps it belongs to."""
    return TrialOut.model_validate(service.trial(trial_id))


@router.get("/trials/{trial_id}/metrics", operation_id="get_metrics")
def metrics(
    service: ServiceDep,
    trial_id: TrialId,
    key: Annotated[list[str] | None, Query(description="only these metrics")] = None,
) -> Listing[MetricOut]:
    """What was measured while the trial trained, by metric and step."""
    found = (MetricOut.model_validate(row) for row in rows(service.metrics(trial_id)))
    return Listing(items=[row for row in found if key is None or row.key in key])


@router.get("/trials/{trial_id}/log", operation_id="get_log")
def log(service: ServiceDep, trial_id: TrialId) -> LogOut:
    """The last lines that the trial wrote."""
    return LogOut(trial_id=trial_id, log=service.log(trial_id))
