"""Sensitivities over windows of the declared grid."""

import pytest

from sweeper.analysis import windows
from sweeper.analysis.estimating import estimates
from sweeper.analysis.stability import stability
from tests.analysis.estimated import GRID, Losses, bowl, curve_of, found


def test_windows_of_the_sensitivity() -> None:
    losses: Losses = {
        value: [loss, loss] for value, loss in zip(GRID, [5.0, 4.0, 3.0, 3.3, 9.0], strict=True)
    }
    result = found(losses, stated=(1e-3, 1e-1))
    assert result.sensitivity.loss.value == pytest.approx(24.3 / 5 - 3)
    assert result.sensitivity_stated.loss.value == pytest.approx(10.3 / 3 - 3)
    assert (result.sensitivity_stated.low, result.sensitivity_stated.high) == (1e-3, 1e-1)
    assert result.half_width == pytest.approx(2.0)
    assert result.sensitivity_centred.values == 5
    assert result.asymmetry.value == pytest.approx((3.3 + 9) / 2 - (5 + 4) / 2)
    empty = found(losses, stated=(2.0, 3.0))
    assert "no declared value" in str(empty.sensitivity_stated.loss.reason)
    waiting = found(losses | {1.0: [9.0, None]} | {2.0: [None, None]}, stated=(1e-1, 2.0))
    assert "2 of 3 values" in str(waiting.sensitivity_stated.loss.reason)


def test_the_window_is_as_wide_as_every_curve_allows() -> None:
    wide, narrow = curve_of(bowl()), curve_of({v: bowl()[v] for v in GRID[1:4]})
    edge = curve_of({1e-3: [3.0], 1e-2: [4.0]})
    assert windows.half_width([wide, narrow, edge]) == pytest.approx(1.0)
    assert windows.half_width([edge]) is None
    result = estimates(wide, stability(wide), half_width=1.0, resamples=10)
    assert (result.sensitivity_centred.low, result.sensitivity_centred.high) == (1e-3, 1e-1)
    narrower = estimates(wide, stability(wide), half_width=0.4, resamples=10)
    assert narrower.sensitivity_centred.loss.value is None
    assert "both sides" in str(narrower.asymmetry.reason)


def test_refinement_changes_no_sensitivity_and_no_window() -> None:
    refined = bowl() | {2e-2: [2.9, 2.9, 2.9], 5e-3: [3.0, 3.0, 3.0]}
    one, other = found(bowl()), found(refined, added=[2e-2, 5e-3])
    assert other.best_value.value == 2e-2
    for name in ("sensitivity", "sensitivity_centred"):
        before, after = getattr(one, name), getattr(other, name)
        assert (before.low, before.high, before.values) == (after.low, after.high, after.values)
        assert before.loss.value == pytest.approx(after.loss.value)
    assert other.half_width == one.half_width
    assert other.asymmetry.value == pytest.approx(one.asymmetry.value)
