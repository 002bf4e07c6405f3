"""Whether one variant is better than another: paired tests over seeds, and what they allow to say.

Shapes: `S` seeds that both variants have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from sweeper.analysis import student
from sweeper.analysis.heldout import mean_error
from sweeper.analysis.pooling import CONFIDENCE, Array

LEVEL = 1 - CONFIDENCE
"""Probability of any false difference among all pairs of a family, and of any false equivalence."""
POWER = 0.8
"""Probability with which the number of seeds advised reaches a verdict."""
MARGIN = 0.01
"""Nats. Differences within it are called equivalent: three times the least gain for which the
tuning in arXiv 2509.02046, section 3.2, changes a hyperparameter, and little beside the gaps
between optimizers."""
MOST_SEEDS = 10_000


class Judgement(StrEnum):
    """What can be said of a variant against another one."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "not distinguishable"


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Differences of held-out losses, first minus second, over the seeds that both have; in nats.

    Their mean has the error of `heldout.mean_error`, as they are correlated. `p_value` is that of
    the two-sided paired t-test, `p_equivalent` the larger one of the two
    one-sided tests against the margin (Schuirmann 1987). `effect` is the mean over the deviation of
    the differences, corrected for few seeds (Hedges 1981); None for two, or without a deviation.
    """

    seeds: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    effect: float | None = None
    p_value: float | None = None
    p_equivalent: float | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A judgement with the p-values after Holm's correction, and the seeds that would settle it."""

    judgement: Judgement
    p_holm: float | None = None
    p_equivalent_holm: float | None = None
    more_seeds: int | None = None
    """About how many more would do; None where there is a verdict, or no way to tell."""
    sentence: str


def paired_test(first: Array, second: Array, margin: float = MARGIN) -> PairedTest:
    """The test of two variants by their held-out losses (S), seed by seed."""
    seeds = len(first)
    if seeds < 2:
        return PairedTest(seeds=seeds, reason="a test needs two seeds in common")
    differences = first - second
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    error, freedom = mean_error(deviation, seeds), seeds - 1
    reach = student.t_quantile(0.5 + CONFIDENCE / 2, freedom) * error
    return PairedTest(
        seeds=seeds,
        difference=mean,
        low=mean - reach,
        high=mean + reach,
        deviation=deviation,
        effect=_effect(mean, deviation, freedom),
        p_value=2 * _tail(abs(mean), error, freedom) if mean else 1.0,
        p_equivalent=_tail(margin - abs(mean), error, freedom),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values of one family (Holm 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.maximum.accumulate(np.array(p_values)[order] * factors).clip(max=1)
    back = np.empty(len(p_values))
    back[order] = adjusted
    return [float(p) for p in back]


def verdicts(tests: Sequence[PairedTest], margin: float = MARGIN) -> list[Verdict]:
    """What each test of the family allows to say, with at most `LEVEL` for any false one of a kind.

    Equivalence goes first: a difference that is certainly within the margin is a small one, even if
    it is certainly not zero.
    """
    known = [test for test in tests if test.p_value is not None]
    different = iter(holm([test.p_value for test in known if test.p_value is not None]))
    equivalent = iter(holm([test.p_equivalent for test in known if test.p_equivalent is not None]))
    return [
        _undecided(test.reason)
        if test.p_value is None
        else _verdict(test, next(different), next(equivalent), margin, len(known))
        for test in tests
    ]


def _effect(mean: float, deviation: float, freedom: int) -> float | None:
    """With one degree of freedom the quotient has no expectation, and the correction would be 0."""
    if deviation == 0 or freedom < 2:
        return None
    return (1 - 3 / (4 * freedom - 1)) * mean / deviation


def _tail(distance: float, error: float, freedom: int) -> float:
    """The probability of a t above distance / error."""
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return student.t_probability(-distance / error, freedom)


def _verdict(
    test: PairedTest, p: float, p_equivalent: float, margin: float, family: int
) -> Verdict:
    assert test.difference is not None
    assert test.deviation is not None
    if p_equivalent < LEVEL:
        found, why = Judgement.EQUIVALENT, f"the difference is within {margin:g} nats"
    elif p < LEVEL:
        found = Judgement.BETTER if test.difference < 0 else Judgement.WORSE
        why = f"by {abs(test.difference):.4f} nats"
    else:
        needed = _seeds_needed(test.difference, test.deviation, margin, family)
        more = None if needed is None else max(1, needed - test.seeds)
        return Verdict(
            judgement=Judgement.UNDECIDED,
            p_holm=p,
            p_equivalent_holm=p_equivalent,
            more_seeds=more,
            sentence=f"{Judgement.UNDECIDED}: {_seeds_in_words(more)}",
        )
    sentence = f"{found}: {why}" if found is Judgement.EQUIVALENT else f"{found} {why}"
    return Verdict(judgement=found, p_holm=p, p_equivalent_holm=p_equivalent, sentence=sentence)


def _undecided(reason: str | None) -> Verdict:
    return Verdict(
        judgement=Judgement.UNDECIDED, sentence=f"{Judgement.UNDECIDED}: {reason or 'no losses'}"
    )


def _seeds_in_words(more: int | None) -> str:
    if more is None:
        return f"needs more than {MOST_SEEDS} seeds"
    return f"needs about {more} more {'seed' if more == 1 else 'seeds'}"


def _seeds_needed(difference: float, deviation: float, margin: float, family: int) -> int | None:
    """Seeds for a verdict with the `POWER`, if what was measured is true: the easier one of both.

    At the strictest level of Holm's steps, as nobody knows which step it will be. None above
    `MOST_SEEDS`.
    """
    level = LEVEL / family
    ways = [(abs(difference), level / 2, POWER), (margin - abs(difference), level, (1 + POWER) / 2)]
    found = [
        count
        for distance, share, power in ways
        if (count := _seeds_for(distance, deviation, share, power)) is not None
    ]
    return min(found, default=None)


def _seeds_for(distance: float, deviation: float, share: float, power: float) -> int | None:
    """For a one-sided level `share`: the normal count, and Guenther's correction for t (1981).

    The normal count n is that of independent seeds; the S of which the error of `mean_error` is
    the same solves S^2 - (2 n + 1) S + n = 0.
    """
    quantile = NormalDist().inv_cdf(1 - share)
    reach = (quantile + NormalDist().inv_cdf(power)) * deviation
    if distance <= 0 or reach > distance * math.sqrt(MOST_SEEDS / 2):
        return None
    independent = (reach / distance) ** 2
    held_out = (2 * independent + 1 + math.sqrt(4 * independent**2 + 1)) / 2
    return max(2, math.ceil(held_out + quantile**2 / 2))
