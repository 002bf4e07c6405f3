"""Sweeps that think: which values to add to a curve next, and why, or why no more are needed. Pure.

A round looks at one curve once all of its points have ended. First comes bracketing (`extend` of a
sweep): one value beyond the end of the grid where the best value lies. When that has come to its
end, refinement (`refine`): values near the optimum, and halves of the intervals in which the basin
ends and in which runs begin to diverge. A round depends on nothing but the points that are there,
so that one which was interrupted is found again as it was.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from sweeper.analysis import axes
from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability, stability
from sweeper.grids import significant
from sweeper.rules.rounds import tolerance
from sweeper.spec import BracketSpec, RefinementSpec
from sweeper.trials import Origin

HALF_OCTAVE = math.log10(2) / 2
"""In decades: a factor of the square root of two."""
SAME_SPACING = 0.05
"""Spacings of a grid that differ by no more than this share of their mean are one spacing."""
ROUNDING = 0.002
"""In decades: what rounding to three digits moves a value by, at most."""

Legal = Callable[[float], float | None]
"""The value as the hyperparameter takes it (whole numbers are rounded), None out of its range."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """How many values the rounds so far have added to a curve, by what added them."""

    extended: int = 0
    refined: int = 0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Values to add to a curve, ascending."""

    origin: Origin
    values: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class Settled:
    """Nothing more is to be added to a curve."""

    reason: str


def next_round(
    curve: Curve,
    extend: BracketSpec | None,
    refine: RefinementSpec | None,
    added: Added,
    legal: Legal,
) -> Round | Settled:
    """What to do with a curve whose points have all ended."""
    if curve.inert:
        return Settled(f"{curve.parameter} has no effect on this curve")
    lost = sum(curve.failed)
    if lost:
        points = "1 point has" if lost == 1 else f"{lost} points have"
        return Settled(f"{points} no result; `retry` trains them again and goes on")
    numbers = stability(curve, 0.05 if refine is None else refine.depth)
    if numbers.best_value is None:
        return Settled("no value has all its seeds finite, so there is no best one to go on from")
    reasons = []
    if extend is not None:
        step = _bracket(curve, numbers, extend.budget - added.extended, legal)
        if isinstance(step, Round):
            return step
        reasons.append(step.reason)
    if refine is not None:
        step = _refine(curve, numbers, refine, refine.budget - added.refined, legal)
        if isinstance(step, Round):
            return step
        reasons.append(step.reason)
    return Settled("; ".join(reasons))


def _bracket(curve: Curve, numbers: Stability, left: int, legal: Legal) -> Round | Settled:
    best = numbers.best_value
    assert best is not None
    if numbers.edge is None:
        return Settled(_bracketed(curve, best))
    where = f"the best value {best:g} is at the {numbers.edge} edge"
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
    beside = f", diverging at {' and '.join(f'{v:g}' for v in diverging)}" if diverging else ""
    return f"the best value {best:g} is bracketed by {low:g} and {high:g}{beside}"


def _beyond(curve: Curve, upwards: bool, legal: Legal) -> float | None:
    """The next value behind an end of the curve, in the spacing of its declared grid."""
    here = _place(curve, len(curve.values) - 1 if upwards else 0)
    grid = _grid(curve, upwards)
    if here is None or grid is None:
        return None
    anchor, spacing = grid
    steps = (here - anchor) / spacing
    following = math.floor(steps + 0.01) + 1 if upwards else math.ceil(steps - 0.01) - 1
    found = _value(anchor + following * spacing, curve.axis_scale, legal)
    return None if found in curve.values else found


