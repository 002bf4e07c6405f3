"""What the database holds, in all and of every sweep."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, text

from sweeper.storage.tables import metric, point, sweep, trial


class SweepRows(NamedTuple):
    """A sweep, the trials that only it has and their measurements, and the stacks of its trials."""

    sweep_id: str
    name: str
    trials: int
    own_trials: int
    measurements: int
    stacks: tuple[int, ...]


class DatabaseUse(NamedTuple):
    """Bytes of the whole database, all measurements in it, and the sweeps, newest first."""

    size: int
    measurements: int
    sweeps: tuple[SweepRows, ...]


def database_use(connection: Connection) -> DatabaseUse:
    """Reads an index of all measurements: slow where there are very many."""
    measured = _measurements(connection)
    stacks = _stacks(connection)
    rows = connection.execute(
        select(sweep.c.id, sweep.c.public_id, sweep.c.name, func.count(point.c.trial_id.distinct()))
        .select_from(sweep.outerjoin(point, point.c.sweep_id == sweep.c.id))
        .group_by(sweep.c.id, sweep.c.public_id, sweep.c.name)
        .order_by(sweep.c.id.desc())
    )
    found = tuple(
        SweepRows(public_id, name, trials, *measured.get(key, (0, 0)), stacks.get(key, ()))
        for key, public_id, name, trials in rows
    )
    total = connection.scalar(select(func.count()).select_from(metric)) or 0
    return DatabaseUse(size=_size(connection), measurements=total, sweeps=found)


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(
            connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        )
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


def _measurements(connection: Connection) -> dict[int, tuple[int, int]]:
    """By the key of the sweep: trials that it alone has a point on, and their measurements."""
    owner = func.min(point.c.sweep_id)
    owned: Any = (
        select(point.c.trial_id, owner.label("sweep_id"))
        .group_by(point.c.trial_id)
        .having(owner == func.max(point.c.sweep_id))
        .subquery()
    )
    counted = (
        select(metric.c.trial_id, func.count().label("number"))
        .group_by(metric.c.trial_id)
        .subquery()
    )
    rows = connection.execute(
        select(owned.c.sweep_id, func.count(), func.coalesce(func.sum(counted.c.number), 0))
        .select_from(owned.outerjoin(counted, counted.c.trial_id == owned.c.trial_id))
        .group_by(owned.c.sweep_id)
    )
    return {key: (trials, int(number)) for key, trials, number in rows}


def _stacks(connection: Connection) -> dict[int, tuple[int, ...]]:
    rows = connection.execute(
        select(point.c.sweep_id, trial.c.stack_id)
        .join(trial, trial.c.id == point.c.trial_id)
        .where(trial.c.stack_id.is_not(None))
        .distinct()
        .order_by(point.c.sweep_id, trial.c.stack_id)
    )
    found: dict[int, tuple[int, ...]] = {}
    for key, stack_id in rows:
        found[key] = (*found.get(key, ()), stack_id)
    return found
