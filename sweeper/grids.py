"""The values of an axis: explicit, or generated on its scale as the study writes them."""

import numpy as np

from sweeper.spec import AxisScale, AxisSpec

_DEFAULT_SCALES: dict[str, AxisScale] = {
    "lr": "log",
    "eps": "log",
    "weight_decay": "log",
    "z_loss": "log",
    "grad_clip": "log",
    "batch_size": "log",
    "batch_multiple": "log",
    "steps": "log",
    "length_multiple": "log",
    "momentum": "one_minus_log",
    "beta2": "one_minus_log",
}


def axis_scale(axis: AxisSpec) -> AxisScale:
    """The scale given, or else the customary one of the hyperparameter."""
    return axis.scale or _DEFAULT_SCALES.get(axis.parameter, "linear")


def axis_values(axis: AxisSpec) -> tuple[float, ...]:
    """The values, ascending; generated ones may coincide after rounding, which `rules` refuses."""
    values = list(axis.values) if axis.values is not None else _generated(axis)
    if axis.zero and 0.0 not in values:
        values.append(0.0)
    return tuple(sorted(values))


def significant(value: float, digits: int = 3) -> float:
    """The nearest number of so many significant digits: 0.0031623 becomes 3.16e-3."""
    return float(f"{value:.{digits - 1}e}")


def _generated(axis: AxisSpec) -> list[float]:
    assert axis.low is not None
    assert axis.high is not None
    assert axis.points is not None
    match axis_scale(axis):
        case "log":
            return [significant(v) for v in _geometric(axis.low, axis.high, axis.points)]
        case "one_minus_log":
            gaps = _geometric(1 - axis.low, 1 - axis.high, axis.points)
            return [significant(1 - significant(gap), 12) for gap in gaps]
        case "linear":
            return [significant(v, 12) for v in np.linspace(axis.low, axis.high, axis.points)]


def _geometric(first: float, last: float, points: int) -> list[float]:
    return [float(v) for v in np.geomspace(first, last, points)]
