"""Places of hyperparameter values on an axis: `log`, `linear` or `one_minus_log` (for betas)."""

import math


def position(value: float, axis_scale: str) -> float | None:
    """Where the value lies on its axis; None for one without a place, such as 0 on a log axis.

    Positions grow with the value. One unit is a decade of the value (`log`), a decade of 1 - value
    (`one_minus_log`), or one unit of the value itself (`linear`).
    """
    if axis_scale == "log":
        return math.log10(value) if value > 0 else None
    if axis_scale == "one_minus_log":
        return -math.log10(1 - value) if value < 1 else None
    return value


def value_at(position: float, axis_scale: str) -> float:
    """The value at a position; the inverse of `position`."""
    if axis_scale == "log":
        return float(10**position)
    if axis_scale == "one_minus_log":
        return float(1 - 10**-position)
    return position


def unit(parameter: str, axis_scale: str) -> str:
    """What a distance between two positions counts."""
    names = {"log": "decades", "one_minus_log": f"decades of 1 - {parameter}"}
    return names.get(axis_scale, parameter)
