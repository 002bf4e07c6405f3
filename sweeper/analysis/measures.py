"""Numbers of many curves over the same values at once, as a bootstrap needs them.

Shapes: `R` curves, `V` values in the order of the axis. `means` (R, V) is NaN where there is no
loss, `places` (V) are positions on the axis, NaN where a value has none; `best` (R) are indexes.
"""

from typing import NamedTuple

import numpy as np

from sweeper.analysis.pooling import Array, Mask, Places


class Bottoms(NamedTuple):
    """Parabola through the best value and its neighbours (R each); NaN where there is none."""

    place: Array
    loss: Array
    curvature: Array
    """Second derivative, in nats per squared unit of the axis."""


class Basins(NamedTuple):
    """Edges of the connected range within the tolerance (R each); open ones end with the data."""

    low: Array
    high: Array
    low_open: Mask
    high_open: Mask


def lowest(means: Array, among: Mask) -> Places:
    """Where each curve (R) is lowest, among the chosen values (V); in the middle of equal ones."""
    chosen = np.where(among, means, np.inf)
    equal = chosen == chosen.min(axis=1, keepdims=True)
    place_among = equal.cumsum(axis=1)
    middle = place_among[:, -1:] // 2 + 1
    return np.asarray(np.argmax(place_among == middle, axis=1))


def sensitivities(means: Array, window: Mask) -> Array:
    """Mean of the losses in the window (V) minus the lowest of them, of each curve (R)."""
    inside = means[:, window]
    return np.asarray(inside.mean(axis=1) - inside.min(axis=1))


def bottoms(means: Array, places: Array, best: Places, usable: Mask) -> Bottoms:
    """In divided differences; none at an edge, beside a value (V) not usable, or if not convex."""
    last = len(places) - 1
    rows, middle = np.arange(len(means)), np.clip(best, 1, max(last - 1, 0))
    around = [np.clip(middle + step, 0, last) for step in (-1, 0, 1)]
    x = [places[i] for i in around]
    y = [means[rows, i] for i in around]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
        bend = (right - left) / (x[2] - x[0])
        slope = left + bend * (x[1] - x[0])
        found = (best > 0) & (best < last) & (bend > 0)
        for i in around:
            found &= usable[i]
        place, loss = x[1] - slope / (2 * bend), y[1] - slope**2 / (4 * bend)
    return Bottoms(*(np.where(found, part, np.nan) for part in (place, loss, 2 * bend)))


def basins(means: Array, places: Array, best: Places, tolerance: float) -> Basins:
    """The range around the best value within `tolerance` nats of it, edges interpolated."""
    limit = means[np.arange(len(means)), best] + tolerance
    high, high_open = _edges(means, places, best, limit)
    mirrored = len(places) - 1 - best
    low, low_open = _edges(means[:, ::-1], places[::-1], mirrored, limit)
    return Basins(low, high, low_open, high_open)


def _edges(means: Array, places: Array, best: Places, limit: Array) -> tuple[Array, Mask]:
    """The first place above the best value where each curve passes its limit (R)."""
    rows, columns = np.arange(len(means)), np.arange(len(places))
    missing = np.isnan(places) | np.isnan(means[0])
    ends = ((means > limit[:, None]) | missing) & (columns > best[:, None])
    outside = np.argmax(ends, axis=1)
    opened = ~ends[rows, outside] | missing[outside]
    inside = np.where(ends[rows, outside], outside, len(places)) - 1
    start, loss = places[inside], means[rows, inside]
    rise = np.where(opened, 1.0, means[rows, outside] - loss)
    step = np.where(opened, 0.0, places[outside] - start)
    return start + (limit - loss) / rise * step, opened
