"""The analysis on published curves, against numbers worked out by hand."""

import math

import pytest

from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.scaling import power_law, speed_up
from sweeper.analysis.stability import Stability, stability
from tests.analysis import published
from tests.analysis.frames import points

TOLERANCE = 2e-6
"""Twice what the table is rounded to."""


def numbers(
    optimizer: str, parameter: str, axis_scale: str = "log", initial_loss: float | None = None
) -> tuple[Curve, Stability]:
    losses = {value: [loss] for value, loss in published.curve(optimizer, parameter).items()}
    frame = points(losses, parameter=parameter, axis_scale=axis_scale, initial_loss=initial_loss)
    (curve,) = stability_curves(frame)
    return curve, stability(curve)


def test_learning_rate_of_muon() -> None:
    curve, found = numbers("muon", "learning_rate")
    assert curve.values == (0.008, 0.016, 0.032, 0.064, 0.128)
    assert (found.best_value, found.best_loss) == pytest.approx((0.016, 3.463632))
    # Of 3.491338, 3.463632, 3.484460 in steps of a factor of two, the second difference is
    # 0.027706 + 0.020828 = 0.048534: the vertex is (3.491338 - 3.484460) / (2 * 0.048534)
    # = 0.070857 steps to the right, and 0.006878^2 / (8 * 0.048534) = 0.000122 lower.
    assert found.optimum_value == pytest.approx(0.016 * 2**0.070857, rel=1e-4)
    assert found.optimum_loss == pytest.approx(3.463632 - 0.000122, abs=TOLERANCE)
    # (3.491338 + 3.463632 + 3.484460 + 3.534731 + 3.687908) / 5 - 3.463632
    assert found.sensitivity == pytest.approx(17.662069 / 5 - 3.463632, abs=TOLERANCE)
    assert found.sensitivity == pytest.approx(0.0688, abs=5e-5)
    # 0.05 above the best is crossed between 0.032 (0.020828 above) and 0.064 (0.071099 above).
    share = (0.05 - 0.020828) / (0.071099 - 0.020828)
    assert found.basin_high == pytest.approx(0.032 * 2**share, rel=1e-4)
    assert found.basin_low == pytest.approx(0.008)
    assert found.basin_low_censored


def test_learning_rate_of_adamw_with_a_run_that_went_wrong() -> None:
    curve, found = numbers("adamw", "learning_rate")
    # (3.549580 + 3.529143 + 3.538163 + 7.780569) / 4 - 3.529143
    assert found.sensitivity == pytest.approx(18.397455 / 4 - 3.529143, abs=TOLERANCE)
    assert found.sensitivity == pytest.approx(1.070, abs=5e-4)
    step = (3.549580 - 3.538163) / (2 * (0.020437 + 0.009020))
    assert found.optimum_value == pytest.approx(0.008 * 2**step, rel=1e-4)
    assert not any(curve.diverged)


def test_a_loss_far_above_the_initial_one_counts_as_that() -> None:
    _, found = numbers("nadamw", "learning_rate", initial_loss=11.0)
    # (3.531227 + 3.544737 + 11) / 3 - 3.531227, although the last one ended at 34467.6
    assert found.sensitivity == pytest.approx(2.494094, abs=TOLERANCE)
    assert (found.edge, found.optimum_value) == ("low", None)


def test_momentum_of_muon_in_decades_of_its_distance_from_one() -> None:
    _, found = numbers("muon", "momentum", "one_minus_log")
    assert found.best_value == 0.95
    # -log10(1 - momentum): 1 at 0.9, 1.30103 at 0.95, 1.69897 at 0.98.
    left, right = -0.009665 / 0.301030, 0.010639 / 0.397940
    bend = (right - left) / 0.698970
    vertex = 1.301030 - (left + bend * 0.301030) / (2 * bend)
    assert found.optimum_value == pytest.approx(1 - 10**-vertex, rel=1e-4)
    assert found.basin_unit == "decades of 1 - momentum"


def test_weight_decay_of_lion_on_a_linear_axis() -> None:
    curve, found = numbers("lion", "weight_decay", "linear")
    assert len(curve.values) == 11
    assert found.best_value == 0.6
    # 3.550694, 3.549304, 3.551538 at 0.5, 0.6, 0.7
    offset = 0.1 * (3.550694 - 3.551538) / (2 * (0.001390 + 0.002234))
    assert found.optimum_value == pytest.approx(0.6 + offset, abs=1e-4)
    assert (found.basin_low, found.basin_high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("size", "scale", "exponent", "floor"),
    [("130m", 0.4554, 0.4353, 3.0729), ("300m", 0.3707, 0.4378, 2.8916)],
)
def test_loss_of_adamw_against_tokens(
    size: str, scale: float, exponent: float, floor: float
) -> None:
    losses = published.best_losses("adamw", size)
    law = power_law(list(losses), list(losses.values()))
    assert law is not None
    assert (law.scale, law.exponent, law.floor) == pytest.approx((scale, exponent, floor), abs=5e-4)
    assert law.error < 2.1e-3
    assert law.loss(4) == pytest.approx(losses[4], abs=3 * law.error)


@pytest.mark.parametrize(
    ("optimizer", "size", "expected"),
    [
        ("muon", "130m", [1.43, 1.34, 1.31, 1.30, 1.35]),
        ("muon", "300m", [1.31, 1.21, 1.18, 1.20, 1.27]),
        ("soap", "130m", [1.28, 1.29, 1.31, 1.30, 1.39]),
        ("nadamw", "300m", [1.10, 1.05, 1.04, 1.03, 1.08]),
        ("lion", "130m", [0.90, 1.01, 0.94, 1.08]),
    ],
)
def test_tokens_that_adamw_would_need(optimizer: str, size: str, expected: list[float]) -> None:
    baseline = published.best_losses("adamw", size)
    law = power_law(list(baseline), list(baseline.values()))
    assert law is not None
    found = [speed_up(law, d, loss) for d, loss in published.best_losses(optimizer, size).items()]
    # The published ones are from a fit whose answer depends on where it starts.
    assert found == pytest.approx(expected, abs=0.02)


def test_the_baseline_itself_scatters_around_one() -> None:
    losses = published.best_losses("adamw", "130m")
    law = power_law(list(losses), list(losses.values()))
    assert law is not None
    own = [speed_up(law, d, loss) or math.nan for d, loss in losses.items()]
    assert (min(own), max(own)) == pytest.approx((0.958, 1.034), abs=2e-3)
    assert speed_up(law, 1, law.floor) is None
