"""The best value over model sizes: a power law, a prediction, the price of not tuning anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.analysis import axes, student, windows
from sweeper.analysis.curves import Curve
from sweeper.analysis.estimates import Estimate
from sweeper.analysis.pooling import CONFIDENCE, Array
from sweeper.analysis.resampling import has_spread, resampled_means
from sweeper.analysis.scaling import PowerLaw, power_law
from sweeper.analysis.stability import Stability

LEAST_SCALES = 3


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A curve of one label at one scale; `parameters` without the token tables."""

    curve: Curve
    stability: Stability
    optimum: Estimate
    """Where its best value is: interpolated where it can be, else of the grid."""
    parameters: int | None
    tokens: float | None


@dataclass(frozen=True, kw_only=True)
class ScaleOptimum:
    """The best value at one scale, with its 95 % interval."""

    scale: str
    parameters: int | None
    tokens: float | None
    value: float | None
    low: float | None
    high: float | None
    loss: float | None
    interpolated: bool
    used: bool
    """Whether the fit takes it: not at an edge of the values tried."""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Nats above a scale's best loss, for using the best value of a smaller scale."""

    tuned_at: str
    used_at: str
    value: float
    excess: Estimate


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The best value that the fit expects at another size, with its 95 % prediction interval."""

    scale: str
    parameters: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One label over scales. `exponent` is the slope of the place on the axis over log10(size).

    On a log axis the best value is a power of the size with that exponent; on a `one_minus_log`
    axis, its distance from one is a power with minus that.
    """

    label: str
    architecture: str
    optima: tuple[ScaleOptimum, ...]
    exponent: Estimate
    at_one: float | None
    """Place on the axis that the line has at a size of one parameter."""
    prediction: Prediction | None
    paid: tuple[Paid, ...]
    loss_by_size: PowerLaw | None
    loss_by_tokens: PowerLaw | None
    loss_reason: str | None


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Least squares through points: the mean of x, the place there, the slope."""

    centre: float
    height: float
    slope: float
    deviation: float
    spread: float
    points: int

    def at(self, x: float) -> float:
        return self.height + self.slope * (x - self.centre)

    @property
    def quantile(self) -> float:
        return student.t_quantile(0.5 + CONFIDENCE / 2, self.points - 2)


def transfer(curves: Sequence[Sized], larger: tuple[str, int] | None = None) -> Transfer:
    """What the curves of one label, at least one, say over their sizes.

    `larger` names a scale and its size to predict for. Fewer than three scales with a best value
    off the edges give no fit, and the reason.
    """
    ordered = sorted(curves, key=lambda sized: sized.parameters or 0)
    optima = tuple(_optimum(sized) for sized in ordered)
    scale = ordered[0].curve.axis_scale
    line = _line(optima, scale)
    laws = {
        "size": _law([(o.parameters, o.loss) for o in optima]),
        "tokens": _law([(o.tokens, o.loss) for o in optima]),
    }
    return Transfer(
        label=ordered[0].curve.label,
        architecture=ordered[0].curve.architecture,
        optima=optima,
        exponent=_exponent(line, optima),
        at_one=None if line is None else line.at(0.0),
        prediction=None if line is None or larger is None else _prediction(line, scale, *larger),
        paid=tuple(_paid(ordered)),
        loss_by_size=laws["size"],
        loss_by_tokens=laws["tokens"],
        loss_reason=_too_few(sum(o.loss is not None for o in optima), "scales with a best loss")
        or _lawless([name for name, law in laws.items() if law is None]),
    )


def _optimum(sized: Sized) -> ScaleOptimum:
    numbers = sized.stability
    interpolated, value = numbers.optimum_value is not None, sized.optimum.value
    reason = numbers.best_reason or (numbers.optimum_reason if numbers.optimum_at_edge else None)
    known = value is not None and axes.position(value, sized.curve.axis_scale) is not None
    if not known and reason is None:
        reason = f"the best value has no place on a {sized.curve.axis_scale} axis"
    if sized.parameters is None and reason is None:
        reason = "the size of the model is not known"
    return ScaleOptimum(
        scale=sized.curve.scale,
        parameters=sized.parameters,
        tokens=sized.tokens,
        value=value,
        low=sized.optimum.low,
        high=sized.optimum.high,
        loss=numbers.optimum_loss if interpolated else numbers.best_loss,
        interpolated=interpolated,
        used=reason is None,
        reason=reason,
    )


def _points(optima: Sequence[ScaleOptimum], axis_scale: str) -> tuple[Array, Array]:
    """log10 of the sizes, and places on the axis, of the optima that count."""
    x = [math.log10(o.parameters) for o in optima if o.used and o.parameters]
    places = [axes.position(o.value, axis_scale) for o in optima if o.used and o.value is not None]
    return np.array(x), np.array(places, dtype=float)


def _line(optima: Sequence[ScaleOptimum], axis_scale: str) -> _Line | None:
    x, y = _points(optima, axis_scale)
    if len(set(x)) < LEAST_SCALES:
        return None
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    residuals = y - y.mean() - slope * (x - x.mean())
    return _Line(
        centre=float(x.mean()),
        height=float(y.mean()),
        slope=slope,
        deviation=math.sqrt(float((residuals**2).sum()) / (len(x) - 2)),
        spread=spread,
        points=len(x),
    )


def _exponent(line: _Line | None, optima: Sequence[ScaleOptimum]) -> Estimate:
    if line is None:
        used = len({o.parameters for o in optima if o.used})
        return Estimate(reason=_too_few(used, "scales with a best value off the edges"))
    reach = line.quantile * line.deviation / math.sqrt(line.spread)
    return Estimate(value=line.slope, low=line.slope - reach, high=line.slope + reach)


def _too_few(count: int, what: str) -> str | None:
    return None if count >= LEAST_SCALES else f"{count} {what}: a fit needs {LEAST_SCALES}"


def _lawless(names: Sequence[str]) -> str | None:
    if not names:
        return None
    what = " and ".join(names)
    return f"against {what}, losses do not fall as a power law, or fewer than three are known"


def _prediction(line: _Line, axis_scale: str, scale: str, parameters: int) -> Prediction:
    x = math.log10(parameters)
    room = 1 + 1 / line.points + (x - line.centre) ** 2 / line.spread
    reach = line.quantile * line.deviation * math.sqrt(room)
    value, low, high = (
        axes.value_at(place, axis_scale)
        for place in (line.at(x), line.at(x) - reach, line.at(x) + reach)
    )
    return Prediction(scale=scale, parameters=parameters, value=value, low=low, high=high)


def _paid(ordered: Sequence[Sized]) -> list[Paid]:
    """Of every scale, for the best value of every smaller one."""
    found = []
    for j, larger in enumerate(ordered):
        for smaller in ordered[:j]:
            value = smaller.stability.best_value
            if value is not None and smaller.parameters != larger.parameters:
                found.append(
                    Paid(
                        tuned_at=smaller.curve.scale,
                        used_at=larger.curve.scale,
                        value=value,
                        excess=_excess(larger.curve, value),
                    )
                )
    return found


def _excess(curve: Curve, value: float) -> Estimate:
    """Loss of the curve at a value, interpolated on the axis, above its lowest one."""
    where, place = curve.places, axes.position(value, curve.axis_scale)
    measured = np.array([math.nan if loss is None else loss for loss in curve.loss_mean])
    if value in curve.values:
        weights = (np.array(curve.values) == value).astype(float)
    else:
        known = np.flatnonzero(np.isfinite(where) & np.isfinite(measured))
        if place is None or not known.size or not where[known[0]] <= place <= where[known[-1]]:
            return Estimate(reason="the value lies outside what was tried at the larger scale")
        weights = np.zeros(len(where))
        for i, share in _between(where[known], place):
            weights[known[i]] = share
    candidates = windows.usable(curve) & np.isfinite(measured)
    if not candidates.any() or not np.isfinite(measured[weights > 0]).all():
        return Estimate(reason="the larger scale has no finished values there")
    rows = measured[None]
    if has_spread(curve.table, curve.stable):
        rows = np.vstack([rows, resampled_means(curve.table, curve.stable)])
    inside = weights > 0
    excess = rows[:, inside] @ weights[inside] - rows[:, candidates].min(axis=1)
    if len(rows) == 1:
        return Estimate(value=float(excess[0]), reason="one seed: no spread is known")
    low, high = np.quantile(excess[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value=float(excess[0]), low=float(low), high=float(high))


def _between(places: Array, place: float) -> list[tuple[int, float]]:
    """Indexes and weights of linear interpolation at a place within ascending ones."""
    right = int(np.clip(np.searchsorted(places, place), 1, len(places) - 1))
    share = float((place - places[right - 1]) / (places[right] - places[right - 1]))
    return [(right - 1, 1 - share), (right, share)]


def _law(points: Sequence[tuple[float | None, float | None]]) -> PowerLaw | None:
    known = [(x, loss) for x, loss in points if x is not None and loss is not None]
    return power_law([x for x, _ in known], [loss for _, loss in known])
