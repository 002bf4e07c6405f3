"""Bracketing: a value beyond the end of the grid, for as long as the best one lies there."""

import math

from sweeper.adaptive.grid import even_grid, place, value_at
from sweeper.adaptive.steps import Legal, Round, Settled
from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability
from sweeper.digits import written
from sweeper.trials import Origin


def bracket(curve: Curve, numbers: Stability, left: int, legal: Legal) -> Round | Settled:
    """The next value of a curve whose best one lies at an end; `left` is left of the budget."""
    best = numbers.best_value
    assert best is not None
    if numbers.edge is None:
        return Settled(_bracketed(curve, best))
    where = f"the best value {written(best)} is at the {numbers.edge} edge"
    if left <= 0:
        return Settled(f"{where}, and the budget of bracketing is spent")
    value = _beyond(curve, numbers.edge == "high", legal)
    if value is None:
        return Settled(f"{where}, where the range of {curve.parameter} ends")
    return Round(origin=Origin.EXTEND, values=(value,), reason=where)


def _bracketed(curve: Curve, best: float) -> str:
    i = curve.values.index(best)
    low, high = curve.values[i - 1], curve.values[i + 1]
    diverging = [v for v, j in ((low, i - 1), (high, i + 1)) if curve.diverged[j]]
    beside = f", diverging at {' and '.join(map(written, diverging))}" if diverging else ""
    ends = f"{written(low)} and {written(high)}"
    return f"the best value {written(best)} is bracketed by {ends}{beside}"


def _beyond(curve: Curve, upwards: bool, legal: Legal) -> float | None:
    """The next value behind an end of the curve, in the spacing of its declared grid."""
    here = place(curve, len(curve.values) - 1 if upwards else 0)
    grid = even_grid(curve, upwards)
    if here is None or grid is None:
        return None
    anchor, spacing = grid
    steps = (here - anchor) / spacing
    following = math.floor(steps + 0.01) + 1 if upwards else math.ceil(steps - 0.01) - 1
    found = value_at(anchor + following * spacing, curve.axis_scale, legal)
    return None if found in curve.values else found
