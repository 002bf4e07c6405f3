"""Final loss against one hyperparameter, from the results of a sweep: one `Curve` per variant."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from sweeper.analysis import student

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
class SeedLoss:
    """What one seed of a value has given so far; `outcome` is None until its trial is done."""

    seed: int
    trial_id: str
    state: str
    outcome: str | None
    final_loss: float | None
    initial_loss: float | None
    diverged_at_step: int | None = None

    @property
    def counted_loss(self) -> float | None:
        """min(final, initial); the initial loss of a diverged trial; None while there is none."""
        if self.outcome == "diverged":
            return self.initial_loss
        if self.final_loss is None or self.initial_loss is None:
            return self.final_loss
        return min(self.final_loss, self.initial_loss)

    @property
    def above_initial(self) -> bool:
        """Whether training ended finite, but worse than it began."""
        finite = self.final_loss is not None and self.initial_loss is not None
        return finite and self.counted_loss != self.final_loss


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Final loss against one hyperparameter, for one variant; everything in nats.

    `values` ascend, and every other tuple has one entry per value. `loss_mean` is over the finished
    seeds, each counted as min(final, initial loss) and a diverged one as its initial loss;
    `finite_mean` is over the finite seeds alone, as they ended. `loss_low` and `loss_high` are the
    95 % t-interval of `loss_mean`, None where `interval_reason` says why. Tuples of float, never
    arrays: plotly would encode arrays as base64.
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

    @property
    def inert(self) -> bool:
        """Whether the parameter has no effect here, so that all values share their trials."""
        trials = {tuple(loss.trial_id for loss in seeds) for seeds in self.losses}
        return len(self.values) > len(trials) == 1

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
        "trials": [dataclasses.asdict(loss) for loss in curve.losses[i]],
    }


def _curve(rows: Sequence[Mapping[str, Any]]) -> Curve:
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row["value"])]
    losses = tuple(tuple(_seed_loss(row) for row in group) for group in groups)
    intervals = [_interval(seeds) for seeds in losses]
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
        loss_low=tuple(low for low, _, _ in intervals),
        loss_high=tuple(high for _, high, _ in intervals),
        interval_reason=tuple(reason for _, _, reason in intervals),
        finite_mean=tuple(_mean(_known(loss.final_loss for loss in seeds)) for seeds in losses),
        seeds=tuple(sum(loss.outcome is not None for loss in seeds) for seeds in losses),
        total=tuple(len(seeds) for seeds in losses),
        diverged=tuple(sum(loss.outcome == "diverged" for loss in seeds) for seeds in losses),
        pending=tuple(sum(loss.state in _UNFINISHED for loss in seeds) for seeds in losses),
        failed=tuple(sum(_has_failed(loss) for loss in seeds) for seeds in losses),
        above_initial=tuple(sum(loss.above_initial for loss in seeds) for seeds in losses),
        declared=tuple(any(row["origin"] == "grid" for row in group) for group in groups),
        losses=losses,
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


def _interval(seeds: Sequence[SeedLoss]) -> tuple[float | None, float | None, str | None]:
    """Low, high and, where there are none, the reason."""
    finished = [loss for loss in seeds if loss.outcome is not None]
    if any(loss.outcome == "diverged" for loss in finished):
        return None, None, "a seed diverged: the spread of the others would say too little"
    if len(finished) < 2:
        return None, None, f"{len(finished)} finished seeds: an interval needs two"
    low, high = student.t_interval(_counted(finished))
    return low, high, None


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]


def _mean(numbers: Sequence[float]) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None
