"""From a curve to its numbers with intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.analysis import axes, edges, measures, windows
from sweeper.analysis.curves import Curve
from sweeper.analysis.estimates import (
    BasinEstimate,
    Estimate,
    Estimates,
    ValueExcess,
    WindowSensitivity,
)
from sweeper.analysis.excess import excess_intervals, mean_excesses
from sweeper.analysis.heldout import held_out, mean_interval
from sweeper.analysis.pooling import CONFIDENCE, Array, Mask, Places
from sweeper.analysis.resampling import RESAMPLES, has_spread, resampled_means
from sweeper.analysis.stability import Stability

TOLERANCES = (0.003, 0.01, 0.1)
"""Depths of further basins, in nats; the first one is the least gain for which the tuning in arXiv
2509.02046, section 3.2, changes a hyperparameter."""

_ONE_SEED = "one seed: no spread is known, so there is no interval"


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The measured means (1, V) above the resampled ones (R, V); one row without resamples."""

    curve: Curve
    means: Array
    places: Array
    best: Places

    @property
    def reason(self) -> str | None:
        return _ONE_SEED if len(self.means) == 1 else None

    def estimate(self, numbers: Array, reason: str | None = None) -> Estimate:
        """The first of the numbers (1 + R), with the quantiles of the others."""
        if reason is not None or not math.isfinite(numbers[0]):
            return Estimate(reason=reason or "the curve has none")
        known = numbers[1:][np.isfinite(numbers[1:])]
        value = float(numbers[0])
        if self.reason or 2 * len(known) <= len(numbers):
            return Estimate(value=value, reason=self.reason or "most resamples have none")
        low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Estimate(value=value, low=float(low), high=float(high))

    def value(self, places: Array, reason: str | None = None) -> Estimate:
        """An estimate of a place, as values of the axis."""
        found, scale = self.estimate(places, reason), self.curve.axis_scale
        ends = (found.value, found.low, found.high)
        value, low, high = (None if e is None else axes.value_at(e, scale) for e in ends)
        return Estimate(value=value, low=low, high=high, reason=found.reason)


def estimates(
    curve: Curve,
    stability: Stability,
    *,
    stated: tuple[float, float] | None = None,
    half_width: float | None = None,
    resamples: int = RESAMPLES,
) -> Estimates:
    """Every number of a curve with its interval: quantiles over `resamples` of its bootstrap.

    `stability` are the curve's numbers, which say where its best value is. `stated` is a window of
    values, `half_width` that of the centred window in units of the axis.
    """
    rows = _rows(curve, stability, resamples)
    bottoms = measures.bottoms(rows.means, rows.places, rows.best, windows.usable(curve))
    missing = stability.best_reason or stability.optimum_reason
    bracketed = np.isfinite(bottoms.place)
    heights = rows.means[np.arange(len(rows.means)), rows.best]
    where = np.where(bracketed, bottoms.place, rows.places[rows.best])
    middle = windows.centre(curve)
    around = _centred(curve, middle, half_width)
    heldout, chosen = _heldout(curve)
    return Estimates(
        unit=axes.unit(curve.parameter, curve.axis_scale),
        seeds=curve.table.shape[1],
        resamples=len(rows.means) - 1,
        best_value=_best_value(rows, stability),
        best_loss=rows.estimate(heights, _lacking(stability)),
        heldout_loss=heldout,
        heldout_values=chosen,
        optimum_value=rows.value(where, missing),
        optimum_loss=rows.estimate(np.where(bracketed, bottoms.loss, heights), missing),
        optimum_share=float(bracketed[1:].mean()) if len(rows.means) > 1 else None,
        curvature=rows.estimate(bottoms.curvature, missing),
        sensitivity=_sensitivity(rows, windows.declared(curve), "no value is of a declared grid"),
        sensitivity_stated=_sensitivity(
            rows,
            None if stated is None else windows.stated(curve, *stated),
            "no window was asked for" if stated is None else "no declared value is in the window",
        ),
        sensitivity_centred=_sensitivity(rows, around, _NOT_CENTRED),
        half_width=half_width,
        asymmetry=_asymmetry(rows, around, middle),
        basins=tuple(
            _basin(rows, tolerance, stability.best_reason or stability.basin_reason)
            for tolerance in sorted({*TOLERANCES, stability.tolerance})
        ),
        largest_stable=edges.largest_stable(curve, int(rows.best[0])),
        smallest_stable=edges.smallest_stable(curve, int(rows.best[0])),
        values=_values(rows, stability.best_reason),
    )


def estimates_of(
    curves: Sequence[Curve],
    stabilities: Sequence[Stability],
    *,
    stated: tuple[float, float] | None = None,
) -> tuple[Estimates, ...]:
    """Those of curves that are looked at together: their centred windows are equally wide."""
    width = windows.half_width(curves)
    return tuple(
        estimates(curve, numbers, stated=stated, half_width=width)
        for curve, numbers in zip(curves, stabilities, strict=True)
    )


