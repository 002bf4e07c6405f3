"""Sweeps of two axes: an optimizer's curves as the rows of a map, and the map's ridge. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Side, Stability
from sweeper.grids import axis_scale
from sweeper.spec import AxisSpec
from sweeper.trials import Variant, label_without


@dataclass(frozen=True, kw_only=True)
class RidgePoint:
    """The best of the first axis at one value of the second, interpolated where that is allowed.

    Without interpolation it is the best value of the grid. `reason` says why it is not
    interpolated, or why there is none at all.
    """

    second: float
    value: float | None
    loss: float | None
    interpolated: bool
    edge: Side | None
    """Where the best value is the lowest or the highest tried, and better ones may lie beyond."""
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one value of the first axis has at one of the second; losses in nats, over the seeds."""

    value: float
    loss: float | None
    """Mean over the finite seeds, as they ended."""
    seeds: int
    """Finished ones."""
    total: int
    diverged: int
    failed: int
    above_initial: int
    trial_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """All of one value of the second axis: a curve of the sweep."""

    second: float
    cells: tuple[Cell, ...]
    ridge: RidgePoint

    def at(self, value: float) -> Cell | None:
        """The cell at a value of the first axis, if this row has it."""
        return self._by_value.get(value)

    @cached_property
    def _by_value(self) -> Mapping[float, Cell]:
        return {cell.value: cell for cell in self.cells}


@dataclass(frozen=True, kw_only=True)
class Best:
    """The cell with the lowest mean loss, among those whose seeds are all finished and finite."""

    value: float
    second: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Final loss over two hyperparameters, for one optimizer at one scale; rows ascend."""

    label: str
    optimizer: str
    scale: str
    architecture: str
    parameter: str
    axis_scale: str
    second_parameter: str
    second_scale: str
    rows: tuple[Row, ...]
    best: Best | None

    @property
    def values(self) -> tuple[float, ...]:
        """Every value of the first axis that some row has, ascending."""
        return tuple(sorted({cell.value for row in self.rows for cell in row.cells}))


def heat_maps(
    spec: Mapping[str, Any],
    variants: Sequence[Variant],
    curves: Sequence[Curve],
    stabilities: Sequence[Stability],
) -> tuple[HeatMap, ...]:
    """One map per optimizer, scale and architecture, in their order; none without a second axis.

    `spec` is the sweep as it was submitted, `curves` name their variant by its position.
    """
    if not spec.get("second_axis"):
        return ()
    axis = AxisSpec.model_validate(spec["second_axis"])
    rows = [
        (_identity(variants[curve.variant], axis.parameter), curve, stability)
        for curve, stability in zip(curves, stabilities, strict=True)
    ]
    groups = itertools.groupby(rows, key=lambda row: (row[0][0], row[1].scale, row[1].architecture))
    return tuple(_heat_map(axis, list(group)) for _, group in groups)


Identity = tuple[str, float]
"""The label without the value of the second axis, and that value."""


def _identity(variant: Variant, parameter: str) -> Identity:
    value = float(variant.overrides[parameter])
    return label_without(variant.label, parameter, value), value


def _heat_map(axis: AxisSpec, rows: Sequence[tuple[Identity, Curve, Stability]]) -> HeatMap:
    (label, _), first, _ = rows[0]
    found = [_row(second, curve, stability) for (_, second), curve, stability in rows]
    return HeatMap(
        label=label,
        optimizer=first.optimizer,
        scale=first.scale,
        architecture=first.architecture,
        parameter=first.parameter,
        axis_scale=first.axis_scale,
        second_parameter=axis.parameter,
        second_scale=axis_scale(axis),
        rows=tuple(sorted(found, key=lambda row: row.second)),
        best=_best([(second, stability) for (_, second), _, stability in rows]),
    )


def _row(second: float, curve: Curve, stability: Stability) -> Row:
    cells = tuple(_cell(curve, i) for i in range(len(curve.values)))
    return Row(second=second, cells=cells, ridge=_ridge_point(second, stability))


def _cell(curve: Curve, i: int) -> Cell:
    return Cell(
        value=curve.values[i],
        loss=curve.finite_mean[i],
        seeds=curve.seeds[i],
        total=curve.total[i],
        diverged=curve.diverged[i],
        failed=curve.failed[i],
        above_initial=curve.above_initial[i],
        trial_ids=tuple(seed.trial_id for seed in curve.losses[i]),
    )


def _ridge_point(second: float, stability: Stability) -> RidgePoint:
    interpolated = stability.optimum_value is not None
    return RidgePoint(
        second=second,
        value=stability.optimum_value if interpolated else stability.best_value,
        loss=stability.optimum_loss if interpolated else stability.best_loss,
        interpolated=interpolated,
        edge=stability.edge,
        reason=stability.best_reason or stability.optimum_reason,
    )


def _best(rows: Sequence[tuple[float, Stability]]) -> Best | None:
    """The lowest of the rows' best losses; the first of equals."""
    known = [
        Best(value=stability.best_value, second=second, loss=stability.best_loss)
        for second, stability in rows
        if stability.best_value is not None and stability.best_loss is not None
    ]
    return min(known, key=lambda best: best.loss, default=None)
