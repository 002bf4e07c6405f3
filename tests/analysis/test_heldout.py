"""What is chosen on some seeds and judged on others."""

import numpy as np
import pytest

from tests.analysis.estimated import Losses, found


def test_the_best_of_a_grid_is_lower_than_what_is_held_out() -> None:
    """Fifteen equal values with noise alone: choosing the lowest promises what is not there."""
    random = np.random.default_rng(3)
    promised, kept = [], []
    for _ in range(20):
        seeds: Losses = {float(v): list(3 + 0.1 * random.normal(size=4)) for v in range(1, 16)}
        result = found(seeds, resamples=2, axis_scale="linear")
        promised.append(result.best_loss.value)
        kept.append(result.heldout_loss.value)
    assert np.mean(promised) < 2.95  # type: ignore[arg-type]
    assert np.mean(kept) == pytest.approx(3.0, abs=0.03)  # type: ignore[arg-type]


def test_held_out_values_are_chosen_without_their_seed() -> None:
    result = found({1e-3: [2.0, 3.0, 3.0], 1e-2: [2.9, 2.9, 2.9]})
    # Without the first seed 1e-2 is lower; without the others 1e-3 is, thanks to the first one.
    assert result.heldout_values == (1e-2, 1e-3, 1e-3)
    assert result.heldout_loss.value == pytest.approx((2.9 + 3.0 + 3.0) / 3)
    assert result.best_loss.value == pytest.approx(8 / 3)


def test_seeds_that_some_values_lack_choose_no_value() -> None:
    """Eleven equal values; the one that looks best gets seeds to judge it, and they do."""
    random = np.random.default_rng(1)
    kept = []
    for _ in range(60):
        seeds: Losses = {float(v): list(3 + 0.1 * random.normal(size=3)) for v in range(1, 12)}
        best = min(seeds, key=lambda value: np.mean(seeds[value]))  # type: ignore[arg-type]
        seeds[best] += list(3 + 0.1 * random.normal(size=3))
        result = found(seeds, resamples=2, axis_scale="linear")
        kept.append(result.heldout_loss.value)
        assert result.heldout_values[3:] == (best,) * 3
    assert np.mean(kept) == pytest.approx(3.0, abs=0.02)  # type: ignore[arg-type]
