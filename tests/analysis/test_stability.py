import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.analysis.curves import stability_curves
from sweeper.analysis.stability import Stability, stability
from tests.analysis.frames import NAN, Loss, one_seed, points

GRID = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def numbers(losses: dict[float, list[Loss]], tolerance: float = 0.05, **frame: object) -> Stability:
    (curve,) = stability_curves(points(losses, **frame))  # type: ignore[arg-type]
    return stability(curve, tolerance)


def test_sensitivity_of_the_published_vector() -> None:
    # arXiv 2309.14322: diverged and worse than at the start both count as the initial loss
    losses: list[Loss] = [10.0, 7.0, 3.2, 3.0, 3.1, NAN, 12.0]
    values = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]
    result = numbers(one_seed(values, losses), initial_loss=10.4)
    assert result.sensitivity == pytest.approx(3.728571, abs=5e-7)
    assert (result.sensitivity_low, result.sensitivity_high) == (3e-4, 3e-1)
    assert result.sensitivity_values == 7
    assert result.best_value == 1e-2


def test_refinement_does_not_change_the_sensitivity() -> None:
    losses = one_seed(GRID, [5.0, 4.0, 3.0, 4.0, 5.0])
    refined = losses | {2e-2: [2.9]}
    one, other = numbers(losses), numbers(refined, added=[2e-2])
    assert other.sensitivity == one.sensitivity == pytest.approx(1.2)
    assert other.best_value == 2e-2


def test_sensitivity_waits_for_the_whole_grid() -> None:
    result = numbers(one_seed(GRID, [5.0, 4.0, None, 4.0, 5.0]))
    assert result.sensitivity is None
    assert result.sensitivity_reason == "4 of 5 values of the declared grid have a loss"
    assert result.preliminary


def test_sensitivity_needs_a_declared_grid() -> None:
    result = numbers({1e-3: [3.0]}, added=[1e-3])
    assert result.sensitivity is None
    assert result.sensitivity_values == 0
    assert "declared grid" in str(result.sensitivity_reason)


def test_optimum_of_an_exact_parabola_in_decades() -> None:
    losses: list[Loss] = [3 + 0.1 * (math.log10(value) + 1.8) ** 2 for value in GRID]
    result = numbers(one_seed(GRID, losses))
    assert result.best_value == 1e-2
    assert result.optimum_value == pytest.approx(10**-1.8)
    assert result.optimum_loss == pytest.approx(3.0)
    assert result.optimum_reason is None
    assert not result.optimum_at_edge


def test_optimum_in_decades_of_one_minus_beta() -> None:
    values = [0.9, 0.99, 0.999]
    losses = one_seed(values, [3.1, 3.0, 3.1])
    result = numbers(losses, axis_scale="one_minus_log", parameter="beta2")
    assert result.optimum_value == pytest.approx(0.99)
    assert result.basin_width == pytest.approx(1.0)
    assert result.basin_unit == "decades of 1 - beta2"


@pytest.mark.parametrize(
    ("losses", "edge"), [([3.0, 3.5, 4.0, 5.0, 6.0], "low"), ([6.0, 5.0, 4.0, 3.5, 3.0], "high")]
)
def test_best_at_an_edge(losses: list[Loss], edge: str) -> None:
    result = numbers(one_seed(GRID, losses))
    assert result.optimum_at_edge
    assert result.edge == edge
    assert result.optimum_value is None
    assert "edge" in str(result.optimum_reason)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([5.0, 4.0, 3.0, NAN, NAN], "a seed diverged beside the best value"),
        ([5.0, 4.0, 3.0, None, 5.0], "a value beside the best one is not finished"),
        ([5.0, 4.0, 3.0, "failed", 5.0], "a value beside the best one is not finished"),
        ([4.0, 3.0, 3.0, 3.0, 4.0], "the parabola through the best value is not convex"),
    ],
)
def test_no_interpolated_optimum(losses: list[Loss], reason: str) -> None:
    result = numbers(one_seed(GRID, losses))
    assert (result.best_value, result.best_loss) == (1e-2, 3.0)
    assert result.optimum_value is None
    assert result.optimum_reason == reason


