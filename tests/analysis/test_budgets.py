import pytest

from sweeper.analysis.budgets import Run, average, loss_after, share_to, spent

LOSSES = {0: 6.0, 1: 5.0, 10: 4.0, 100: 3.0}


def run(steps: int = 100, losses: dict[int, float] | None = None, **more: float) -> Run:
    return Run(steps=steps, losses=LOSSES if losses is None else losses, **more)  # type: ignore[arg-type]


def averaged(*runs: Run) -> Run:
    found = average(runs)
    assert found is not None
    return found


def test_losses_are_averaged_where_all_seeds_have_one() -> None:
    found = averaged(run(seconds=2.0), run(losses={1: 6.0, 100: 4.0}, seconds=4.0))
    assert found.losses == {1: 5.5, 100: 3.5}
    assert found.seconds == 3.0
    assert average([]) is None


def test_a_loss_on_the_way_is_linear_in_the_log_of_the_step() -> None:
    curve = averaged(run())
    assert loss_after(curve, 1.0) == 3.0
    assert loss_after(curve, 0.1) == pytest.approx(4.0)
    assert loss_after(curve, 10**-0.5) == pytest.approx(3.5)
    assert loss_after(curve, 0.001) is None


def test_the_share_of_a_run_to_a_target() -> None:
    curve = averaged(run())
    assert share_to(curve, 3.5) == pytest.approx(10**-0.5)
    assert share_to(curve, 5.5) == 0.01
    assert share_to(curve, 2.9) is None
    assert share_to(averaged(run(losses={})), 3.0) is None


def test_what_is_met_at_the_first_evaluation_is_met_there() -> None:
    """Step 0 is the untrained model: no logarithm, and no time in which anything was reached."""
    for curve in (run(losses={0: 6.0, 10: 3.0, 100: 2.0}), run(losses={0: 2.5, 10: 3.0, 100: 2.0})):
        assert share_to(curve, 3.5) == 0.1
        assert loss_after(curve, 0.1) == 3.0
        assert loss_after(curve, 0.01) is None


def test_the_first_time_counts() -> None:
    curve = averaged(run(losses={1: 5.0, 10: 3.0, 50: 4.0, 100: 2.0}))
    assert share_to(curve, 3.0) == pytest.approx(0.1)


def test_equal_compute_and_speed_up() -> None:
    slow = averaged(run(tokens=100.0, flops=100.0, optimizer_flops=10.0, seconds=10.0))
    fast = averaged(
        run(losses={1: 4.0, 10: 3.0, 100: 2.5}, tokens=100.0, flops=200.0, seconds=20.0)
    )
    one, other = spent([slow, fast], [1e-3, 1e-2], target=3.0)
    assert one.optimizer_share == 0.1
    assert other.optimizer_share is None
    assert one.to_target["steps"] == pytest.approx(100)
    assert other.to_target["steps"] == pytest.approx(10)
    assert other.speed_up == pytest.approx({"steps": 10, "tokens": 10, "flops": 5, "seconds": 5})
    assert one.speed_up == pytest.approx(dict.fromkeys(one.speed_up, 1.0))
    assert one.loss_at_equal["flops"] == 3.0
    # At half of its operations, 100, the fast one is after 50 of its steps.
    assert other.loss_at_equal["flops"] == pytest.approx(3.0 - 0.5 * 0.69897, abs=1e-5)
    assert other.loss_at_equal["steps"] == 2.5


def test_what_is_not_known_is_left_out() -> None:
    bare, missing = spent([averaged(run()), None], [1e-3, None], target=2.0)
    assert bare.to_target == bare.speed_up == {}
    assert set(bare.loss_at_equal) == {"steps"}
    assert missing.reason == "no finished run"
