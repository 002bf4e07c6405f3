"""Starting, stopping and killing the real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli import home as homes
from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import environment
from tests.served import TINY, start, stop

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def _wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _dispatcher_of(pid: int) -> int | None:
    """The child of that process that runs `sweeper dispatch`."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    found = [child for t in threads for child in (t / "children").read_text().split()]
    return next((int(child) for child in found if _runs_dispatch(int(child))), None)


def _runs_dispatch(pid: int) -> bool:
    try:
        return b"\0dispatch\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.fault
def test_a_killed_dispatcher_is_replaced_and_the_sweep_ends(tmp_path: Path) -> None:
    served = start(tmp_path / "home")
    try:
        first = _found_dispatcher(served.process.pid)
        with Client(served.url) as client:
            sweep = client.submit(TINY | {"base": {"steps": 200}})
            _wait_until(lambda: client.sweep(sweep["id"])["points"]["running"] > 0, "nothing runs")
            os.kill(first, signal.SIGKILL)
            assert client.wait(sweep["id"], timeout_s=240)["points"]["done"] == 6
        second = _found_dispatcher(served.process.pid)
        assert second != first
        # G7: when the service itself is killed, its dispatcher ends by the end of their pipe.
        served.process.kill()
        served.process.wait()
        _wait_until(lambda: _is_gone(second), "the dispatcher outlives the service")
    finally:
        stop(served)


def _found_dispatcher(pid: int) -> int:
    _wait_until(lambda: _dispatcher_of(pid) is not None, "no dispatcher")
    found = _dispatcher_of(pid)
    assert found is not None
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_and_its_dispatcher(
    number: signal.Signals, tmp_path: Path
) -> None:
    served = start(tmp_path / "home")
    dispatcher = _found_dispatcher(served.process.pid)
    assert homes.running(served.home) is not None
    served.process.send_signal(number)
    assert served.process.wait(90) == 0
    assert _is_gone(dispatcher)
    assert homes.running(served.home) is None


def test_ctrl_c_ends_the_demo_in_the_middle(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeper.cli", "demo", "--data", "home", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    while " running" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    found = homes.running(tmp_path / "home")
    assert found is not None
    process.send_signal(signal.SIGINT)
    printed, rest = process.communicate(timeout=90)
    assert (process.returncode, printed) == (output.INTERRUPTED, "")
    assert "what is trained is kept" in rest
    assert "Traceback" not in rest
    assert _is_gone(found.pid)
