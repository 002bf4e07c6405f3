"""Parts of the declared grid over which a sensitivity is taken."""

import math
from collections.abc import Iterable

import numpy as np

from sweeper.analysis import measures
from sweeper.analysis.curves import Curve
from sweeper.analysis.pooling import Mask

_SLACK = 1e-9
"""Relative: a value that went through a logarithm and back still equals itself."""


def declared(curve: Curve) -> Mask:
    """Values (V) of the declared grid."""
    return np.array(curve.declared)


def stated(curve: Curve, low: float, high: float) -> Mask:
    """Declared values (V) from `low` to `high`, both included."""
    values = np.array(curve.values)
    room = _SLACK * np.abs(values)
    return np.asarray(declared(curve) & (values >= low - room) & (values <= high + room))


def usable(curve: Curve) -> Mask:
    """Values (V) with all seeds finished and finite: the candidates for the best one."""
    lost = zip(curve.diverged, curve.pending, curve.failed, strict=True)
    return np.array([not any(counts) for counts in lost])


def centre(curve: Curve) -> int | None:
    """Index of the best declared value: refinement moves no window. None without one."""
    means = np.array([math.nan if loss is None else loss for loss in curve.loss_mean])
    candidates = usable(curve) & declared(curve) & np.isfinite(means)
    return int(measures.lowest(means[None], candidates)[0]) if candidates.any() else None


def centred(curve: Curve, middle: int, half_width: float) -> Mask:
    """Declared values (V) at most `half_width` units of the axis from that of index `middle`."""
    where = curve.places
    # A comparison with NaN is false: a value without a place is in no such window.
    reach = half_width * (1 + _SLACK) + _SLACK
    return np.asarray(declared(curve) & (np.abs(where - where[middle]) <= reach))


def half_width(curves: Iterable[Curve]) -> float | None:
    """Half of the widest window that fits around the best declared value of each curve.

    In units of the axis. Curves whose best declared value is at an end of their grid have none,
    and do not narrow that of the others; None if that is all of them.
    """
    rooms = [room for curve in curves if (room := _room(curve))]
    return min(rooms, default=None)


def _room(curve: Curve) -> float:
    middle = centre(curve)
    known = curve.places[declared(curve)]
    known = known[np.isfinite(known)]
    if middle is None or curve.inert or not known.size:
        return 0.0
    here = curve.places[middle]
    return float(np.nan_to_num(min(here - known.min(), known.max() - here)))
