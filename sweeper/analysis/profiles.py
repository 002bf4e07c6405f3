"""Performance profiles over workloads, as AlgoPerf scores training algorithms.

Source: arXiv 2306.07179, section 4.5, and the code mlcommons/algorithmic-efficiency@2c90454.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 4.0
"""Times beyond this multiple of the fastest one count as never."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The share of workloads solved within a multiple of the fastest time: a step function."""

    ratios: tuple[float, ...]
    """Multiples, from 1, at which the share rises."""
    shares: tuple[float, ...]
    score: float
    """Its mean from 1 to `LONGEST`: 1 is fastest everywhere."""


def profiles(times: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Profile]:
    """By name, from the times to a target: one list per workload, one time per repetition.

    The time of a workload is the median of its repetitions; infinite where the target was missed.
    All names have the same workloads; one that nobody solves counts against all.
    """
    medians = {name: [statistics.median(own) for own in lists] for name, lists in times.items()}
    fastest = [min(column) for column in zip(*medians.values(), strict=True)]
    return {
        name: _profile([_ratio(time, best) for time, best in zip(own, fastest, strict=True)])
        for name, own in medians.items()
    }


def _ratio(time: float, best: float) -> float:
    ratio = time / best if math.isfinite(time) else math.inf
    return ratio if ratio <= LONGEST else math.inf


def _profile(ratios: Sequence[float]) -> Profile:
    steps = sorted({1.0, *(ratio for ratio in ratios if math.isfinite(ratio))})
    shares = [sum(ratio <= step for ratio in ratios) / len(ratios) for step in steps]
    area = [
        (b - a) * share for (a, b), share in zip(pairwise([*steps, LONGEST]), shares, strict=True)
    ]
    return Profile(ratios=tuple(steps), shares=tuple(shares), score=math.fsum(area) / (LONGEST - 1))