@pytest.mark.parametrize(
    ("axis_scale", "values"),
    [("log", [1e-30, math.nextafter(1e-30, 1), 1e-3]), ("one_minus_log", [0.0, 1e-17, 0.9])],
)
def test_values_too_close_for_a_parabola(axis_scale: str, values: list[float]) -> None:
    result = numbers(one_seed(values, [3.2, 3.0, 3.1]), axis_scale=axis_scale)
    assert result.best_value == values[1]
    assert result.optimum_value is None
    assert "coincide" in str(result.optimum_reason)


def test_zero_on_a_log_axis_is_a_value_without_a_place() -> None:
    values = [0.0, 1e-4, 1e-3, 1e-2]
    beside = numbers(one_seed(values, [3.2, 3.0, 3.1, 3.5]))
    assert beside.best_value == 1e-4
    assert not beside.optimum_at_edge
    assert "no place on a log axis" in str(beside.optimum_reason)
    assert beside.basin_low == pytest.approx(1e-4)
    assert beside.basin_low_censored
    best = numbers(one_seed(values, [2.9, 3.0, 3.1, 3.5]))
    assert (best.best_value, best.edge) == (0.0, "low")
    assert best.basin_width is None
    assert "no place" in str(best.basin_reason)
    assert best.sensitivity == pytest.approx(3.125 - 2.9)


def test_basin_edges_are_interpolated_on_the_axis_scale() -> None:
    result = numbers(one_seed(GRID, [4.0, 3.1, 3.0, 3.04, 3.06]))
    assert result.basin_low == pytest.approx(10**-2.5)
    assert result.basin_high == pytest.approx(10**-0.5)
    assert result.basin_width == pytest.approx(2.0)
    assert not result.basin_low_censored
    assert not result.basin_high_censored
    assert result.basin_unit == "decades"


def test_basin_at_the_ends_of_the_grid_is_censored() -> None:
    result = numbers(one_seed(GRID, [3.04, 3.02, 3.0, 3.01, 3.02]))
    assert result.basin_width == pytest.approx(4.0)
    assert result.basin_low_censored
    assert result.basin_high_censored


def test_basin_is_connected() -> None:
    result = numbers(one_seed(GRID, [3.0, 3.5, 3.0, 2.99, 3.5]))
    assert result.basin_low == pytest.approx(10 ** (-2 - (0.04 / 0.5)))


def test_basin_of_a_linear_axis_is_in_the_unit_of_the_axis() -> None:
    losses = one_seed([0.0, 0.5, 1.0], [3.1, 3.0, 3.1])
    result = numbers(losses, axis_scale="linear", parameter="momentum")
    assert result.basin_width == pytest.approx(0.5)
    assert result.basin_unit == "momentum"


@pytest.mark.parametrize("values", [[1e-8, 1e-5], GRID])
def test_a_parameter_without_effect_has_no_optimum(values: list[float]) -> None:
    frame = points(one_seed(values, [3.0] * len(values))).assign(trial_id="shared")
    (curve,) = stability_curves(frame)
    result = stability(curve)
    assert curve.inert
    assert (result.best_loss, result.sensitivity) == (3.0, 0.0)
    assert result.best_value is None
    assert result.best_reason == result.optimum_reason
    assert not result.optimum_at_edge
    assert result.optimum_value is result.basin_width is None
    assert "no effect" in str(result.optimum_reason)
    assert result.basin_reason == result.optimum_reason


def test_a_value_with_a_diverged_seed_is_never_best() -> None:
    losses: dict[float, list[Loss]] = {1e-4: [4.0, 4.0], 1e-3: [3.0, 3.0], 1e-2: [1.0, NAN]}
    assert numbers(losses, initial_loss=4.0).best_value == 1e-3


