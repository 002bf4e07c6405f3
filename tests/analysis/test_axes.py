import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.analysis import axes


@pytest.mark.parametrize(
    ("value", "axis_scale", "expected"),
    [
        (1e-3, "log", -3.0),
        (0.0, "log", None),
        (0.99, "one_minus_log", 2.0),
        (0.0, "one_minus_log", 0.0),
        (1.0, "one_minus_log", None),
        (0.0, "linear", 0.0),
        (-2.0, "linear", -2.0),
    ],
)
def test_position(value: float, axis_scale: str, expected: float | None) -> None:
    assert axes.position(value, axis_scale) == pytest.approx(expected)


@settings(max_examples=50)
@given(st.floats(1e-15, 0.999), st.sampled_from(["log", "linear", "one_minus_log"]))
def test_value_at_inverts_position(value: float, axis_scale: str) -> None:
    place = axes.position(value, axis_scale)
    assert place is not None
    assert axes.value_at(place, axis_scale) == pytest.approx(value, rel=1e-9, abs=1e-15)


def test_units() -> None:
    assert axes.unit("lr", "log") == "decades"
    assert axes.unit("beta2", "one_minus_log") == "decades of 1 - beta2"
    assert axes.unit("momentum", "linear") == "momentum"
