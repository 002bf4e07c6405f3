import numpy as np
import pytest

from sweeper.analysis.resampling import resampled_means

STABLE = np.ones(4, dtype=bool)


def losses(seed: int = 1, seeds: int = 4) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array([3.0, 2.5, 2.6, 3.2])[:, None] + 0.1 * random.normal(size=(4, seeds))


def test_the_same_seed_draws_the_same_curves() -> None:
    one, other = (resampled_means(losses(), STABLE, resamples=50) for _ in range(2))
    assert one.shape == (50, 4)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, resampled_means(losses(), STABLE, resamples=50, seed=1))


def test_curves_scatter_around_the_measured_means_by_their_error() -> None:
    drawn = resampled_means(losses(seeds=10), STABLE, resamples=4000)
    error = losses(seeds=10).std(axis=1, ddof=1).mean() / np.sqrt(10)
    assert drawn.mean(axis=0) == pytest.approx(losses(seeds=10).mean(axis=1), abs=error / 5)
    assert drawn.std(axis=0).mean() == pytest.approx(error, rel=0.35)


def test_an_effect_of_the_seeds_moves_a_curve_as_a_whole() -> None:
    shared = np.array([3.0, 2.5, 2.6, 3.2])[:, None] + np.array([0.0, 0.1, 0.3])
    drawn = resampled_means(shared, STABLE, resamples=200)
    shifts = drawn - shared.mean(axis=1)
    assert shifts == pytest.approx(np.repeat(shifts[:, :1], 4, axis=1), abs=1e-12)
    assert np.ptp(shifts[:, 0]) > 0.1


def test_names_of_seeds_do_not_matter() -> None:
    table = losses()
    table[3, 1] = 10.4
    stable = np.array([True, True, True, False])
    relabelled = table[:, [2, 0, 3, 1]]
    drawn = [resampled_means(t, stable, resamples=100) for t in (table, relabelled)]
    assert drawn[0] == pytest.approx(drawn[1], abs=1e-12)


def test_a_value_that_is_not_stable_is_drawn_from_its_own_seeds() -> None:
    table = losses(seeds=2)
    table[3] = (3.0, 10.0)
    drawn = resampled_means(table, np.array([True, True, True, False]), resamples=200)
    assert set(drawn[:, 3]) == {3.0, 6.5, 10.0}


def test_what_is_unknown_stays_unknown() -> None:
    table = losses()
    table[0] = np.nan
    drawn = resampled_means(table, np.array([False, True, True, True]), resamples=20)
    assert np.isnan(drawn[:, 0]).all()
    assert np.isfinite(drawn[:, 1:]).all()


def test_without_a_stable_value_or_with_one_alone() -> None:
    table = losses(seeds=2)
    assert len(np.unique(resampled_means(table, ~STABLE, resamples=20)[:, 0])) <= 3
    alone = resampled_means(table[:1], STABLE[:1], resamples=20)
    assert np.isfinite(alone).all()
    assert np.ptp(alone) > 0


def test_equal_seeds_leave_nothing_to_draw() -> None:
    table = np.repeat(losses()[:, :1], 3, axis=1)
    drawn = resampled_means(table, STABLE, resamples=20)
    assert drawn == pytest.approx(np.repeat(table[:, :1].T, 20, axis=0))
