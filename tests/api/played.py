"""A dispatcher played by the test: it claims for real and stores made-up results."""

import math
from dataclasses import dataclass
from typing import Any

from sweeper.storage.records import Claim, MetricKind, MetricRow, Owner
from sweeper.storage.store import Store
from trainers.optimizers import REGISTRY

OWNER = Owner(host="here", pid=1, started=1.0)
INITIAL_LOSS = 5.545
SPEEDS = {"tokens_per_s": 12_345.6, "flops_per_s": 3e9, "mfu": 0.125}


@dataclass(frozen=True, kw_only=True)
class Played:
    """A result as a trainer gives it."""

    outcome: str
    final_loss: float | None
    best_loss: float | None
    train_loss: float | None
    diverged_at_step: int | None = None
    initial_loss: float = INITIAL_LOSS
    last_finite_loss: float = 6.0
    busy_s: float = 1.5


def result(config: dict[str, Any]) -> Played:
    """A parabola over the decades around the optimizer's own centre; far above it, divergence."""
    hyperparameters = config["hyperparameters"]
    decades = math.log10(hyperparameters["lr"] / REGISTRY[config["optimizer"]].lr)
    if decades > 1.2:
        return Played(
            outcome="diverged", final_loss=None, best_loss=None, train_loss=None, diverged_at_step=7
        )
    loss = 2.3 + 0.6 * decades**2 + 0.02 * math.sin(7 * config["seed"] + decades)
    return Played(outcome="finite", final_loss=loss, best_loss=loss - 0.01, train_loss=loss - 0.1)


def claim(store: Store, epoch: int, most: int = 16) -> Claim | None:
    """One stack of the most wanted free trials, started."""
    free = store.queue.free_trials()
    if not free:
        return None
    together = [trial.id for trial in free if trial.stack_key == free[0].stack_key]
    claimed = store.queue.claim_new(epoch, together[:most], threads=1)
    assert claimed is not None
    store.queue.start(epoch, claimed, "tune_1", "here", 4242)
    return claimed


def finish(store: Store, epoch: int, claimed: Claim, most: int | None = None) -> None:
    """Accept results of the first members of a stack, and close it if those are all."""
    running = (epoch, claimed.stack_id, claimed.attempt)
    for member in claimed.members[:most]:
        config = dict(member.config)
        steps = config["steps"]
        rows = [_metric(member.trial_id, step, steps) for step in range(0, steps + 1, 5)]
        rows += [
            MetricRow(trial_id=member.trial_id, key=key, step=steps, value=value)
            for key, value in SPEEDS.items()
        ]
        found = result(config)
        rows += _held_out(member.trial_id, steps, found)
        store.queue.record(*running, rows)
        store.queue.accept(*running, member.trial_id, found, {"torch": "2.13.0"})
    if most is None:
        store.queue.close(*running)


def finish_all(store: Store) -> None:
    """Take over, and finish whatever is free."""
    epoch = store.queue.take_over(store.queue.dispatcher(), OWNER)
    while (claimed := claim(store, epoch)) is not None:
        finish(store, epoch, claimed)


def _held_out(trial_id: int, steps: int, found: Played) -> list[MetricRow]:
    """Held-out losses that fall in equal parts from the initial to the final one."""
    final = found.final_loss
    if final is None:
        return []
    return [
        MetricRow(
            trial_id=trial_id,
            key="validation_loss",
            step=steps * i // 4,
            value=INITIAL_LOSS + (final - INITIAL_LOSS) * i / 4,
        )
        for i in range(5)
    ]


def _metric(trial_id: int, step: int, steps: int) -> MetricRow:
    if step == steps:
        return MetricRow(
            trial_id=trial_id, key="grad_norm", step=step, value=None, kind=MetricKind.NAN
        )
    value = 2.0 + 3.5 * math.exp(-5 * step / steps)
    return MetricRow(trial_id=trial_id, key="train_loss", step=step, value=value)
