"""Numbers of a curve: where its best is, how wide the basin, how much a wrong value costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sweeper.analysis import axes
from sweeper.analysis.curves import Curve
from sweeper.spec import CANDIDATE

Side = Literal["low", "high"]
_INERT = "the parameter has no effect here: all values share their trials"
_UNORDERED = "the candidates of a search have no order"


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Bottom of the parabola through the best value and its neighbours, on the axis scale."""

    value: float | None = None
    loss: float | None = None
    reason: str | None = None
    """Why there is none."""


@dataclass(frozen=True, kw_only=True)
class Basin:
    """The connected range around the best value within the tolerance, edges interpolated.

    A censored side touches the end of what is known: the basin may go on there, and the width is a
    lower bound.
    """

    low: float | None = None
    high: float | None = None
    width: float | None = None
    low_censored: bool = False
    high_censored: bool = False
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Mean of the clipped means over the declared grid, minus the lowest of them.

    The measure of arXiv 2309.14322, which depends on the window: lowest and highest value, number
    of values.
    """

    loss: float | None = None
    low: float | None = None
    high: float | None = None
    values: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stability:
    """What a curve says in numbers; None with a reason for what it cannot say."""

    best_value: float | None
    """Where the lowest mean is, among the values whose seeds are all finished and finite; None
    where all values share their trials, so that none is better than another.

    A seed that diverged, failed, was cancelled or still waits keeps its value out: a mean of fewer
    seeds is not comparable, and the ones left may be the lucky ones.
    """
    best_loss: float | None
    best_reason: str | None
    optimum_value: float | None
    optimum_loss: float | None
    optimum_reason: str | None
    optimum_at_edge: bool
    """Whether the best value is the lowest or the highest one tried."""
    edge: Side | None
    sensitivity: float | None
    sensitivity_low: float | None
    sensitivity_high: float | None
    sensitivity_values: int
    sensitivity_reason: str | None
    basin_low: float | None
    basin_high: float | None
    basin_width: float | None
    basin_unit: str
    basin_low_censored: bool
    basin_high_censored: bool
    basin_reason: str | None
    tolerance: float
    """Depth of the basin, in nats above the best loss."""
    preliminary: bool
    """Whether trials are still to come."""


def stability(curve: Curve, tolerance: float = 0.05) -> Stability:
    """The numbers of one curve; ValueError for a tolerance that is not positive."""
    if not tolerance > 0:
        raise ValueError(f"tolerance > 0 must hold, but got tolerance={tolerance}")
    best = _best(curve)
    optimum = Optimum() if best is None else _optimum(curve, best)
    basin = Basin() if best is None else _basin(curve, best, tolerance)
    nothing = None if best is not None else "no value has all its seeds finished and finite"
    window = _sensitivity(curve)
    edge = None if best is None else _edge(curve, best)
    return Stability(
        best_value=curve.values[best] if best is not None and not curve.inert else None,
        best_loss=None if best is None else curve.loss_mean[best],
        best_reason=nothing or (_INERT if curve.inert else None),
        optimum_value=optimum.value,
        optimum_loss=optimum.loss,
        optimum_reason=nothing or optimum.reason,
        optimum_at_edge=edge is not None,
        edge=edge,
        sensitivity=window.loss,
        sensitivity_low=window.low,
        sensitivity_high=window.high,
        sensitivity_values=window.values,
        sensitivity_reason=window.reason,
        basin_low=basin.low,
        basin_high=basin.high,
        basin_width=basin.width,
        basin_unit=axes.unit(curve.parameter, curve.axis_scale),
        basin_low_censored=basin.low_censored,
        basin_high_censored=basin.high_censored,
        basin_reason=nothing or basin.reason,
        tolerance=tolerance,
        preliminary=any(curve.pending),
    )


def _best(curve: Curve) -> int | None:
    """Index of the best value, the middle one of equals."""
    candidates = {
        i: loss
        for i, loss in enumerate(curve.loss_mean)
        if loss is not None and not curve.diverged[i] and not _incomplete(curve, i)
    }
    if not candidates:
        return None
    lowest = min(candidates.values())
    equals = [i for i, loss in candidates.items() if loss == lowest]
    return equals[len(equals) // 2]


def _incomplete(curve: Curve, i: int) -> bool:
    """Whether a seed of the value is without an outcome: waiting, failed or cancelled."""
    return curve.pending[i] > 0 or curve.failed[i] > 0


def _shapeless(curve: Curve) -> str | None:
    """Why nothing can be said of what lies between two values, or beyond the last one."""
    if curve.inert:
        return _INERT
    return _UNORDERED if curve.parameter == CANDIDATE else None


def _edge(curve: Curve, best: int) -> Side | None:
    if _shapeless(curve):
        return None
    if best == 0:
        return "low"
    return "high" if best == len(curve.values) - 1 else None


def _optimum(curve: Curve, best: int) -> Optimum:
    if why := _shapeless(curve):
        return Optimum(reason=why)
    if _edge(curve, best) is not None:
        return Optimum(reason="the best value is at the edge of the values tried")
    around = (best - 1, best, best + 1)
    if any(curve.diverged[i] for i in around):
        return Optimum(reason="a seed diverged beside the best value")
    if any(_incomplete(curve, i) or curve.loss_mean[i] is None for i in around):
        return Optimum(reason="a value beside the best one is not finished")
    places = [axes.position(curve.values[i], curve.axis_scale) for i in around]
    if None in places:
        return Optimum(
            reason=f"a value beside the best one has no place on a {curve.axis_scale} axis"
        )
    if len(set(places)) < len(places):
        return Optimum(reason="values beside the best one coincide on the axis")
    bottom = _parabola_bottom(
        [place for place in places if place is not None],
        [loss for i in around if (loss := curve.loss_mean[i]) is not None],
    )
    if bottom is None:
        return Optimum(reason="the parabola through the best value is not convex")
    return Optimum(value=axes.value_at(bottom[0], curve.axis_scale), loss=bottom[1])


def _parabola_bottom(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Place and height, in divided differences; None unless it curves upwards and has both."""
    left = (y[1] - y[0]) / (x[1] - x[0])
    right = (y[2] - y[1]) / (x[2] - x[1])
    curvature = (right - left) / (x[2] - x[0])
    if not curvature > 0:
        return None
    slope = left + curvature * (x[1] - x[0])
    found = x[1] - slope / (2 * curvature), y[1] - slope * slope / (4 * curvature)
    return found if all(map(math.isfinite, found)) else None


