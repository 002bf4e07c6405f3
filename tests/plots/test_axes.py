import math

import pytest

from sweeper.plots.axes import value_axis

HALF_DECADES = [1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1]


def test_log_axis_is_labelled_at_the_decades() -> None:
    axis = value_axis(HALF_DECADES, "log", "lr")
    assert (axis.type, axis.title) == ("log", "learning rate")
    assert axis.ticktext == ("1e-4", "1e-3", "1e-2", "1e-1")
    assert axis.tickvals == pytest.approx((1e-4, 1e-3, 1e-2, 1e-1))
    assert axis.range[0] < -4 < -1 < axis.range[1]
    assert axis.place(3.16e-3) == 3.16e-3


def test_a_narrow_log_axis_is_labelled_at_its_values() -> None:
    axis = value_axis([1e-3, 3.16e-3, 1e-2], "log", "lr")
    assert axis.ticktext == ("1e-3", "3.16e-3", "1e-2")


def test_a_wide_log_axis_leaves_labels_out() -> None:
    axis = value_axis([10.0**-k for k in range(16)], "log", "eps")
    assert axis.ticktext[:2] == ("1e-15", "1e-13")
    assert len(axis.tickvals) == 8


def test_a_narrow_log_axis_of_many_values_labels_some_of_them() -> None:
    axis = value_axis([1e-3 * k for k in range(1, 10)], "log", "lr")
    assert axis.ticktext == ("1e-3", "3e-3", "5e-3", "7e-3", "9e-3")


def test_a_single_value_has_room_on_both_sides() -> None:
    for scale in ("log", "linear", "one_minus_log"):
        low, high = value_axis([0.5], scale, "momentum").range
        assert low != high


def test_zero_stands_left_of_a_break() -> None:
    axis = value_axis([0.0, 1e-4, 1e-3, 1e-2], "log", "weight_decay")
    assert axis.ticktext[0] == "0"
    assert axis.zero_at is not None
    assert axis.break_at is not None
    assert axis.place(0.0) == axis.zero_at < axis.break_at < 1e-4
    assert 10 ** axis.range[0] < axis.zero_at


def test_zero_alone_is_drawn_on_a_linear_axis() -> None:
    assert value_axis([0.0], "log", "weight_decay").type == "linear"


def test_one_minus_log_draws_the_distance_to_one_from_right_to_left() -> None:
    axis = value_axis([0.9, 0.99, 0.999], "one_minus_log", "beta2")
    assert axis.place(0.99) == pytest.approx(0.01)
    assert axis.ticktext == ("0.9", "0.99", "0.999")
    assert axis.range[0] > math.log10(0.1) > math.log10(0.001) > axis.range[1]


def test_linear_axis_has_round_ticks() -> None:
    axis = value_axis([0.0, 0.5, 1.0], "linear", "warmup_fraction")
    assert axis.type == "linear"
    assert {"0", "0.2", "1"} <= set(axis.ticktext)


def test_the_name_of_a_parameter_is_text_and_not_markup() -> None:
    assert value_axis([1.0], "linear", "<b>").title == "&lt;b&gt;"


def test_a_scale_that_no_tick_tells_is_in_the_title() -> None:
    axis = value_axis([0.5, 0.9, 0.99], "one_minus_log", "beta2")
    assert (axis.name, axis.title) == ("beta2", "beta2, log scale of 1 \N{MINUS SIGN} beta2")
