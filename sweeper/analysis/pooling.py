"""Intervals of means over a few seeds, with the variance of neighbouring values in common.

Shapes: `V` values of a curve in the order of the axis, `S` seeds. A loss that is not there is NaN.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.analysis import student

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

CONFIDENCE = 0.95
REACH = 1
"""Values on either side whose variance is shared."""


@dataclass(frozen=True, kw_only=True)
class PooledInterval:
    """The t-interval of one mean, and the degrees of freedom and number of values behind it."""

    low: float
    high: float
    freedom: float
    values: int


def pooled_intervals(losses: Array, stable: Mask) -> list[PooledInterval | None]:
    """One interval per value of `losses` (V, S); None where fewer than two seeds have a loss.

    The variance is the mean of the sample variances, weighted by their degrees of freedom, of the
    value and of the values next to it. Only `stable` values (V) share theirs: all seeds finished,
    finite and below the initial loss. Seeds are common to the values, so their variances are
    correlated, by the square of the intraclass correlation r of the losses: k of them, with nu
    degrees of freedom in all, are worth nu / (1 + (k - 1) r^2). A tenth is the least step of that.
    """
    counts = np.isfinite(losses).sum(axis=1)
    variances = sample_variances(losses)
    correlation = intraclass_correlation(losses[stable])
    return [
        _interval(losses[i], variances, counts, window(stable, i), correlation)
        if counts[i] > 1
        else None
        for i in range(len(losses))
    ]


def window(stable: Mask, i: int) -> Places:
    """The values whose variance counts for value i: its own, and stable ones beside a stable one.

    >>> window(np.array([True, True, False, True]), 1)
    array([0, 1])
    """
    if not stable[i]:
        return np.array([i])
    near = np.arange(max(0, i - REACH), min(len(stable), i + REACH + 1))
    return near[stable[near]]


def intraclass_correlation(losses: Array) -> float:
    """Of seeds over values, from the mean squares of a two-way layout; between 0 and 1.

    It is 1 where fewer than two seeds or two values are complete: neighbours then add no freedom.
    """
    whole = losses[:, np.isfinite(losses).all(axis=0)]
    values, seeds = whole.shape
    if values < 2 or seeds < 2:
        return 1.0
    effects = whole.mean(axis=0) - whole.mean()
    residuals = whole - whole.mean(axis=1, keepdims=True) - effects
    between = values * float((effects**2).sum()) / (seeds - 1)
    within = float((residuals**2).sum()) / ((values - 1) * (seeds - 1))
    if between + (values - 1) * within == 0:
        return 1.0
    correlation: float = (between - within) / (between + (values - 1) * within)
    return max(0.0, correlation)


def sample_variances(losses: Array) -> Array:
    """Over the seeds of every value (V); 0 where there is one seed or none."""
    counts = np.isfinite(losses).sum(axis=1)
    means = np.nansum(losses, axis=1) / np.maximum(counts, 1)
    squares = np.nansum((losses - means[:, None]) ** 2, axis=1)
    return np.asarray(squares / np.maximum(counts - 1, 1))


def _interval(
    losses: Array, variances: Array, counts: NDArray[np.intp], near: Places, correlation: float
) -> PooledInterval:
    near = near[counts[near] > 1]
    freedoms = counts[near] - 1
    variance = float((freedoms * variances[near]).sum() / freedoms.sum())
    freedom = float(freedoms.sum()) / (1 + (len(near) - 1) * correlation**2)
    rounded = math.floor(10 * freedom + 1e-9) / 10
    found = losses[np.isfinite(losses)]
    mean = math.fsum(found) / len(found)
    reach = student.t_quantile(0.5 + CONFIDENCE / 2, rounded) * math.sqrt(variance / len(found))
    return PooledInterval(low=mean - reach, high=mean + reach, freedom=rounded, values=len(near))
