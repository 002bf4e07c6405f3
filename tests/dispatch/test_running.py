import pytest

from sweeper.dispatch.messages import Progress, Report
from sweeper.dispatch.running import Running, RunningStacks, remaining_costs
from sweeper.storage.records import Claim

CLAIM = Claim(stack_id=1, attempt=1, epoch=1, members=(), threads=1)


def stack(**fields: float) -> Running:
    running = Running(claim=CLAIM, cpus=1, gpus=0, cost_s=100.0, steps=100)
    for name, value in fields.items():
        setattr(running, name, value)
    return running


def report(step: int) -> Report:
    return Report(
        stack_id=1, attempt=1, progress=Progress.RUNNING, step=step, steps=100, host="h", pid=1
    )


def test_before_its_first_step_a_stack_has_its_estimate_left() -> None:
    assert stack().remaining_s(now=50.0) == 100.0
    assert stack(started_at=0.0, step=40, first_step=40, moved_at=0.0).remaining_s(0.0) == 60.0


def test_a_stack_that_moves_is_judged_by_its_own_pace() -> None:
    running = stack(started_at=10.0, step=50, first_step=25, moved_at=60.0)
    assert running.remaining_s(now=60.0) == 100.0
    assert running.remaining_s(now=80.0) == 80.0
    assert running.slowness() == 2.0


def test_what_is_left_is_told_in_the_seconds_of_the_planner() -> None:
    slow = stack(started_at=0.0, step=50, first_step=0, moved_at=100.0)
    assert slow.slowness() == 2.0
    assert remaining_costs([slow, stack()], now=100.0) == pytest.approx((50.0, 100.0))


def test_a_stack_ends_once_and_is_not_heard_of_after() -> None:
    stacks = RunningStacks()
    stacks.add("a", stack())
    heard = stacks.heard("a", report(5))
    assert heard is not None
    assert (heard.step, heard.first_step, heard.host) == (5, 5, "h")
    assert stacks.end("a") is heard
    assert stacks.end("a") is None
    assert stacks.heard("a", report(6)) is None
    assert stacks.all() == ()