_NOT_CENTRED = "no window of that width has declared values on both sides of the best one"


def _rows(curve: Curve, stability: Stability, resamples: int) -> _Rows:
    table, stable = curve.table, curve.stable
    measured = np.array([math.nan if loss is None else loss for loss in curve.loss_mean])
    means = measured[None]
    if has_spread(table, stable):
        means = np.vstack([means, resampled_means(table, stable, resamples=resamples)])
    among = windows.usable(curve)
    best = measures.lowest(means, among if among.any() else np.isfinite(measured))
    if stability.best_value is not None:
        best[0] = curve.values.index(stability.best_value)
    return _Rows(curve=curve, means=means, places=curve.places, best=best)


def _best_value(rows: _Rows, stability: Stability) -> Estimate:
    """Quantiles that are values of the curve, also where those have no place on the axis."""
    if stability.best_value is None:
        return Estimate(reason=stability.best_reason)
    if rows.reason:
        return Estimate(value=stability.best_value, reason=rows.reason)
    ends = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    low, high = np.quantile(rows.best[1:], ends, method="inverted_cdf")
    values = rows.curve.values
    return Estimate(value=stability.best_value, low=values[int(low)], high=values[int(high)])


def _values(rows: _Rows, reason: str | None) -> tuple[ValueExcess, ...]:
    curve, best = rows.curve, int(rows.best[0])
    found = excess_intervals(curve.table, curve.stable, best)
    above = np.where(np.isfinite(rows.means[0]), mean_excesses(curve.table, best), np.nan)
    known = [
        Estimate(value=0.0, reason="it is the best value itself")
        if i == best
        else Estimate(reason="it has no loss yet of a seed that the best value has")
        if not math.isfinite(excess)
        else Estimate(value=float(excess), low=interval.low, high=interval.high)
        if interval is not None and curve.interval_reason[i] is None
        else Estimate(value=float(excess), reason=curve.interval_reason[i] or _ONE_SEED)
        for i, (excess, interval) in enumerate(zip(above, found, strict=True))
    ]
    unknown = Estimate(reason=reason)
    return tuple(
        ValueExcess(value=value, excess=estimate if reason is None else unknown)
        for value, estimate in zip(curve.values, known, strict=True)
    )


def _heldout(curve: Curve) -> tuple[Estimate, tuple[float, ...]]:
    found = held_out(curve.table, curve.common_seeds)
    if found is None:
        few = curve.common_seeds.sum() < 2
        what = "one seed: none is left to choose" if few else "no value has all seeds to choose"
        return Estimate(reason=f"{what} the value on"), ()
    known = np.isfinite(found.losses)
    losses = found.losses[known]
    low, high = mean_interval(losses)
    chosen = tuple(curve.values[i] for i in found.chosen[known])
    return Estimate(value=float(losses.mean()), low=low, high=high), chosen


def _lacking(stability: Stability) -> str | None:
    return None if stability.best_loss is not None else stability.best_reason


def _centred(curve: Curve, middle: int | None, half_width: float | None) -> Mask | None:
    """The centred window, if it has values on both sides of the best one."""
    if middle is None or half_width is None or curve.inert:
        return None
    window = windows.centred(curve, middle, half_width)
    return window if window[:middle].any() and window[middle + 1 :].any() else None


def _sensitivity(rows: _Rows, window: Mask | None, reason: str) -> WindowSensitivity:
    if window is None or not window.any():
        return WindowSensitivity(loss=Estimate(reason=reason))
    values = np.array(rows.curve.values)[window]
    known = int(np.isfinite(rows.means[0, window]).sum())
    lacking = f"{known} of {len(values)} values of the window have a loss"
    loss = (
        rows.estimate(measures.sensitivities(rows.means, window))
        if known == len(values)
        else Estimate(reason=lacking)
    )
    return WindowSensitivity(
        low=float(values[0]), high=float(values[-1]), values=len(values), loss=loss
    )


def _asymmetry(rows: _Rows, window: Mask | None, middle: int | None) -> Estimate:
    if window is None or middle is None:
        return Estimate(reason=_NOT_CENTRED)
    index = np.arange(len(window))
    above, below = window & (index > middle), window & (index < middle)
    return rows.estimate(rows.means[:, above].mean(axis=1) - rows.means[:, below].mean(axis=1))


def _basin(rows: _Rows, tolerance: float, reason: str | None) -> BasinEstimate:
    found = measures.basins(rows.means, rows.places, rows.best, tolerance)
    return BasinEstimate(
        tolerance=tolerance,
        low=rows.value(found.low, reason),
        high=rows.value(found.high, reason),
        width=rows.estimate(found.high - found.low, reason),
        low_open=bool(found.low_open[0]) and reason is None,
        high_open=bool(found.high_open[0]) and reason is None,
    )
