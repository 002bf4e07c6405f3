import math

import pytest

from sweeper.analysis.curves import stability_curves
from sweeper.analysis.estimating import estimates
from sweeper.analysis.stability import stability
from sweeper.analysis.transfer import Sized, Transfer, transfer
from tests.analysis.frames import Loss, points

GRID = [10 ** (-5 + i / 2) for i in range(11)]
SIZES = {"s": 10**6, "m": 10**7, "l": 10**8}


def at_scale(scale: str, place: float, *, seeds: int = 3, axis_scale: str = "log") -> Sized:
    """A parabola in decades whose bottom is at the place."""
    values = GRID if axis_scale == "log" else [1 - 10 ** (-i / 2) for i in range(1, 8)]
    places = [math.log10(v) if axis_scale == "log" else -math.log10(1 - v) for v in values]
    floor = {"s": 3.5, "m": 3.2, "l": 3.05}.get(scale, 3.0)
    losses: dict[float, list[Loss]] = {
        value: [floor + 0.1 * (x - place) ** 2 + 0.001 * seed for seed in range(seeds)]
        for value, x in zip(values, places, strict=True)
    }
    return sized(losses, scale, axis_scale)


def sized(losses: dict[float, list[Loss]], scale: str, axis_scale: str = "log") -> Sized:
    (curve,) = stability_curves(points(losses, scale=scale, axis_scale=axis_scale))
    numbers, size = stability(curve), SIZES.get(scale)
    found = estimates(curve, numbers, resamples=50)
    return Sized(
        curve=curve,
        stability=numbers,
        optimum=found.optimum_value if found.optimum_value.value else found.best_value,
        parameters=size,
        tokens=None if size is None else 20.0 * size,
    )


def law(offsets: tuple[float, float, float] = (0, 0, 0)) -> Transfer:
    """A tenfold size halves the best value, but for the offsets in decades."""
    places = [-2.0, -2.0 - math.log10(2), -2.0 - 2 * math.log10(2)]
    curves = [at_scale(s, p + o) for s, p, o in zip(SIZES, places, offsets, strict=True)]
    return transfer(curves[::-1], larger=("xl", 10**9))


def test_an_exact_power_law() -> None:
    found = law()
    assert [optimum.scale for optimum in found.optima] == ["s", "m", "l"]
    assert all(optimum.interpolated for optimum in found.optima)
    assert found.optima[0].low == pytest.approx(0.01, rel=0.01)
    assert found.exponent.value == pytest.approx(-math.log10(2))
    assert (found.exponent.low, found.exponent.high) == pytest.approx(
        (-0.30103, -0.30103), abs=1e-6
    )
    assert found.at_one == pytest.approx(-2 + 6 * math.log10(2))
    assert found.prediction is not None
    assert (found.prediction.scale, found.prediction.parameters) == ("xl", 10**9)
    assert found.prediction.value == pytest.approx(0.01 / 8)


def test_the_interval_of_the_slope_by_hand() -> None:
    # Residuals of (0, 0.06, 0) around their line through three equally spaced points are
    # -0.02, 0.04, -0.02: a sum of squares of 0.0024 with one degree of freedom, spread 2.
    found = law((0, 0.06, 0))
    reach = 12.7062 * math.sqrt(0.0024) / math.sqrt(2)
    assert found.exponent.value == pytest.approx(-math.log10(2), abs=1e-6)
    assert found.exponent.high == pytest.approx(-math.log10(2) + reach, abs=1e-4)
    assert found.prediction is not None
    room = math.sqrt(1 + 1 / 3 + 2**2 / 2)
    width = 12.7062 * math.sqrt(0.0024) * room
    assert math.log10(found.prediction.high / found.prediction.value) == pytest.approx(
        width, abs=1e-4
    )


def test_two_scales_have_no_fit_and_say_so() -> None:
    found = transfer([at_scale("s", -2), at_scale("m", -2.3)], larger=("xl", 10**9))
    assert found.exponent.value is None
    assert "2 scales with a best value off the edges: a fit needs 3" in str(found.exponent.reason)
    assert found.prediction is None
    assert found.at_one is None
    assert found.loss_by_size is None
    assert "a fit needs 3" in str(found.loss_reason)
    assert len(found.paid) == 1


def test_a_best_value_at_an_edge_is_shown_and_not_fitted() -> None:
    found = transfer([at_scale("s", -2), at_scale("m", -2.3), at_scale("l", -6)])
    assert [optimum.used for optimum in found.optima] == [True, True, False]
    assert "edge" in str(found.optima[2].reason)
    assert found.exponent.value is None


