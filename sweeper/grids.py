"""The values of an axis: explicit, or generated on its scale as the study writes them."""

import math

import numpy as np

from sweeper.spec import SPACINGS, AxisScale, AxisSpec, Grid

_DEFAULT_SCALES: dict[str, AxisScale] = {
    "lr": "log",
    "eps": "log",
    "weight_decay": "log",
    "z_loss": "log",
    "grad_clip": "log",
    "batch_size": "log",
    "batch_multiple": "log",
    "steps": "log",
    "tokens": "log",
    "length_multiple": "log",
    "momentum": "one_minus_log",
    "beta2": "one_minus_log",
}
_ROUNDED = 1e-3
"""Halves of a decade: 3.16 is that much below the root of ten, and stands for it."""


def axis_scale(axis: AxisSpec) -> AxisScale:
    """The scale given, or else the customary one of the hyperparameter."""
    return axis.scale or _DEFAULT_SCALES.get(axis.parameter, "linear")


def axis_values(axis: AxisSpec, centre: float | None = None) -> tuple[float, ...]:
    """The values, ascending; multiples are of the centre.

    Generated ones may coincide after rounding, which `rules` refuses.
    """
    values = _listed(axis, centre) if not axis.is_range else _generated(axis)
    if axis.zero and 0.0 not in values:
        values.append(0.0)
    return tuple(sorted(values))


def with_own_grid(axis: AxisSpec, own: Grid) -> AxisSpec:
    """The axis with what an optimizer gives of a grid in place of the axis's; perhaps incomplete.

    Of a range it may give a part. Its own list of values stands as it is, without an added 0.
    """
    if not own.given:
        return axis
    nothing = {name: Grid.model_fields[name].default for name in Grid.model_fields}
    given = {name: getattr(own, name) for name in own.given}
    if not own.is_range:
        zero = axis.zero and (own.values is None or 0.0 in own.values)
        return axis.model_copy(update=nothing | given | {"zero": zero})
    replaced = SPACINGS if own.given & SPACINGS else frozenset[str]()
    kept = (axis.given & {"low", "high", *SPACINGS}) - replaced
    return axis.model_copy(update=nothing | {name: getattr(axis, name) for name in kept} | given)


def significant(value: float, digits: int = 3) -> float:
    """The nearest number of so many significant digits: 0.0031623 becomes 3.16e-3."""
    return float(f"{value:.{digits - 1}e}")


def multiple(factor: float, centre: float, scale: AxisScale) -> float:
    """So many times the centre; on a `one_minus_log` axis, times its distance from one.

    3.16 is how the study writes the root of ten, so that 3.16 times 3.16e-4 is 1e-3.
    """
    if factor == 1:
        return centre
    match scale:
        case "log":
            return significant(_unrounded(factor) * _unrounded(centre))
        case "one_minus_log":
            gap = significant(_unrounded(factor) * _unrounded(significant(1 - centre, 12)))
            return significant(1 - gap, 12)
        case "linear":
            return significant(factor * centre, 12)


def _listed(axis: AxisSpec, centre: float | None) -> list[float]:
    if axis.multiples is None:
        assert axis.values is not None
        return list(axis.values)
    assert centre is not None
    return [multiple(factor, centre, axis_scale(axis)) for factor in axis.multiples]


def _generated(axis: AxisSpec) -> list[float]:
    assert axis.low is not None
    assert axis.high is not None
    match axis_scale(axis):
        case "log":
            return _spaced(axis.low, axis.high, axis.points)
        case "one_minus_log":
            low, high = significant(1 - axis.high, 12), significant(1 - axis.low, 12)
            return [significant(1 - gap, 12) for gap in _spaced(low, high, axis.points)]
        case "linear":
            assert axis.points is not None
            return [significant(v, 12) for v in np.linspace(axis.low, axis.high, axis.points)]


def _spaced(low: float, high: float, points: int | None) -> list[float]:
    """Evenly in decades: so many, or else every half-decade that lies between."""
    if points is not None:
        return [significant(float(value)) for value in np.geomspace(low, high, points)]
    first = math.ceil(2 * math.log10(low) - _ROUNDED)
    last = math.floor(2 * math.log10(high) + _ROUNDED)
    return [significant(10 ** (half / 2)) for half in range(first, last + 1)]


def _unrounded(number: float) -> float:
    mantissa, exponent = f"{number:.2e}".split("e")
    return math.sqrt(10) * 10.0 ** int(exponent) if mantissa == "3.16" else number
