import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.analysis import windows
from sweeper.analysis.curves import stability_curves
from sweeper.analysis.estimates import Estimate
from sweeper.analysis.estimating import estimates
from sweeper.analysis.stability import stability
from tests.analysis.estimated import GRID, Losses, bowl, curve_of, found
from tests.analysis.frames import NAN, Loss, points


def leaves(numbers: object) -> list[Estimate]:
    """Every estimate in it."""
    if isinstance(numbers, Estimate):
        return [numbers]
    if isinstance(numbers, tuple):
        return [leaf for part in numbers for leaf in leaves(part)]
    if dataclasses.is_dataclass(numbers):
        fields = dataclasses.fields(numbers)
        return [leaf for field in fields for leaf in leaves(getattr(numbers, field.name))]
    return []


def test_points_are_those_of_the_stability_and_lie_in_their_intervals() -> None:
    curve = curve_of(bowl())
    numbers, result = stability(curve), found(bowl(), resamples=2000)
    assert result.best_value.value == numbers.best_value
    assert result.best_loss.value == pytest.approx(numbers.best_loss)
    assert result.optimum_value.value == pytest.approx(numbers.optimum_value)
    assert result.optimum_loss.value == pytest.approx(numbers.optimum_loss)
    assert result.sensitivity.loss.value == pytest.approx(numbers.sensitivity)
    basin = next(b for b in result.basins if b.tolerance == numbers.tolerance)
    assert basin.low.value == pytest.approx(numbers.basin_low)
    assert basin.high.value == pytest.approx(numbers.basin_high)
    assert basin.width.value == pytest.approx(numbers.basin_width)
    known = [e for e in leaves(result) if e.value is not None and e.low is not None]
    assert len(known) >= 20
    for estimate in known:
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


def test_a_number_without_an_interval_says_why() -> None:
    cases: list[Losses] = [bowl(), bowl(seeds=1), {1e-3: [None, None]}, {1e-3: [3.0, NAN]}]
    for losses in cases:
        for estimate in leaves(found(losses)):
            assert (estimate.low is None) == (estimate.reason is not None)
            assert (estimate.low is None) == (estimate.high is None)


def test_one_seed_has_numbers_and_no_intervals() -> None:
    result = found(bowl(seeds=1))
    assert result.resamples == 0
    assert result.optimum_value.value is not None
    assert "one seed" in str(result.optimum_value.reason)
    assert "one seed" in str(result.heldout_loss.reason)
    assert result.heldout_values == ()
    assert result.optimum_share is None


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([3.0, 3.5, 4.0, 5.0, 6.0], "at the edge"),
        ([5.0, 4.0, 3.0, NAN, NAN], "diverged beside"),
        ([4.0, 3.0, 3.0, 3.0, 4.0], "not convex"),
    ],
)
def test_no_optimum_is_right_at_an_edge_beside_divergence_or_without_a_bend(
    losses: list[Loss], reason: str
) -> None:
    seeds: Losses = {value: [loss, loss] for value, loss in zip(GRID, losses, strict=True)}
    result = found(seeds)
    for estimate in (result.optimum_value, result.optimum_loss, result.curvature):
        assert estimate.value is None
        assert reason in str(estimate.reason)
    assert result.best_loss.value == 3.0


def test_of_equal_values_the_middle_one_is_best_everywhere() -> None:
    """Also in the resamples: the interval of the best value has to hold it."""
    equal = curve_of(
        {v: [loss] * 2 for v, loss in zip(GRID, [3.0, 3.0, 3.0, 4.0, 5.0], strict=True)}
    )
    untrained = curve_of({v: [11.0, 12.0] for v in GRID})
    for curve, best in ((equal, 1e-3), (untrained, 1e-2)):
        result = estimates(curve, stability(curve), resamples=50)
        assert result.best_value == Estimate(value=best, low=best, high=best)
        assert windows.centre(curve) == GRID.index(best)


def test_a_tolerance_asked_for_is_among_the_basins() -> None:
    curve = curve_of(bowl())
    result = estimates(curve, stability(curve, 0.2), resamples=10)
    assert [basin.tolerance for basin in result.basins] == [0.003, 0.01, 0.1, 0.2]
    widths = [basin.width.value for basin in result.basins]
    assert widths == sorted(widths)  # type: ignore[type-var]


def test_an_open_basin_says_so() -> None:
    flat: Losses = {value: [3.0, 3.001] for value in GRID}
    (basin, *_) = found(flat).basins
    assert (basin.low_open, basin.high_open) == (True, True)
    assert basin.width.value == pytest.approx(4.0)