def test_a_scale_of_unknown_size_is_not_fitted() -> None:
    found = transfer([at_scale("s", -2), at_scale("odd", -2)])
    assert "size of the model" in str(found.optima[0].reason)


def test_the_price_of_the_smaller_scales_value() -> None:
    paid = {(p.tuned_at, p.used_at): p for p in law().paid}
    assert set(paid) == {("s", "m"), ("s", "l"), ("m", "l")}
    # The best values of the grid are 10^-2, 10^-2.5, 10^-2.5; that of l is 10^-2.602.
    assert paid["s", "m"].value == pytest.approx(10**-2)
    cost = 0.1 * (0.30103**2 - 0.19897**2)
    assert paid["s", "m"].excess.value == pytest.approx(cost, abs=1e-6)
    assert paid["m", "l"].excess.value == pytest.approx(0.0, abs=1e-12)
    low, high = paid["s", "m"].excess.low, paid["s", "m"].excess.high
    assert low is not None
    assert high is not None
    assert 0 <= low <= cost + 1e-9


def test_a_value_between_those_tried_is_interpolated_and_one_outside_is_not() -> None:
    small = at_scale("s", -2)
    losses: dict[float, list[Loss]] = {10**-2.25: [3.0], 10**-1.75: [3.1], 1e-1: [3.5]}
    large = sized(losses, "m")
    (between,) = transfer([small, large]).paid
    assert between.excess.value == pytest.approx(0.05)
    assert between.excess.low is None
    assert "one seed" in str(between.excess.reason)
    (outside,) = transfer([at_scale("s", -4.5), large]).paid
    assert "outside" in str(outside.excess.reason)


def test_betas_scale_by_their_distance_from_one() -> None:
    curves = [
        at_scale(scale, place, axis_scale="one_minus_log")
        for scale, place in zip(SIZES, (1.0, 1.2, 1.4), strict=True)
    ]
    found = transfer(curves, larger=("xl", 10**9))
    assert found.exponent.value == pytest.approx(0.2)
    assert found.prediction is not None
    assert found.prediction.value == pytest.approx(1 - 10**-1.6)


def test_loss_against_size_and_tokens() -> None:
    found = law()
    assert found.loss_reason is None
    assert found.loss_by_size is not None
    assert found.loss_by_tokens is not None
    assert found.loss_by_size.exponent == pytest.approx(found.loss_by_tokens.exponent, rel=1e-4)
    # 3.5, 3.2, 3.05 and half of every step down: the floor is 2.9 (and 0.001 for the seeds).
    assert found.loss_by_size.floor == pytest.approx(2.901, abs=1e-4)
    assert found.loss_by_size.exponent == pytest.approx(math.log10(2), abs=1e-4)


def test_losses_that_do_not_fall_with_the_size_follow_no_law_and_say_so() -> None:
    flat = [sized({v: [3.0 + v, 3.1 + v] for v in (1e-3, 1e-2, 1e-1)}, scale) for scale in SIZES]
    found = transfer(flat)
    assert found.loss_by_size is None
    assert str(found.loss_reason).startswith("against size and tokens, losses do not fall")


def test_a_best_value_of_zero_has_no_place_to_fit() -> None:
    losses: dict[float, list[Loss]] = {0.0: [3.0, 3.0], 1e-3: [3.1, 3.1], 1e-2: [3.2, 3.2]}
    found = transfer([sized(losses, "s"), at_scale("m", -2)])
    assert "edge" in str(found.optima[0].reason)
    between: dict[float, list[Loss]] = {0.0: [3.0, 3.0], -1.0: [3.1, 3.1], 1e-2: [3.2, 3.2]}
    found = transfer([sized(between, "s"), at_scale("m", -2)])
    assert "no place on a log axis" in str(found.optima[0].reason)


def test_a_larger_scale_that_is_not_finished_has_no_price_yet() -> None:
    small = at_scale("s", -2)
    large = sized({0.01: [None, 3.0], 1e-1: [3.5, 3.5]}, "m")
    (paid,) = transfer([small, large]).paid
    assert paid.excess.value is not None
    nothing = sized({0.01: [None, None], 1e-1: [None, None]}, "m")
    (paid,) = transfer([small, nothing]).paid
    assert "no finished values" in str(paid.excess.reason)
