"""The loss of a tuned optimizer without the luck of tuning: chosen on some seeds, judged on others.

Shapes: `V` values, `S` seeds.
"""

import math
from typing import NamedTuple

import numpy as np

from sweeper.analysis import student
from sweeper.analysis.pooling import CONFIDENCE, Array, Mask, Places


class HeldOut(NamedTuple):
    """Of each seed (S): its loss at the value that is best on the other seeds, and that value.

    NaN for a seed that the value does not have.
    """

    losses: Array
    chosen: Places


def held_out(losses: Array, common: Mask) -> HeldOut | None:
    """Leave one seed out: the lowest mean of the others picks the value, the seed judges it.

    `losses` (V, S) are counted losses. Values are compared on the `common` seeds (S) alone, and
    those without a loss of each of them are not candidates: a seed that was added to some values
    only would choose among these. None for fewer than two common seeds, or without a candidate.
    """
    candidates = np.flatnonzero(np.isfinite(losses[:, common]).all(axis=1))
    if common.sum() < 2 or not candidates.size:
        return None
    counted = np.where(common, losses[candidates], 0)
    others = counted.sum(axis=1, keepdims=True) - counted
    chosen = candidates[np.argmin(others, axis=0)]
    return HeldOut(losses[chosen, np.arange(losses.shape[1])], chosen)


def mean_error(deviation: float, seeds: int) -> float:
    """Standard error of the mean of held-out losses of at least two seeds, with their deviation.

    Each loss was chosen with the others, so they are correlated and their mean varies by more than
    that of as many independent ones: the variance is 1/S + 1/(S - 1) times that of one loss (Nadeau
    and Bengio 2003, with one seed held out of S).
    """
    return deviation * math.sqrt(1 / seeds + 1 / (seeds - 1))


def mean_interval(losses: Array) -> tuple[float, float]:
    """The t-interval of the mean of at least two held-out losses (S)."""
    mean, deviation, seeds = float(losses.mean()), float(losses.std(ddof=1)), len(losses)
    reach = student.t_quantile(0.5 + CONFIDENCE / 2, seeds - 1) * mean_error(deviation, seeds)
    return mean - reach, mean + reach
