"""Preparing goes on after a kill, wherever it was, and ends with the same bytes."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.datasets import told
from sweeper.datasets.prepare import Plan, prepare
from sweeper.datasets.shards import LOG, finished
from sweeper.errors import SweeperError
from tests.datasets.builders import jsonl, plan, prepared, texts
from tests.dispatch.tiny import eventually
from trainers.data import dataset, verify

pytestmark = [
    pytest.mark.fault,
    # Python 3.12 and on warn of forking beside threads; those of pyarrow are idle here.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

FORK = multiprocessing.get_context("fork")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _mortal(call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """The call, before which the process is killed once `left` is used up."""

    def dying(*arguments: Any, **named: Any) -> Any:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return call(*arguments, **named)

    return dying


def _prepare_until(wanted: Plan, data_dir: Path, calls: int) -> None:
    """Prepares, and dies before so many-th call that touches the disk."""
    left = [calls]
    for name in ("open", "rename", "unlink", "mkdir"):
        setattr(Path, name, _mortal(getattr(Path, name), left))
    for name in ("fsync", "truncate"):
        setattr(os, name, _mortal(getattr(os, name), left))
    prepared(data_dir, wanted)


def _killed_after(wanted: Plan, data_dir: Path, calls: int) -> bool:
    """Whether a process that dies at that call was killed rather than done."""
    process = FORK.Process(target=_prepare_until, args=(wanted, data_dir, calls))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def test_a_kill_before_any_call_that_touches_the_disk_changes_nothing(tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(40))])
    expected = _contents(prepared(tmp_path / "undisturbed", wanted))
    calls = 0
    while _killed_after(wanted, tmp_path / str(calls), calls):
        folder = tmp_path / str(calls) / "x"
        if not folder.exists():
            prepared(folder.parent, wanted)
        assert _contents(folder) == expected
        assert [path.name for path in folder.parent.iterdir()] == ["x"]
        calls += 1
    assert calls > 30


def test_many_kills_in_a_row_change_nothing(tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(300))])
    expected = _contents(prepared(tmp_path / "undisturbed", wanted))
    draw = random.Random(0)  # noqa: S311
    kills = 0
    while _killed_after(wanted, tmp_path, draw.randrange(5, 25)):
        kills += 1
    assert kills > 3
    assert _contents(tmp_path / "x") == expected


def _is_alive(pid: str) -> bool:
    """Whether a process runs; one that has ended may wait for its new parent to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_process_leaves_no_workers_and_is_gone_on_with(seed: int, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "x.jsonl", texts(400))
    wanted = plan("x", [source])
    expected = _contents(prepared(tmp_path / "undisturbed", wanted))
    command = [sys.executable, "-m", "tests.datasets.process", source, str(tmp_path), "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(random.Random(seed).randrange(2, 40)):  # noqa: S311
            shards = int(process.stdout.readline())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    assert len(children) >= 2
    eventually(lambda: not any(map(_is_alive, children)), "the workers have ended")
    assert not (tmp_path / "x").exists()
    first, *_ = prepare(wanted, tmp_path, workers=2)
    assert first.shards >= shards
    assert _contents(tmp_path / "x") == expected
    verify(tmp_path, dataset(tmp_path, "x"))


def test_a_worker_that_is_killed_ends_the_preparing_which_can_go_on(tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(400))])
    expected = _contents(prepared(tmp_path / "undisturbed", wanted))
    begun = prepare(wanted, tmp_path, workers=2)
    while not next(begun).shards:
        pass
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(SweeperError, match="the same command goes on"), told():
        list(begun)
    assert _contents(prepared(tmp_path, wanted)) == expected


def test_a_torn_line_of_the_log_does_not_count(tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(300))])
    expected = _contents(prepared(tmp_path / "undisturbed", wanted))
    begun = prepare(wanted, tmp_path, workers=1)
    while next(begun).shards < 3:
        pass
    begun.close()
    log = tmp_path / ".x.partial" / LOG
    for torn, whole in ((1, 2), (50, 1)):
        os.truncate(log, log.stat().st_size - torn)
        assert len(finished(log.parent)) == whole
        assert log.read_bytes().count(b"\n") == whole
    assert next(prepare(wanted, tmp_path, workers=1)).shards == 1
    assert _contents(prepared(tmp_path, wanted)) == expected
