"""How much worse each value is than the best one, by seed."""

import math

import pytest

from tests.analysis.estimated import Losses, found
from tests.analysis.frames import NAN


def test_how_much_worse_each_value_is_by_seed() -> None:
    """Seeds differ by far more than values do, and pairing takes that out."""
    effects = [0.0, 0.5, 1.0]
    shape = {1e-4: [0.30, 0.31, 0.32], 1e-3: [0.0, 0.0, 0.0], 1e-2: [0.1, 0.1, 0.13]}
    losses: Losses = {
        v: [3 + e + d for e, d in zip(effects, s, strict=True)] for v, s in shape.items()
    }
    result = found(losses | {1e-1: [4.0, NAN, 4.0], 1.0: [None, None, None]})
    low, best, high, diverged, waiting = (entry.excess for entry in result.values)
    assert [entry.value for entry in result.values] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert (best.value, best.low) == (0.0, None)
    assert low.value == pytest.approx(0.31)
    # Its neighbour is the best value, which shares nothing: the interval of three differences.
    assert low.high == pytest.approx(0.31 + 4.30265 * 0.01 / math.sqrt(3), abs=1e-5)
    assert high.value == pytest.approx(0.11)
    assert high.low is not None
    assert "diverged" in str(diverged.reason)
    assert "no loss yet" in str(waiting.reason)
    assert "best" in str(best.reason)


def test_an_excess_is_over_the_seeds_that_both_values_have() -> None:
    """The best value has a third seed, a bad one, which says nothing about the other value."""
    result = found({1e-3: [3.0, 3.1, 3.5], 1e-2: [3.4, 3.52], 1e-1: [3.9, 4.0, 4.5]})
    (_, fewer, _) = (entry.excess for entry in result.values)
    assert fewer.value == pytest.approx(0.41)
    assert fewer.low is not None
    assert fewer.high is not None
    assert fewer.low < 0.41 < fewer.high
