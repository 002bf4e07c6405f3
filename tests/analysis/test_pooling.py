import math

import numpy as np
import pytest

from sweeper.analysis import pooling, student
from sweeper.analysis.pooling import pooled_intervals

ALL = np.ones(3, dtype=bool)


def test_variance_is_pooled_over_the_value_and_its_stable_neighbours() -> None:
    # Variances 1, 4 and 1; the second value's seeds are not in the order of the others'.
    losses = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 2.0], [7.0, 8.0, 9.0]])
    correlation = pooling.intraclass_correlation(losses)
    assert correlation == 0.0
    first, second, third = pooled_intervals(losses, ALL)
    assert first is not None
    assert second is not None
    assert (first.values, first.freedom) == (2, 4.0)
    assert (second.values, second.freedom) == (3, 6.0)
    reach = student.t_quantile(0.975, 6) * math.sqrt((1 + 4 + 1) / 3 / 3)
    assert (second.low, second.high) == pytest.approx((2 - reach, 2 + reach))
    assert third is not None
    assert third.high - third.low == pytest.approx(first.high - first.low)


def test_values_that_move_together_add_no_freedom() -> None:
    seeds = np.array([0.0, 0.1, 0.3])
    found = pooled_intervals(np.array([3.0, 2.5, 2.8])[:, None] + seeds, ALL)
    assert pooling.intraclass_correlation(np.array([3.0, 2.5])[:, None] + seeds) == pytest.approx(1)
    assert [interval and interval.freedom for interval in found] == [2.0, 2.0, 2.0]


def test_a_value_that_is_not_stable_shares_its_variance_with_nobody() -> None:
    losses = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 2.0], [7.0, 8.0, 90.0]])
    found = pooled_intervals(losses, np.array([True, True, False]))
    assert [interval and interval.values for interval in found] == [2, 2, 1]
    # Of three losses with a mean of 35 and a deviation of 47.634.
    reach = student.t_quantile(0.975, 2) * 47.63402 / math.sqrt(3)
    assert found[2] is not None
    assert (found[2].low, found[2].high) == pytest.approx((35 - reach, 35 + reach))


def test_one_seed_has_no_interval_and_pools_nothing() -> None:
    losses = np.array([[1.0, np.nan], [1.0, 2.0], [np.nan, np.nan]])
    found = pooled_intervals(losses, ALL)
    assert [interval and interval.values for interval in found] == [None, 1, None]


def test_without_two_complete_values_nothing_is_known_of_the_correlation() -> None:
    assert pooling.intraclass_correlation(np.array([[1.0, 2.0]])) == 1.0
    assert pooling.intraclass_correlation(np.array([[1.0, np.nan], [1.0, 2.0]])) == 1.0
    assert pooling.intraclass_correlation(np.ones((2, 3))) == 1.0


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["independent", "with effects of seeds"])
def test_intervals_cover_at_about_their_rate(shared: float) -> None:
    """Of 7 x 300 intervals, those that hold the truth; `benchmarks/analysis.py` prints more."""
    random = np.random.default_rng(5)
    covered = total = 0
    for _ in range(300):
        truth = np.linspace(3, 4, 7)
        effects = shared * random.normal(size=(1, 3))
        found = pooled_intervals(
            truth[:, None] + effects + random.normal(size=(7, 3)), np.ones(7, dtype=bool)
        )
        covered += sum(
            i is not None and i.low <= t <= i.high for i, t in zip(found, truth, strict=True)
        )
        total += len(truth)
    assert 0.92 < covered / total < 0.98
