"""Checkpoints in an object store: what dies on one machine goes on on another."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.dispatch.checkpoint_store import open_checkpoints
from sweeper.storage.records import TrialRecord
from sweeper.storage.store import Store, open_store
from tests.dispatch import s3, tiny
from trainers.checkpoints import MANIFEST, TENSORS, load

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.timeout(240)]

STEPS = 300


@pytest.fixture
def server(tmp_path: Path) -> Iterator[s3.Server]:
    with s3.server(tmp_path) as started:
        yield started


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    with open_store(sqlite_url) as opened:
        yield opened


def _home(folder: Path, name: str) -> Path:
    """Another machine: a home folder with the data sets and nothing else."""
    home = folder / name
    home.mkdir()
    shutil.copytree(tiny.datasets(folder), tiny.datasets(home))
    return home


def _submit(store: Store, folder: Path) -> str:
    """A sweep of one trial."""
    return tiny.submit(store, [tiny.config(folder, 0.01, steps=STEPS)])


def _steps(store: Store, sweep_id: str) -> list[int]:
    """The steps of the checkpoints that the database knows of the sweep's one stack."""
    stacks = {a.stack_id for a in tiny.attempts(store, sweep_id)}
    names = [name for stack_id in stacks for name in store.queue.checkpoints(stack_id)]
    return [int(name.rsplit("/", 1)[1]) for name in names]


def _has_come_far(store: Store, sweep_id: str) -> bool:
    """Whether the newest checkpoint is not of the start."""
    return any(_steps(store, sweep_id)[:1])


def _is_as_undisturbed(store: Store, folder: Path, sweep_id: str) -> TrialRecord:
    (record,) = tiny.trials(store, sweep_id)
    assert tiny.counts(store, sweep_id) == {"done": 1}
    assert [record.final_loss] == tiny.undisturbed(folder, [record])
    assert store.results.integrity() == []
    return record


def test_a_kill_in_the_middle_of_sending_costs_that_checkpoint_alone_on_another_machine_too(
    store: Store, sqlite_url: str, tmp_path: Path, server: s3.Server
) -> None:
    sweep_id = _submit(store, tmp_path)
    first, second = _home(tmp_path, "first"), _home(tmp_path, "second")
    settings = {"SWEEPER_CHECKPOINTS": server.url}
    kill = {
        "name": "sending",
        "action": "kill",
        "when": {"file": MANIFEST},
        "marker": str(tmp_path / "killed"),
        "from": str(tmp_path / "kill"),
    }
    dispatcher = tiny.start(
        sqlite_url, first, failpoints=[tiny.slow(tmp_path), kill], settings=settings
    )
    tiny.eventually(lambda: _has_come_far(store, sweep_id), "there is a checkpoint")
    (tmp_path / "kill").touch()
    tiny.eventually(lambda: (tmp_path / "killed").exists(), "the worker dies while it sends")
    dispatcher.kill()
    shutil.rmtree(first)
    (stack,) = open_checkpoints(server.url).stacks()
    there = open_checkpoints(server.url).checkpoints(int(stack))
    whole = store.queue.checkpoints(int(stack))
    assert there > set(whole), "what was sent in part lies there too"
    dispatcher = tiny.start(sqlite_url, second, idle_exit=True, settings=settings)
    assert dispatcher.ended() == 0
    record = _is_as_undisturbed(store, tmp_path, sweep_id)
    assert record.provenance["resumed_at"] > 0
    assert {a.failure for a in record.attempts} <= {"worker_lost", None}
    assert open_checkpoints(server.url).stacks() == frozenset()
    assert not (second / "checkpoints").exists()


def test_a_store_that_is_gone_pauses_what_would_go_on_from_it(
    store: Store, sqlite_url: str, tmp_path: Path, server: s3.Server
) -> None:
    sweep_id = _submit(store, tmp_path)
    settings = {"SWEEPER_CHECKPOINTS": server.url}
    dispatcher = tiny.start(
        sqlite_url, tmp_path, failpoints=[tiny.slow(tmp_path)], settings=settings
    )
    tiny.eventually(lambda: _has_come_far(store, sweep_id), "there is a checkpoint")
    dispatcher.kill()
    server.kill()
    dispatcher = tiny.start(sqlite_url, tmp_path, settings=settings)
    tiny.eventually(lambda: tiny.counts(store, sweep_id) == {"pending": 1}, "it has come back")
    tiny.eventually(lambda: str(store.sweeps.get(sweep_id).state) == "paused", "it is paused")
    assert "cannot read s3://" in store.sweeps.events(sweep_id)[-1].message
    assert len(store.queue.checkpoints(tiny.attempts(store, sweep_id)[0].stack_id)) >= 1
    server.start()  # It has lost everything, which is another matter.
    store.sweeps.resume(sweep_id)
    tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
    assert dispatcher.stop() == 0
    record = _is_as_undisturbed(store, tmp_path, sweep_id)
    failures = [a.failure for a in record.attempts]
    assert failures[:2] == [None, "store_unreachable"]
    assert set(failures[2:-1]) == {"checkpoint_corrupt"}
    assert failures[-1] is None
    assert record.provenance["resumed_at"] == 0


def test_damage_behind_a_url_costs_no_more_than_the_checkpoint_and_the_last_one_is_kept(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    lies = tmp_path / "elsewhere"
    sweep_id = _submit(store, tmp_path)
    dispatcher = tiny.start(
        sqlite_url,
        tmp_path,
        failpoints=[tiny.slow(tmp_path)],
        settings={"SWEEPER_CHECKPOINTS": f"file://{lies}", "SWEEPER_KEEP_CHECKPOINTS": "1"},
    )
    tiny.eventually(lambda: len([s for s in _steps(store, sweep_id) if s]) == 2, "it has two")
    store.sweeps.pause(sweep_id)
    attempt = tiny.eventually(
        lambda: [a for a in tiny.attempts(store, sweep_id) if a.ended_at is not None], "it is back"
    )[0]
    newest, older = store.queue.checkpoints(attempt.stack_id)
    tensors = lies / newest / TENSORS
    tensors.write_bytes(tensors.read_bytes()[:-10])
    tiny.hurry(tmp_path)
    store.sweeps.resume(sweep_id)
    tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
    assert dispatcher.stop() == 0
    record = _is_as_undisturbed(store, tmp_path, sweep_id)
    assert [a.failure for a in record.attempts] == [None, "checkpoint_corrupt", None]
    assert record.provenance["resumed_at"] == int(older.rsplit("/", 1)[1])
    kept = f"{lies}/kept/{attempt.stack_id}/3/{STEPS}"
    assert record.provenance["checkpoint"] == f"file://{kept}"
    values, scalars = load(Path(kept))
    assert scalars["step"] == STEPS
    assert {value.shape[0] for value in values.values()} == {1}
    assert {path.name for path in lies.iterdir()} == {"kept"}
    assert [str(path) for path in lies.glob("kept/*/*/*")] == [kept]
