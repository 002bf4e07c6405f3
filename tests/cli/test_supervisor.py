"""The supervised child, with small programs in the place of the dispatcher."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli.supervisor import Child

READY = "import os, pathlib, signal, sys; pathlib.Path('ready').open('a').write('x');"


@pytest.fixture
def remarks() -> "list[str]":
    return []


def _child(tmp_path: Path, script: str, say: Callable[[str], None]) -> Child:
    command = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {READY} {script}"]
    return Child(command, log=tmp_path / "log", say=say, first_pause_s=0.01)


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_child_that_ends_is_started_again(tmp_path: Path, remarks: list[str]) -> None:
    child = _child(tmp_path, "print('out of luck', flush=True); sys.exit(7)", remarks.append)
    child.start()
    _wait_until(lambda: len(remarks) >= 2)
    child.stop(10)
    assert "exit 7" in remarks[0]
    assert "out of luck" in remarks[0]
    assert len((tmp_path / "ready").read_text()) >= 2


def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path, remarks: list[str]) -> None:
    program = tmp_path / "program"
    child = Child([str(program)], log=tmp_path / "log", say=remarks.append, first_pause_s=0.01)
    child.start()
    _wait_until(lambda: len(remarks) >= 2)
    assert "cannot be started" in remarks[0]
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    _wait_until((tmp_path / "started").exists)
    child.stop(10)


def test_stop_lets_the_child_finish(tmp_path: Path, remarks: list[str]) -> None:
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: (print('drained', flush=True), sys.exit(0)));"
        "pathlib.Path('armed').touch(); [signal.pause() for _ in iter(int, 1)]"
    )
    child = _child(tmp_path, script, remarks.append)
    child.start()
    _wait_until((tmp_path / "armed").exists)
    child.stop(30)
    assert (tmp_path / "log").read_text() == "drained\n"
    assert remarks == []


def test_a_child_that_will_not_end_is_killed(tmp_path: Path, remarks: list[str]) -> None:
    script = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path('pid').write_text("
        "str(os.getpid())); pathlib.Path('armed').touch(); [signal.pause() for _ in iter(int, 1)]"
    )
    child = _child(tmp_path, script, remarks.append)
    child.start()
    _wait_until((tmp_path / "armed").exists)
    child.stop(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_child_learns_of_its_parents_death(tmp_path: Path) -> None:
    script = (
        "import sys, threading; from sweeper.cli.supervisor import stop_with_parent;"
        "stop_with_parent(int(sys.argv[1])); print('up', flush=True); threading.Event().wait()"
    )
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(read_end)],
        pass_fds=[read_end],
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(read_end)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.close(write_end)
        assert process.wait(30) == -15
