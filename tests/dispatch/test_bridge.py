"""What ended a worker that had no last word."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.dispatch.bridge import lost
from sweeper.dispatch.running import Running
from sweeper.dispatch.watchdog import hung_file, take_traceback
from sweeper.failures import FailureKind
from sweeper.storage.records import Claim

CLAIM = Claim(stack_id=3, attempt=2, epoch=1, members=(), threads=1)
RUNNING = Running(claim=CLAIM, cpus=1, gpus=0, cost_s=1.0, steps=10, step=4, host="there")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The actor died", FailureKind.WORKER_LOST),
        ("its node has died", FailureKind.NODE_LOST),
        ("killed by the memory monitor", FailureKind.OOM_HOST),
    ],
)
def test_what_ray_says_tells_the_kind(text: str, kind: FailureKind) -> None:
    failure = lost(RUNNING, text, traceback=None, is_silent=False)
    assert (failure.kind, failure.traceback) == (kind, text)
    assert failure.message == "the worker ended at step 4 on there"


def test_a_watchdogs_word_says_where_it_hung() -> None:
    failure = lost(RUNNING, "The actor died", traceback="in line 7", is_silent=False)
    assert (failure.kind, failure.traceback) == (FailureKind.HUNG, "in line 7")


def test_long_silence_says_it_where_that_word_is_on_another_disk() -> None:
    failure = lost(RUNNING, "The actor died", traceback=None, is_silent=True)
    assert (failure.kind, failure.traceback) == (FailureKind.HUNG, "The actor died")


def test_silence_counts_from_the_last_report_and_not_before_the_first() -> None:
    now = time.monotonic()
    assert replace(RUNNING, moved_at=now - 5).silent_s(now) == 0
    assert replace(RUNNING, moved_at=now - 5, started_at=now - 9).silent_s(now) == 5


def test_a_watchdogs_word_is_taken_once(tmp_path: Path) -> None:
    file = hung_file(tmp_path, 3, 2)
    assert take_traceback(file) is None
    file.write_text("in line 7")
    assert take_traceback(file) == "in line 7"
    assert list(tmp_path.iterdir()) == []
    file.touch()
    assert take_traceback(file) is None