def test_curvature_is_the_second_derivative() -> None:
    assert found(bowl(noise=0)).curvature.value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("axis_scale", "parameter", "values"),
    [
        ("one_minus_log", "beta2", [0.5, 0.9, 0.95, 0.99, 0.999]),
        ("log", "eps", [1e-15, 1e-12, 1e-8, 1e-5, 1e-3]),
        ("linear", "momentum", [0.0, 0.3, 0.6, 0.8, 0.9]),
    ],
)
def test_every_axis_gets_the_same_treatment(
    axis_scale: str, parameter: str, values: list[float]
) -> None:
    losses = dict(zip(values, bowl().values(), strict=True))
    result = found(losses, axis_scale=axis_scale, parameter=parameter)
    complete = [estimate for estimate in leaves(result) if estimate.low is not None]
    assert len(complete) >= 19
    low, high = result.optimum_value.low, result.optimum_value.high
    assert low is not None
    assert high is not None
    assert values[0] <= low < high <= values[-1]


def test_zero_on_a_log_axis_is_a_best_value_without_a_basin() -> None:
    result = found({0.0: [2.9, 2.8], 1e-3: [3.0, 3.1], 1e-2: [3.2, 3.3]})
    assert (result.best_value.value, result.best_value.low) == (0.0, 0.0)
    assert all("no place" in str(basin.width.reason) for basin in result.basins)


def test_a_parameter_without_effect_has_a_loss_and_nothing_else() -> None:
    frame = points({value: [3.0, 3.1] for value in GRID})
    frame["trial_id"] = [f"s{seed}" for seed in frame["seed"]]
    (curve,) = stability_curves(frame)
    result = estimates(curve, stability(curve), half_width=windows.half_width([curve]))
    assert result.best_loss.value == pytest.approx(3.05)
    assert result.best_value.value is None
    assert "no effect" in str(result.optimum_value.reason)
    assert result.half_width is None


def test_a_seed_that_only_an_unstable_value_has_takes_no_interval_away() -> None:
    result = found(bowl() | {10.0: [NAN, NAN, NAN, 12.0]})
    assert result.optimum_value.low is not None
    alone = found({1e-3: [3.0], 1e-2: [2.9], 1e-1: [3.1], 1.0: [NAN, NAN]})
    assert alone.best_value.value == 1e-2
    assert "one seed" in str(alone.best_value.reason)


def test_places_that_are_nearly_one_have_no_parabola() -> None:
    losses: Losses = {0.0: [1e100], 1e-300: [-1e100], 2e-300: [1e99]}
    curve = curve_of(losses, axis_scale="linear")
    assert stability(curve).optimum_value is None
    assert estimates(curve, stability(curve)).curvature.value is None


@settings(max_examples=20)
@given(st.integers(0, 100), st.permutations(range(3)))
def test_names_of_seeds_change_nothing(seed: int, order: list[int]) -> None:
    losses = bowl(seed=seed)
    relabelled: Losses = {value: [seeds[i] for i in order] for value, seeds in losses.items()}
    one, other = leaves(found(losses)), leaves(found(relabelled))
    for before, after in zip(one, other, strict=True):
        assert before.reason == after.reason
        for name in ("value", "low", "high"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 100), st.floats(-2, 2))
def test_a_shift_of_all_losses_moves_losses_and_nothing_else(seed: int, shift: float) -> None:
    losses = bowl(seed=seed)
    moved: Losses = {v: [x + shift for x in seeds] for v, seeds in losses.items()}  # type: ignore[operator]
    one, other = found(losses), found(moved, initial_loss=10.4 + shift)
    for name in ("best_loss", "optimum_loss", "heldout_loss"):
        before, after = getattr(one, name), getattr(other, name)
        if before.low is not None:
            assert after.low == pytest.approx(before.low + shift, abs=1e-9)
    for name in ("best_value", "optimum_value", "curvature", "asymmetry"):
        before, after = getattr(one, name), getattr(other, name)
        assert after.value == pytest.approx(before.value, rel=1e-6)
        assert after.low == pytest.approx(before.low, rel=1e-6)
    assert other.sensitivity.loss.high == pytest.approx(one.sensitivity.loss.high)


@settings(max_examples=10)
@given(st.randoms())
def test_the_order_of_the_points_changes_nothing(random: Any) -> None:
    frame = points(bowl())
    rows = list(range(len(frame)))
    random.shuffle(rows)
    (one,), (other,) = stability_curves(frame), stability_curves(frame.iloc[rows])
    assert estimates(one, stability(one), resamples=50) == estimates(
        other, stability(other), resamples=50
    )


def test_intervals_of_the_bootstrap_cover_at_least_at_about_their_rate() -> None:
    """Of 200 curves each; `benchmarks/analysis.py` prints more of them."""
    hits = dict.fromkeys(("optimum_value", "optimum_loss", "sensitivity"), 0)
    truth = found(bowl(noise=0), resamples=2)
    for seed in range(200):
        result = found(bowl(seed=seed), resamples=200)
        for name in hits:
            one, true = getattr(result, name), getattr(truth, name)
            one, true = (one.loss, true.loss) if name == "sensitivity" else (one, true)
            assert one.low is not None
            hits[name] += one.low <= true.value <= one.high
    assert all(0.9 * 200 <= count <= 200 for count in hits.values()), hits
