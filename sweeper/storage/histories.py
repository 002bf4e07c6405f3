"""Losses of many trials on the way, read at once."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from sweeper.storage.tables import metric, trial

VALIDATION_LOSS = "validation_loss"


def validation_losses(
    connection: Connection, trial_ids: Sequence[str]
) -> dict[str, dict[int, float]]:
    """Held-out loss by step, by trial, in one query; steps without a finite one are left out."""
    rows = connection.execute(
        select(trial.c.public_id, metric.c.step, metric.c.value)
        .select_from(metric.join(trial, trial.c.id == metric.c.trial_id))
        .where(trial.c.public_id.in_(sorted(set(trial_ids))))
        .where(metric.c.key == VALIDATION_LOSS, metric.c.value.is_not(None))
        .order_by(trial.c.public_id, metric.c.step)
    )
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for public_id, step, value in rows:
        found[public_id][step] = value
    return dict(found)
