"""The loss of a tuned optimizer without the luck of tuning: chosen on some seeds, judged on others.

Shapes: `V` values, `S` seeds.
"""

from typing import NamedTuple

import numpy as np

from sweeper.analysis.pooling import Array, Places


class HeldOut(NamedTuple):
    """Of each seed (S): its loss at the value that is best on the other seeds, and that value."""

    losses: Array
    chosen: Places


def held_out(losses: Array, judged: Array | None = None) -> HeldOut | None:
    """Leave one seed out: the lowest mean of the others picks the value, the seed judges it.

    `losses` (V, S) are counted losses; values without one of every seed are not candidates. What
    the seed says of a value is taken from `judged` (V, S), the losses themselves if not given. None
    for fewer than two seeds, or without a candidate.
    """
    whole = np.isfinite(losses).all(axis=1)
    seeds = losses.shape[1]
    if seeds < 2 or not whole.any():
        return None
    candidates = np.flatnonzero(whole)
    others = losses[candidates].sum(axis=1, keepdims=True) - losses[candidates]
    chosen = candidates[np.argmin(others, axis=0)]
    verdict = losses if judged is None else judged
    return HeldOut(verdict[chosen, np.arange(seeds)], chosen)
