"""Final loss against one hyperparameter, from the results of a sweep: one `Curve` per variant."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.analysis import axes
from sweeper.analysis.pooling import Array, Mask, pooled_intervals, sample_variances
from sweeper.analysis.seeds import SeedLoss, is_stable, loss_table

if TYPE_CHECKING:
    import pandas as pd

    from sweeper.analysis.stability import Stability

_COLUMNS = [
    *("variant", "label", "optimizer", "scale", "architecture", "parameter", "axis_scale"),
    *("value", "seed", "origin", "trial_id", "state", "outcome"),
    *("final_loss", "initial_loss", "diverged_at_step"),
]
_UNFINISHED = frozenset({"pending", "running"})


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Final loss against one hyperparameter, for one variant; everything in nats.

    `values` ascend, and every other tuple has one entry per value. `loss_mean` is over the finished
    seeds, each counted as min(final, initial loss) and a diverged one as its initial loss;
    `finite_mean` is over the finite seeds alone, as they ended. `loss_low` and `loss_high` are the
    95 % t-interval of `loss_mean`, None where `interval_reason` says why; its variance is pooled
    over neighbours (`pooling`). Tuples of float, never arrays: plotly encodes those as base64.
    """

    variant: int
    label: str
    optimizer: str
    scale: str
    architecture: str
    parameter: str
    axis_scale: str
    initial_loss: float | None
    """Mean over the trials that have recorded one."""
    values: tuple[float, ...]
    loss_mean: tuple[float | None, ...]
    loss_low: tuple[float | None, ...]
    loss_high: tuple[float | None, ...]
    interval_reason: tuple[str | None, ...]
    finite_mean: tuple[float | None, ...]
    seeds: tuple[int, ...]
    """Finished seeds, diverged ones included."""
    total: tuple[int, ...]
    """Seeds asked for."""
    diverged: tuple[int, ...]
    pending: tuple[int, ...]
    """Waiting or running."""
    failed: tuple[int, ...]
    """Failed or cancelled: without a loss, and not about to get one."""
    above_initial: tuple[int, ...]
    """Finite, but above the initial loss: flagged, not called diverged."""
    declared: tuple[bool, ...]
    """Whether the value is of the declared grid, rather than added later."""
    losses: tuple[tuple[SeedLoss, ...], ...]
    """Seed by seed, in the order of the seeds."""
    spread: tuple[float | None, ...]
    """Standard deviation over the finished seeds as they count; None for fewer than two."""
    interval_freedom: tuple[float | None, ...]
    """Degrees of freedom of the interval."""
    interval_values: tuple[int, ...]
    """Values whose variances it has in common; 0 where there is no interval."""

    @property
    def inert(self) -> bool:
        """Whether the parameter has no effect here, so that all values share their trials."""
        trials = {tuple(loss.trial_id for loss in seeds) for seeds in self.losses}
        return len(self.values) > len(trials) == 1

    @cached_property
    def table(self) -> Array:
        """Counted losses (V, S), by value and seed; NaN where there is none yet."""
        return loss_table(self.losses)

    @cached_property
    def places(self) -> Array:
        """Positions of the values (V) on the axis; NaN for those without one."""
        found = (axes.position(value, self.axis_scale) for value in self.values)
        return np.array([math.nan if place is None else place for place in found])

    @cached_property
    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds (S) of the table."""
        return tuple(sorted({loss.seed for seeds in self.losses for loss in seeds}))

    @cached_property
    def common_seeds(self) -> Mask:
        """Which seeds (S) every declared value was asked with: on these, values are compared."""
        declared = [
            s for s, is_declared in zip(self.losses, self.declared, strict=True) if is_declared
        ]
        asked = [{loss.seed for loss in seeds} for seeds in declared or self.losses]
        return np.array([all(seed in seeds for seeds in asked) for seed in self.seed_numbers])

    @cached_property
    def stable(self) -> Mask:
        """Which values (V) are stable: all seeds finished, finite, none above the initial loss."""
        return np.array([is_stable(seeds) for seeds in self.losses])

    @property
    def finished_points(self) -> int:
        """Points with an outcome."""
        return sum(self.seeds)

    @property
    def total_points(self) -> int:
        """Points asked for."""
        return sum(self.total)


def stability_curves(points: "pd.DataFrame") -> tuple[Curve, ...]:
    """One curve per variant, in the order of the variants, from the frame of a sweep's points.

    The order of the rows does not matter, and columns that are not needed are not read.
    """
    rows = sorted(
        (dict(zip(_COLUMNS, row, strict=True)) for row in points[_COLUMNS].itertuples(index=False)),
        key=lambda row: (row["variant"], row["value"], row["seed"]),
    )
    variants = itertools.groupby(rows, key=lambda row: row["variant"])
    return tuple(_curve(list(group)) for _, group in variants)


def to_json(curve: Curve, stability: "Stability") -> dict[str, Any]:
    """The public JSON of a curve: its points and its stability, free of NaN."""
    return {
        "variant": curve.variant,
        "label": curve.label,
        "optimizer": curve.optimizer,
        "scale": curve.scale,
        "architecture": curve.architecture,
        "parameter": curve.parameter,
        "axis_scale": curve.axis_scale,
        "initial_loss": curve.initial_loss,
        "inert": curve.inert,
        "finished": curve.finished_points,
        "total": curve.total_points,
        "points": [_point_json(curve, i) for i in range(len(curve.values))],
        "stability": dataclasses.asdict(stability),
    }


def _point_json(curve: Curve, i: int) -> dict[str, Any]:
    return {
        "value": curve.values[i],
        "loss_mean": curve.loss_mean[i],
        "loss_low": curve.loss_low[i],
        "loss_high": curve.loss_high[i],
        "seeds": curve.seeds[i],
        "diverged": curve.diverged[i],
        "total": curve.total[i],
        "pending": curve.pending[i],
        "failed": curve.failed[i],
        "above_initial": curve.above_initial[i],
        "finite_mean": curve.finite_mean[i],
        "interval_reason": curve.interval_reason[i],
        "declared": curve.declared[i],
        "spread": curve.spread[i],
        "diverged_fraction": curve.diverged[i] / curve.seeds[i] if curve.seeds[i] else None,
        "interval_freedom": curve.interval_freedom[i],
        "interval_values": curve.interval_values[i],
        "trials": [dataclasses.asdict(loss) for loss in curve.losses[i]],
    }


def _curve(rows: Sequence[Mapping[str, Any]]) -> Curve:
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row["value"])]
    losses = tuple(tuple(_seed_loss(row) for row in group) for group in groups)
    table = loss_table(losses)
    intervals = pooled_intervals(table, np.array([is_stable(seeds) for seeds in losses]))
    shown = [None if _reason(s) else i for s, i in zip(losses, intervals, strict=True)]
    first = rows[0]
    return Curve(
        variant=int(first["variant"]),
        label=first["label"],
        optimizer=first["optimizer"],
        scale=first["scale"],
        architecture=first["architecture"],
        parameter=first["parameter"],
        axis_scale=first["axis_scale"],
        initial_loss=_mean(_known(loss.initial_loss for group in losses for loss in group)),
        values=tuple(float(group[0]["value"]) for group in groups),
        loss_mean=tuple(_mean(_counted(seeds)) for seeds in losses),
        loss_low=tuple(None if i is None else i.low for i in shown),
        loss_high=tuple(None if i is None else i.high for i in shown),
        interval_reason=tuple(_reason(seeds) for seeds in losses),
        finite_mean=tuple(_mean(_known(loss.final_loss for loss in seeds)) for seeds in losses),
        seeds=tuple(sum(loss.outcome is not None for loss in seeds) for seeds in losses),
        total=tuple(len(seeds) for seeds in losses),
        diverged=tuple(sum(loss.outcome == "diverged" for loss in seeds) for seeds in losses),
        pending=tuple(sum(loss.state in _UNFINISHED for loss in seeds) for seeds in losses),
        failed=tuple(sum(_has_failed(loss) for loss in seeds) for seeds in losses),
        above_initial=tuple(sum(loss.above_initial for loss in seeds) for seeds in losses),
        declared=tuple(any(row["origin"] == "grid" for row in group) for group in groups),
        losses=losses,
        spread=_spread(table),
        interval_freedom=tuple(None if i is None else i.freedom for i in shown),
        interval_values=tuple(interval.values if interval else 0 for interval in shown),
    )


def _seed_loss(row: Mapping[str, Any]) -> SeedLoss:
    outcome = row["outcome"] if isinstance(row["outcome"], str) else None
    step = _number(row["diverged_at_step"])
    return SeedLoss(
        seed=int(row["seed"]),
        trial_id=str(row["trial_id"]),
        state=str(row["state"]),
        outcome=None if outcome is None else str(outcome),
        final_loss=_number(row["final_loss"]) if outcome == "finite" else None,
        initial_loss=_number(row["initial_loss"]),
        diverged_at_step=None if step is None else int(step),
    )


def _number(cell: Any) -> float | None:
    """A finite float; None for what a frame writes where there is no number."""
    if not isinstance(cell, Real) or not math.isfinite(cell):
        return None
    return float(cell)


def _has_failed(loss: SeedLoss) -> bool:
    return loss.outcome is None and loss.state not in _UNFINISHED


def _counted(seeds: Iterable[SeedLoss]) -> list[float]:
    """Losses of the finished seeds; none at all if one diverged from an unknown initial loss."""
    finished = [loss.counted_loss for loss in seeds if loss.outcome is not None]
    return [] if None in finished else _known(finished)


def _reason(seeds: Sequence[SeedLoss]) -> str | None:
    """Why there is no interval."""
    finished = [loss for loss in seeds if loss.outcome is not None]
    if any(loss.outcome == "diverged" for loss in finished):
        return "a seed diverged: the spread of the others would say too little"
    if len(finished) < 2:
        there = "there is one" if finished else "there is none"
        return f"an interval needs two finished seeds, and {there}"
    return None


def _spread(table: Array) -> tuple[float | None, ...]:
    counts, variances = np.isfinite(table).sum(axis=1), sample_variances(table)
    return tuple(
        math.sqrt(variance) if count > 1 else None
        for count, variance in zip(counts, variances, strict=True)
    )


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]


def _mean(numbers: Sequence[float]) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None
