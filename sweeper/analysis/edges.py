"""How far an optimizer trains at all: the last value before a seed diverges."""

from collections.abc import Mapping, Sequence
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
    asked = [{loss.seed: _calm(loss) for loss in curve.losses[i]} for i in outward]
    seeds = list(zip(curve.seed_numbers, curve.common_seeds, strict=True))
    ends = [(*_end(seed, asked), is_common) for seed, is_common in seeds]
    last = min(end for end, _, _ in ends)
    if not last:
        return StableEdge(reason="a seed is not stable at the best value")
    value = curve.values[outward[last - 1]]
    # A seed that was added to some values only has an edge if it is seen to end there.
    seen = [end for end, is_seen, _ in ends if is_seen]
    if not seen or not all(is_seen for _, is_seen, is_common in ends if is_common):
        reason = "no value beyond the last one tried is known to be unstable"
        return StableEdge(value=value, reason=reason)
    return StableEdge(value=value, beyond=curve.values[outward[max(seen)]])


def _calm(loss: SeedLoss) -> bool | None:
    return None if loss.outcome is None else loss.outcome == "finite" and not loss.above_initial


def _end(seed: int, asked: Sequence[Mapping[int, bool | None]]) -> tuple[int, bool]:
    """Before which value the seed is stable wherever it was asked, and if it is seen not to be."""
    for i, calm in enumerate(asked):
        if calm.get(seed, True) is not True:
            return i, calm[seed] is False
    return len(asked), False