def _grid(curve: Curve, upwards: bool) -> tuple[float, float] | None:
    """A place of the declared grid and its spacing; None for a grid of less than two places.

    Of an even grid, the place is that of the value with the fewest digits, as the others may be
    rounded: 3.16e-3 is no half of a decade above 1e-3, but was meant so. Of an uneven one both
    are those at the end that is asked for.
    """
    places = {
        place: _num_digits(value, curve.axis_scale)
        for value, declared in zip(curve.values, curve.declared, strict=True)
        if declared and (place := axes.position(value, curve.axis_scale)) is not None
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


def _refine(
    curve: Curve, numbers: Stability, refine: RefinementSpec, left: int, legal: Legal
) -> Round | Settled:
    precision = tolerance(refine)
    questions = list(_open_questions(curve, numbers, refine, precision))
    found: list[tuple[float, str]] = []
    for place, why in questions:
        value = _value(place, curve.axis_scale, legal)
        if value is not None and _is_apart(value, curve, [v for v, _ in found], precision):
            found.append((value, why))
    if not found:
        return Settled(_known(curve, numbers, precision, all_of_it=not questions))
    if left <= 0:
        return Settled(f"the budget of refinement is spent; still open: {_joined(found)}")
    chosen = found[:left]
    return Round(
        origin=Origin.REFINE,
        values=tuple(sorted(value for value, _ in chosen)),
        reason=f"to see {_joined(chosen)}",
    )


def _joined(found: Sequence[tuple[float, str]]) -> str:
    *first, last = dict.fromkeys(why for _, why in found)
    return f"{', '.join(first)} and {last}" if first else last


def _open_questions(
    curve: Curve, numbers: Stability, refine: RefinementSpec, precision: float
) -> Iterator[tuple[float, str]]:
    """Positions to try, the most wanted first, each with the question it answers."""
    best = numbers.best_value
    assert best is not None
    i = curve.values.index(best)
    yield from _near_optimum(curve, i)
    for side, name in ((-1, "below"), (+1, "above")):
        interval = _basin_edge(curve, i, side, refine.depth)
        if interval is not None and interval[1] - interval[0] > precision:
            yield fmean(interval), f"where the basin ends {name}"
    interval = _stable_edge(curve, i)
    if interval is not None and interval[1] - interval[0] > precision:
        yield fmean(interval), "up to where runs are stable"


def _near_optimum(curve: Curve, best: int) -> Iterator[tuple[float, str]]:
    """Half an octave beside the best value, where the next value is further away than that."""
    here, near = _place(curve, best), _nearness(curve)
    if here is None or near is None:
        return
    for side in (-1, +1):
        beside = _place(curve, best + side)
        if beside is not None and abs(beside - here) > 1.1 * near:
            yield here + side * near, "how the loss runs near the optimum"


def _nearness(curve: Curve) -> float | None:
    """Half an octave in decades; on a linear axis half the spacing of the grid."""
    if curve.axis_scale != "linear":
        return HALF_OCTAVE
    grid = _grid(curve, upwards=True)
    return None if grid is None else grid[1] / 2


def _basin_edge(curve: Curve, best: int, side: int, depth: float) -> tuple[float, float] | None:
    """The positions, ascending, between which the mean leaves the basin; None if it is not seen."""
    loss = curve.loss_mean[best]
    assert loss is not None
    i = best
    while 0 <= i + side < len(curve.values):
        inside, outside, mean = _place(curve, i), _place(curve, i + side), curve.loss_mean[i + side]
        if inside is None or outside is None or mean is None:
            return None
        if mean > loss + depth:
            return min(inside, outside), max(inside, outside)
        i += side
    return None


def _stable_edge(curve: Curve, best: int) -> tuple[float, float] | None:
    """The positions of the largest value before the first that diverges, and of that one."""
    for i in range(best + 1, len(curve.values)):
        if curve.diverged[i]:
            stable, diverging = _place(curve, i - 1), _place(curve, i)
            return None if stable is None or diverging is None else (stable, diverging)
    return None


def _known(curve: Curve, numbers: Stability, precision: float, *, all_of_it: bool) -> str:
    if not all_of_it:
        return f"no further value of {curve.parameter} is left to try between those that are there"
    unit = axes.unit(curve.parameter, curve.axis_scale)
    return (
        f"the curve is known around the best value {numbers.best_value:g}, "
        f"and the edges that lie within it to {precision:g} {unit}"
    )


def _place(curve: Curve, i: int) -> float | None:
    if not 0 <= i < len(curve.values):
        return None
    return axes.position(curve.values[i], curve.axis_scale)


def _value(place: float, axis_scale: str, legal: Legal) -> float | None:
    """The value at a position as grids write them, if the hyperparameter takes it."""
    value = axes.value_at(place, axis_scale)
    if axis_scale == "log":
        return legal(significant(value))
    if axis_scale == "one_minus_log":
        return legal(significant(1 - significant(1 - value), 12))
    return legal(significant(value, 12))


def _is_apart(value: float, curve: Curve, others: Sequence[float], precision: float) -> bool:
    """Whether a value is a new one, and not nearly one that this round adds already."""
    if value in curve.values:
        return False
    places = [axes.position(v, curve.axis_scale) for v in (value, *others)]
    here, *rest = [place for place in places if place is not None]
    least = min(precision, _nearness(curve) or precision) / 2
    return all(abs(place - here) > least for place in rest)
