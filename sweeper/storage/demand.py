"""Who wants a trial: kept up in the transaction that changes a sweep."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Subquery, case, func, select, update

from sweeper.storage.tables import point, sweep, trial
from sweeper.trials import Intent, TrialState

LIVE = (TrialState.PENDING, TrialState.RUNNING)


def lock_trials(connection: Connection, sweep_ids: Sequence[int]) -> None:
    """Lock the trials of the sweeps, always in the order of their keys."""
    connection.execute(
        select(trial.c.id)
        .where(_belongs_to(sweep_ids), trial.c.state.in_(LIVE))
        .order_by(trial.c.id)
        .with_for_update(key_share=True)
    ).all()


def refresh_demand(connection: Connection, sweep_ids: Sequence[int]) -> None:
    """Give the live trials of the sweeps the highest priority among the active sweeps."""
    lock_trials(connection, sweep_ids)
    wanted = _wanted(sweep_ids)
    connection.execute(
        update(trial)
        .where(
            trial.c.id == wanted.c.trial_id,
            trial.c.state.in_(LIVE),
            trial.c.demand.is_distinct_from(wanted.c.demand),
        )
        .values(demand=wanted.c.demand)
    )


def _wanted(sweep_ids: Sequence[int]) -> Subquery:
    """The demand for each trial of the sweeps, over all the sweeps that have points on it."""
    ours = select(point.c.trial_id).where(point.c.sweep_id.in_(sweep_ids))
    priority = case((sweep.c.intent == Intent.ACTIVE, sweep.c.priority))
    return (
        select(point.c.trial_id, func.max(priority).label("demand"))
        .select_from(point.join(sweep, sweep.c.id == point.c.sweep_id))
        .where(point.c.trial_id.in_(ours))
        .group_by(point.c.trial_id)
        .subquery("wanted")
    )


def held_by_live_sweep() -> ColumnElement[bool]:
    """Whether a sweep that is not cancelled has a point on the trial."""
    return (
        select(point.c.id)
        .select_from(point.join(sweep, sweep.c.id == point.c.sweep_id))
        .where(point.c.trial_id == trial.c.id, sweep.c.intent != Intent.CANCELLED)
        .correlate(trial)
        .exists()
    )


def pause_sweeps(connection: Connection, sweep_ids: Sequence[int]) -> list[int]:
    """Pause those of the sweeps that are active; returns which they were."""
    paused = connection.scalars(
        update(sweep)
        .where(sweep.c.id.in_(sweep_ids), sweep.c.intent == Intent.ACTIVE)
        .values(intent=Intent.PAUSED)
        .returning(sweep.c.id)
    ).all()
    if paused:
        refresh_demand(connection, paused)
    return sorted(paused)


def _belongs_to(sweep_ids: Sequence[int]) -> ColumnElement[bool]:
    return trial.c.id.in_(select(point.c.trial_id).where(point.c.sweep_id.in_(sweep_ids)))
