import subprocess
import sys
import time
from typing import Any

import pytest

from sweeper.dispatch.messages import Progress, Report
from sweeper.dispatch.overseer import end_hung
from sweeper.dispatch.processes import pid_space
from sweeper.dispatch.running import Running, RunningStacks, remaining_costs
from sweeper.storage.records import Claim

CLAIM = Claim(stack_id=1, attempt=1, epoch=1, members=(), threads=1)


def stack(**fields: Any) -> Running:
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


def test_a_silent_worker_is_killed_where_its_pid_names_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as worker:
        silent = {"started_at": 0.0, "moved_at": time.monotonic() - 100.0, "pid": worker.pid}
        elsewhere, here = stack(**silent, pid_space="elsewhere"), stack(**silent)
        here.pid_space = pid_space()
        end_hung([elsewhere], limit_s=90.0)
        end_hung([here], limit_s=110.0)
        assert (elsewhere.was_hung, here.was_hung, worker.poll()) == (False, False, None)
        end_hung([here, stack(**silent | {"pid": 2**22 + 1}, pid_space=pid_space())], limit_s=90.0)
        assert here.was_hung
        assert worker.wait(60) == -9
