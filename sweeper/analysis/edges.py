"""How far an optimizer trains at all: the last value before a seed diverges."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.analysis.curves import Curve
from sweeper.analysis.seeds import SeedLoss


@dataclass(frozen=True, kw_only=True)
class StableEdge:
    """The end of the connected range of stable values around the best one, on one side.

    `value` is the last one at which all seeds are finite and not above their initial loss; the edge
    of every seed is between it and `beyond`, None while a seed trains at the last value tried. The
    edge of a further seed is in this range, too, with probability (S - 1) / (S + 1), whatever its
    distribution: two of S + 1 seeds are the outermost.
    """

    value: float | None = None
    beyond: float | None = None
    reason: str | None = None


def largest_stable(curve: Curve, best: int) -> StableEdge:
    """The edge above the best value."""
    return _edge(curve, range(best, len(curve.values)))


def smallest_stable(curve: Curve, best: int) -> StableEdge:
    """The edge below the best value."""
    return _edge(curve, range(best, -1, -1))


def _edge(curve: Curve, outward: Sequence[int]) -> StableEdge:
    columns = sorted({loss.seed for i in outward for loss in curve.losses[i]})
    calm = {i: {loss.seed: _calm(loss) for loss in curve.losses[i]} for i in outward}
    steps = [_steps([calm[i].get(seed) for i in outward]) for seed in columns]
    last = min(step for step, _ in steps)
    if not last:
        return StableEdge(reason="a seed is not stable at the best value")
    known = all(ended for _, ended in steps)
    reason = None if known else "no value beyond the last one tried is known to be unstable"
    beyond = curve.values[outward[max(step for step, _ in steps)]] if known else None
    return StableEdge(value=curve.values[outward[last - 1]], beyond=beyond, reason=reason)


def _calm(loss: SeedLoss) -> bool | None:
    return None if loss.outcome is None else loss.outcome == "finite" and not loss.above_initial


def _steps(outward: Sequence[bool | None]) -> tuple[int, bool]:
    """How many values in a row are stable, and whether one is known not to be after them."""
    for count, calm in enumerate(outward):
        if calm is not True:
            return count, calm is False
    return len(outward), False
