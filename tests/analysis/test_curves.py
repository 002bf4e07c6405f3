import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.analysis.curves import Curve, stability_curves, to_json
from sweeper.analysis.stability import stability
from tests.analysis.frames import NAN, one_seed, points, several


def curve_of(frame: pd.DataFrame) -> Curve:
    (curve,) = stability_curves(frame)
    return curve


def test_values_ascend_whatever_the_order_of_the_rows() -> None:
    frame = points({1e-3: [3.0, 3.2], 1e-2: [3.5, 3.5], 1e-4: [4.0, 4.2]})
    curve = curve_of(frame)
    assert curve.values == (1e-4, 1e-3, 1e-2)
    assert curve.loss_mean == pytest.approx((4.1, 3.1, 3.5))
    assert curve_of(frame.iloc[::-1]) == curve


def test_variants_keep_their_order() -> None:
    frames = [points({1e-3: [3.0]}, label=label) for label in ("sgd", "adamw")]
    assert [curve.label for curve in stability_curves(several(frames))] == ["sgd", "adamw"]


def test_no_points_give_no_curves() -> None:
    assert stability_curves(points({1e-3: [3.0]}).iloc[:0]) == ()


def test_a_diverged_seed_counts_as_the_initial_loss() -> None:
    curve = curve_of(points({1e-2: [3.0, NAN]}, initial_loss=10.0))
    assert curve.loss_mean == (6.5,)
    assert curve.finite_mean == (3.0,)
    assert (curve.seeds, curve.diverged) == ((2,), (1,))
    assert curve.loss_low == (None,)
    assert "diverged" in str(curve.interval_reason[0])
    assert curve.losses[0][1].diverged_at_step == 17


def test_a_loss_above_the_initial_one_is_clipped_and_flagged_but_finite() -> None:
    curve = curve_of(points({1e-2: [12.0], 1e-3: [9.0]}, initial_loss=10.0))
    assert curve.loss_mean == (9.0, 10.0)
    assert curve.finite_mean == (9.0, 12.0)
    assert curve.above_initial == (0, 1)
    assert curve.diverged == (0, 0)


def test_unfinished_and_failed_trials_are_counted_apart() -> None:
    curve = curve_of(points({1e-3: [3.0, None, "running", "failed", "cancelled"]}))
    assert curve.loss_mean == (3.0,)
    assert (curve.seeds, curve.total, curve.pending, curve.failed) == ((1,), (5,), (2,), (2,))
    assert (curve.finished_points, curve.total_points) == (1, 5)


def test_nothing_finished_yet() -> None:
    curve = curve_of(points({1e-3: [None]}))
    assert curve.loss_mean == curve.finite_mean == (None,)
    assert curve.initial_loss is None


def test_one_seed_has_no_interval_and_says_why() -> None:
    curve = curve_of(points({1e-3: [3.0]}))
    assert (curve.loss_low, curve.loss_high) == ((None,), (None,))
    assert "needs two" in str(curve.interval_reason[0])


def test_three_seeds_have_a_t_interval() -> None:
    curve = curve_of(points({1e-3: [3.0, 3.1, 3.2]}))
    assert curve.loss_low[0] == pytest.approx(3.1 - 0.248416, abs=1e-5)
    assert curve.loss_high[0] == pytest.approx(3.1 + 0.248416, abs=1e-5)
    assert curve.interval_reason == (None,)


def test_without_a_known_initial_loss() -> None:
    curve = curve_of(points({1e-3: [3.0], 1e-2: [NAN]}, initial_loss=None))
    assert curve.loss_mean == (3.0, None)
    assert not any(curve.above_initial)


def test_points_added_later_are_not_of_the_declared_grid() -> None:
    curve = curve_of(points(one_seed([1e-3, 2e-3, 1e-2], [3.0, 3.0, 4.0]), added=[2e-3]))
    assert curve.declared == (True, False, True)


def test_json_has_the_public_shape_and_no_nan() -> None:
    curve = curve_of(points({1e-3: [3.0, 3.1], 1e-2: [NAN, None]}))
    plain = json.loads(json.dumps(to_json(curve, stability(curve)), allow_nan=False))
    assert {"label", "optimizer", "scale", "architecture", "parameter"} <= plain.keys()
    keys = {"value", "loss_mean", "loss_low", "loss_high", "seeds", "diverged"}
    assert keys <= plain["points"][0].keys()
    assert plain["points"][1]["diverged"] == 1
    assert plain["points"][1]["trials"][1]["state"] == "pending"
    assert plain["stability"]["best_value"] == 1e-3
    assert plain["stability"]["optimum_at_edge"] is True


@settings(max_examples=50)
@given(st.lists(st.floats(1.0, 9.0), min_size=2, max_size=5), st.randoms())
def test_relabelled_seeds_change_nothing(losses: list[float], random: object) -> None:
    shuffled = list(losses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = curve_of(points({1e-3: losses})), curve_of(points({1e-3: shuffled}))
    assert one.loss_mean == pytest.approx(other.loss_mean)
    assert one.loss_low == pytest.approx(other.loss_low)
    assert one.loss_high == pytest.approx(other.loss_high)
