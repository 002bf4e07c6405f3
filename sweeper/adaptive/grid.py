"""Places on the axis of a curve, the spacing of its grid, and values as grids write them."""

import itertools
from statistics import fmean

from sweeper.adaptive.steps import Legal
from sweeper.analysis import axes
from sweeper.analysis.curves import Curve
from sweeper.grids import significant

SAME_SPACING = 0.05
"""Spacings of a grid that differ by no more than this share of their mean are one spacing."""
ROUNDING = 0.002
"""In decades: what rounding to three digits moves a value by, at most."""
LARGEST = 300.0
"""Decades from one to where numbers of double precision end, or nearly so."""


def place(curve: Curve, i: int) -> float | None:
    """Where the value of that index lies on its axis; None beyond the ends, or without a place."""
    if not 0 <= i < len(curve.values):
        return None
    return axes.position(curve.values[i], curve.axis_scale)


def value_at(position: float, axis_scale: str, legal: Legal) -> float | None:
    """The value at a position as grids write them, if the hyperparameter takes it."""
    if axis_scale != "linear" and abs(position) > LARGEST:
        return None
    value = axes.value_at(position, axis_scale)
    if axis_scale == "log":
        return legal(significant(value))
    if axis_scale == "one_minus_log":
        return legal(significant(1 - significant(1 - value), 12))
    return legal(significant(value, 12))


def even_grid(curve: Curve, upwards: bool) -> tuple[float, float] | None:
    """A place of the declared grid and its spacing; None for a grid of less than two places.

    Of an even grid, the place is that of the value with the fewest digits, as the others may be
    rounded: 3.16e-3 is no half of a decade above 1e-3, but was meant so. Of an uneven one both
    are those at the end that is asked for.
    """
    places = {
        where: _num_digits(value, curve.axis_scale)
        for value, declared in zip(curve.values, curve.declared, strict=True)
        if declared and (where := axes.position(value, curve.axis_scale)) is not None
    }
    gaps = [after - before for before, after in itertools.pairwise(places)]
    if not gaps:
        return None
    mean = fmean(gaps)
    if any(abs(gap - mean) > SAME_SPACING * mean for gap in gaps):
        return (max(places), gaps[-1]) if upwards else (min(places), gaps[0])
    return min(places, key=places.__getitem__), _unrounded(mean, curve.axis_scale)


def _num_digits(value: float, axis_scale: str) -> int:
    """Significant digits, of three, of what the axis is even in."""
    shown = 1 - value if axis_scale == "one_minus_log" else value
    return len(f"{shown:.2e}".partition("e")[0].rstrip("0").rstrip("."))


def _unrounded(spacing: float, axis_scale: str) -> float:
    """The twelfths of a decade that a spacing was, but for three digits of the values."""
    twelfths = round(12 * spacing) / 12
    is_meant = axis_scale != "linear" and twelfths and abs(spacing - twelfths) < ROUNDING
    return twelfths if is_meant else spacing
