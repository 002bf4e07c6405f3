import math

import pytest

from sweeper.analysis.profiles import profiles

MISS = math.inf


def test_shares_and_score_by_hand() -> None:
    # Workloads 1 and 2: 10 against 20, and 30 against 20. Of 5 repetitions the median counts.
    found = profiles({"a": [[10, 9, 11, 10, 30], [30]], "b": [[20], [20]]})
    a, b = found["a"], found["b"]
    assert (a.ratios, a.shares) == ((1.0, 1.5), (0.5, 1.0))
    assert (b.ratios, b.shares) == ((1.0, 2.0), (0.5, 1.0))
    assert a.score == pytest.approx((0.5 * 0.5 + 2.5) / 3)
    assert b.score == pytest.approx((1.0 * 0.5 + 2.0) / 3)


def test_the_fastest_everywhere_has_one() -> None:
    found = profiles({"a": [[1], [2]], "b": [[8], [9]]})
    assert found["a"].score == 1.0
    # 8 is more than four times the fastest, and counts as never.
    assert (found["b"].ratios, found["b"].shares, found["b"].score) == ((1.0,), (0.0,), 0.0)
    assert profiles({"a": [[1]], "b": [[4]]})["b"].score == 0.0
    assert profiles({"a": [[1]], "b": [[4]]})["b"].shares == (0.0, 1.0)


def test_a_target_that_is_missed() -> None:
    found = profiles({"a": [[MISS, MISS, 3]], "b": [[5]]})
    assert found["a"].shares == (0.0,)
    nobody = profiles({"a": [[MISS], [1]], "b": [[MISS], [1]]})
    assert nobody["a"].score == 0.5
