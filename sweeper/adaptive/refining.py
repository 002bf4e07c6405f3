"""Refinement: values near the optimum, where the basin ends, and where runs begin to diverge."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from sweeper.adaptive.grid import even_grid, place, value_at
from sweeper.adaptive.steps import Legal, Round, Settled
from sweeper.analysis import axes
from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability
from sweeper.digits import written
from sweeper.rules.rounds import tolerance
from sweeper.spec import RefinementSpec
from sweeper.trials import Origin

HALF_OCTAVE = math.log10(2) / 2
"""In decades: a factor of the square root of two."""


def refine(
    curve: Curve, numbers: Stability, asked: RefinementSpec, left: int, legal: Legal
) -> Round | Settled:
    """The next values where the curve is not known closely enough; `left` is left of the budget."""
    precision = tolerance(asked)
    questions = list(_open_questions(curve, numbers, asked, precision))
    found: list[tuple[float, str]] = []
    for position, why in questions:
        value = value_at(position, curve.axis_scale, legal)
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
    curve: Curve, numbers: Stability, asked: RefinementSpec, precision: float
) -> Iterator[tuple[float, str]]:
    """Positions to try, the most wanted first, each with the question it answers."""
    best = numbers.best_value
    assert best is not None
    i = curve.values.index(best)
    yield from _near_optimum(curve, i)
    for side, name in ((-1, "below"), (+1, "above")):
        interval = _basin_edge(curve, i, side, asked.depth)
        if interval is not None and interval[1] - interval[0] > precision:
            yield fmean(interval), f"where the basin ends {name}"
    interval = _stable_edge(curve, i)
    if interval is not None and interval[1] - interval[0] > precision:
        yield fmean(interval), "up to where runs are stable"


def _near_optimum(curve: Curve, best: int) -> Iterator[tuple[float, str]]:
    """Half an octave beside the best value, where the next value is further away than that."""
    here, near = place(curve, best), _nearness(curve)
    if here is None or near is None:
        return
    for side in (-1, +1):
        beside = place(curve, best + side)
        if beside is not None and abs(beside - here) > 1.1 * near:
            yield here + side * near, "how the loss runs near the optimum"


def _nearness(curve: Curve) -> float | None:
    """Half an octave in decades; on a linear axis half the spacing of the grid."""
    if curve.axis_scale != "linear":
        return HALF_OCTAVE
    grid = even_grid(curve, upwards=True)
    return None if grid is None else grid[1] / 2


def _basin_edge(curve: Curve, best: int, side: int, depth: float) -> tuple[float, float] | None:
    """The positions, ascending, between which the mean leaves the basin; None if it is not seen."""
    loss = curve.loss_mean[best]
    assert loss is not None
    i = best
    while 0 <= i + side < len(curve.values):
        inside, outside, mean = place(curve, i), place(curve, i + side), curve.loss_mean[i + side]
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
            stable, diverging = place(curve, i - 1), place(curve, i)
            return None if stable is None or diverging is None else (stable, diverging)
    return None


def _known(curve: Curve, numbers: Stability, precision: float, *, all_of_it: bool) -> str:
    if not all_of_it:
        return f"no further value of {curve.parameter} is left to try between those that are there"
    assert numbers.best_value is not None
    unit = axes.unit(curve.parameter, curve.axis_scale)
    return (
        f"the curve is known around the best value {written(numbers.best_value)}, "
        f"and the edges that lie within it to {written(precision)} {unit}"
    )


def _is_apart(value: float, curve: Curve, others: Sequence[float], precision: float) -> bool:
    """Whether a value is a new one, and not nearly one that this round adds already."""
    if value in curve.values:
        return False
    positions = [axes.position(v, curve.axis_scale) for v in (value, *others)]
    here, *rest = [position for position in positions if position is not None]
    least = min(precision, _nearness(curve) or precision) / 2
    return all(abs(position - here) > least for position in rest)
