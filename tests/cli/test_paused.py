"""A sweep that is paused, or whose trials fail: why is said, and the command ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.cli import output
from sweeper.client import Client
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import Owner
from sweeper.storage.store import open_store
from tests.cli.processes import run_sweeper
from tests.served import TINY, Served, start, stop


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Without a dispatcher: the test plays it."""
    found = start(tmp_path / "home", command="api")
    yield found
    stop(found)


def test_a_full_disk_ends_the_watching_with_its_reason(served: Served, tmp_path: Path) -> None:
    with Client(served.url) as client:
        sweep_id = client.submit(TINY)["id"]
    _fail(served.home, FailureKind.DISK_FULL, "no space left")
    watched = run_sweeper("watch", sweep_id, "--json", "--url", served.url, cwd=tmp_path)
    assert watched.returncode == output.FAILURES
    assert "paused: disk_full: no space left" in watched.stderr
    assert f"`sweeper resume {sweep_id}`" in watched.stderr
    assert json.loads(watched.stdout)["sweep"]["state"] == "paused"


def test_the_last_failure_is_told_with_its_reason(served: Served, tmp_path: Path) -> None:
    with Client(served.url) as client:
        sweep_id = client.submit(TINY)["id"]
    _fail(served.home, FailureKind.USER_ERROR, "ValueError: no such thing")
    shown = run_sweeper("show", sweep_id, "--url", served.url, cwd=tmp_path)
    told = shown.stderr.splitlines()[1]
    assert told.startswith("the last failure: trial ")
    assert "failed, user_error: ValueError: no such thing" in told


def _fail(home: Path, kind: FailureKind, message: str) -> None:
    """Claim a trial and let it fail."""
    with open_store(f"sqlite:///{home / 'sweeper.db'}") as store:
        epoch = store.queue.take_over(None, Owner(host="here", pid=1, started=1.0))
        chosen = store.queue.free_trials()[0].id
        claim = store.queue.claim_new(epoch, [chosen], threads=1)
        assert claim is not None
        failure = Failure(kind=kind, message=message)
        assert store.queue.fail(epoch, claim.stack_id, claim.attempt, failure) is not None