def _basin(curve: Curve, best: int, tolerance: float) -> Basin:
    if why := _shapeless(curve):
        return Basin(reason=why)
    place = axes.position(curve.values[best], curve.axis_scale)
    if place is None:
        return Basin(reason=f"the best value has no place on a {curve.axis_scale} axis")
    low, low_censored = _basin_edge(curve, best, -1, tolerance)
    high, high_censored = _basin_edge(curve, best, +1, tolerance)
    return Basin(
        low=axes.value_at(low, curve.axis_scale),
        high=axes.value_at(high, curve.axis_scale),
        width=high - low,
        low_censored=low_censored,
        high_censored=high_censored,
    )


def _basin_edge(curve: Curve, best: int, step: int, tolerance: float) -> tuple[float, bool]:
    """Position of one edge and whether the basin may go on behind it."""
    inside, inside_loss = axes.position(curve.values[best], curve.axis_scale), curve.loss_mean[best]
    assert inside is not None
    assert inside_loss is not None
    limit = inside_loss + tolerance
    i = best + step
    while 0 <= i < len(curve.values):
        place, loss = axes.position(curve.values[i], curve.axis_scale), curve.loss_mean[i]
        if place is None or loss is None:
            break
        if loss > limit:
            share = (limit - inside_loss) / (loss - inside_loss)
            return inside + share * (place - inside), False
        inside, inside_loss = place, loss
        i += step
    return inside, True


def _sensitivity(curve: Curve) -> Sensitivity:
    grid = [i for i, declared in enumerate(curve.declared) if declared]
    losses = [loss for i in grid if (loss := curve.loss_mean[i]) is not None]
    if not grid:
        return Sensitivity(reason="no value is of a declared grid")
    window = Sensitivity(low=curve.values[grid[0]], high=curve.values[grid[-1]], values=len(grid))
    if len(losses) < len(grid):
        reason = f"{len(losses)} of {len(grid)} values of the declared grid have a loss"
        return Sensitivity(low=window.low, high=window.high, values=window.values, reason=reason)
    excess = math.fsum(losses) / len(losses) - min(losses)
    return Sensitivity(low=window.low, high=window.high, values=window.values, loss=excess)