def test_a_value_with_pending_seeds_is_not_best_yet() -> None:
    losses: dict[float, list[Loss]] = {1e-4: [4.0, 4.0], 1e-3: [3.0, None], 1e-2: [5.0, 5.0]}
    assert numbers(losses).best_value == 1e-4


@pytest.mark.parametrize("missing", [NAN, None, "failed", "cancelled", "running"])
def test_only_a_value_with_all_its_seeds_finite_is_best(missing: Loss) -> None:
    losses: dict[float, list[Loss]] = {
        1e-4: [3.5, 3.5, 3.5],
        1e-3: [3.0, 3.0, missing],
        1e-2: [4.0, 4.0, 4.0],
    }
    assert numbers(losses).best_value == 1e-4


def test_values_without_some_of_their_seeds_are_all_kept_out_at_once() -> None:
    losses: dict[float, list[Loss]] = {
        1e-4: [2.0, NAN],
        1e-3: [2.1, "failed"],
        1e-2: [3.0, 3.2],
        1e-1: [2.2, "cancelled"],
        1.0: [2.3, None],
    }
    result = numbers(losses)
    assert result.best_value == 1e-2
    assert result.best_loss == pytest.approx(3.1)
    assert result.optimum_reason == "a value beside the best one is not finished"
    assert result.preliminary


@pytest.mark.parametrize("loss", [None, NAN, "failed"])
def test_nothing_to_say_is_said(loss: Loss) -> None:
    result = numbers({1e-3: [loss]}, initial_loss=None)
    reason = "no value has all its seeds finished and finite"
    assert result.best_value is result.best_loss is result.optimum_value is None
    assert result.basin_width is result.sensitivity is None
    assert result.best_reason == result.optimum_reason == result.basin_reason == reason
    assert not result.optimum_at_edge


@pytest.mark.parametrize("tolerance", [0.0, -1.0, NAN])
def test_tolerance_must_be_positive(tolerance: float) -> None:
    with pytest.raises(ValueError, match="tolerance > 0 must hold"):
        numbers({1e-3: [3.0]}, tolerance)


LOSSES = st.lists(st.floats(2.0, 8.0), min_size=5, max_size=5)


@settings(max_examples=50)
@given(LOSSES, st.permutations(range(5)))
def test_the_order_of_the_points_does_not_matter(losses: list[float], order: list[int]) -> None:
    frame = points(one_seed(GRID, losses))
    (one,), (other,) = stability_curves(frame), stability_curves(frame.iloc[order])
    assert stability(one) == stability(other)


@settings(max_examples=50)
@given(LOSSES, st.floats(-1.0, 5.0))
def test_a_shift_of_all_losses_shifts_the_best_alone(losses: list[float], shift: float) -> None:
    rounded = [round(loss, 3) for loss in losses]
    one = numbers(one_seed(GRID, rounded))
    other = numbers(one_seed(GRID, [loss + shift for loss in rounded]), initial_loss=10.4 + shift)
    assert other.best_loss == pytest.approx((one.best_loss or 0) + shift)
    assert other.sensitivity == pytest.approx(one.sensitivity, abs=1e-9)


@settings(max_examples=50)
@given(LOSSES, st.floats(0.01, 1.0))
def test_a_higher_tolerance_never_narrows_the_basin(losses: list[float], tolerance: float) -> None:
    narrow = numbers(one_seed(GRID, losses), tolerance)
    wide = numbers(one_seed(GRID, losses), 2 * tolerance)
    assert narrow.basin_width is not None
    assert wide.basin_width is not None
    assert wide.basin_width >= narrow.basin_width - 1e-9


@settings(max_examples=50)
@given(LOSSES)
def test_the_optimum_lies_between_the_neighbours_and_not_above_the_best(
    losses: list[float],
) -> None:
    result = numbers(one_seed(GRID, losses))
    if result.optimum_value is not None:
        assert result.best_value is not None
        assert result.optimum_loss is not None
        assert result.best_loss is not None
        assert result.best_value / 10.0001 <= result.optimum_value <= result.best_value * 10.0001
        assert result.optimum_loss <= result.best_loss
