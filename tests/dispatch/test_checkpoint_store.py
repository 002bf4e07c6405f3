"""Checkpoints in folders and behind URLs: whole, or told to be missing."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sweeper.dispatch import objects
from sweeper.dispatch.checkpoint_store import CheckpointStore, check_location, open_checkpoints
from sweeper.dispatch.checkpointing import Checkpointing
from sweeper.dispatch.cleaning import superseded
from sweeper.dispatch.folders import Folder
from sweeper.dispatch.messages import Timing, Work
from sweeper.dispatch.objects import ObjectStore, StoreUnreachable
from tests.dispatch import s3, tiny
from trainers.checkpoints import MANIFEST, SCALARS, TENSORS, CheckpointError, load, save
from trainers.config import from_dict, to_dict
from trainers.runs import start

VALUES = torch.arange(6.0).reshape(2, 3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    with s3.server(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    unique = uuid.uuid4().hex
    if request.param == "s3":
        location = f"{request.getfixturevalue('server').url}/{unique}"
    else:
        location = {
            "folder": str(tmp_path / "checkpoints"),
            "file": f"file://{tmp_path}/checkpoints",
            "memory": f"memory://{unique}",
        }[request.param]
    check_location(location)
    return open_checkpoints(location)


def _write(store: CheckpointStore, name: str, step: int = 5) -> None:
    send = store.write(name, lambda path: save(path, {"values": VALUES}, {"step": step}))
    if send is not None:
        send()


def _scratch() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"{objects.SCRATCH}*"))


def test_what_is_written_is_fetched_and_nothing_stays_on_this_machine(
    store: CheckpointStore, tmp_path: Path
) -> None:
    before = _scratch()
    _write(store, "12/3/40")
    assert _scratch() == before
    tensors, scalars = load(store.fetch("12/3/40", tmp_path))
    assert torch.equal(tensors["values"], VALUES)
    assert scalars == {"step": 5}
    assert store.address("12/3/40").endswith("/12/3/40")


def test_it_lists_stacks_and_checkpoints_and_removes_what_is_named(store: CheckpointStore) -> None:
    assert store.stacks() == frozenset()
    assert store.checkpoints(1) == frozenset()
    for name in ("1/1/5", "1/1/10", "1/2/10", "12/1/5", "kept/3/1/7"):
        _write(store, name)
    assert store.stacks() == {"1", "12"}
    assert store.checkpoints(1) == {"1/1/5", "1/1/10", "1/2/10"}
    store.remove("1/1/10")
    assert store.checkpoints(1) == {"1/1/5", "1/2/10"}
    for _ in range(2):  # Something that is gone is no trouble.
        store.remove("1")
    assert store.stacks() == {"12"}
    assert store.checkpoints(12) == {"12/1/5"}


@pytest.mark.parametrize("file", [TENSORS, SCALARS, MANIFEST])
def test_a_checkpoint_that_lacks_a_file_is_none(
    store: CheckpointStore, tmp_path: Path, file: str
) -> None:
    _write(store, "1/1/5")
    if isinstance(store, Folder):
        (store.root / "1/1/5" / file).unlink()
    else:
        store.remove(f"1/1/5/{file}")
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load(store.fetch("1/1/5", tmp_path))


def test_the_manifest_is_sent_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, frozenset[str]]] = []
    store = ObjectStore(f"file://{tmp_path}/checkpoints")
    folder = tmp_path / "checkpoints" / "1" / "1" / "5"

    def note(_: str, *, file: str) -> None:
        seen.append((file, frozenset(path.name for path in folder.glob("*"))))

    monkeypatch.setattr(objects, "hit", note)
    _write(store, "1/1/5")
    assert seen[-1] == (MANIFEST, frozenset({TENSORS, SCALARS}))


def test_a_checkpoint_damaged_where_it_lies_is_found_out(tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/checkpoints")
    _write(store, "1/1/5")
    tensors = tmp_path / "checkpoints" / "1" / "1" / "5" / TENSORS
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="checksum"):
        load(store.fetch("1/1/5", tmp_path))


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    before = _scratch()
    store = ObjectStore(f"file://{tmp_path}/checkpoints")

    def fails(path: Path) -> None:
        path.mkdir()
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        store.write("1/1/5", fails)
    assert _scratch() == before
    assert store.stacks() == frozenset()


def test_a_store_that_does_not_answer_says_nothing_about_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "WAITS_S", (0.01,))
    with s3.server(tmp_path) as server:
        store = ObjectStore(server.url)
        _write(store, "1/1/5")
        server.kill()
        with pytest.raises(StoreUnreachable, match=r"cannot read s3://.*1/1/5/manifest"):
            store.fetch("1/1/5", tmp_path)
        with pytest.raises(StoreUnreachable, match="cannot write to s3://"):
            store.probe()


def test_bytes_that_go_and_come_are_told(server: s3.Server, tmp_path: Path) -> None:
    moves: list[None] = []
    store = open_checkpoints(f"{server.url}/moves", lambda: moves.append(None))
    _write(store, "1/1/5")
    sent = len(moves)
    store.fetch("1/1/5", tmp_path)
    assert 0 < sent < len(moves)


def test_a_bucket_that_is_not_there_is_not_made(server: s3.Server) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnreachable, match="bucket"):
            check_location("s3://elsewhere/checkpoints")


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("sftp://me:secret@host/folder", ValueError, "must not hold a password"),
        ("nowhere://host/folder", ValueError, "Protocol not known: nowhere"),
        ("gs://bucket/folder", StoreUnreachable, "a package that is not installed here"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(
    location: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        open_checkpoints(location)
    assert "secret" not in str(caught.value)


def test_what_is_recorded_stays_and_what_was_saved_since() -> None:
    before = ["4/1/3", "4/1/9", "4/2/5"]
    recorded, later = ["4/2/6", "4/2/7"], ["4/2/8", "4/10/2", "4/2/.7.x.partial"]
    assert superseded([*before, *recorded, *later], "4/2/7", recorded) == before
    there = [*before, *recorded, "4/2/8"]
    assert superseded(there, "kept/4/2/9", ["kept/4/2/9"]) == there


@pytest.mark.parametrize("in_the_way", ["1", "1/1", "1/1/0"])
def test_a_checkpoint_that_cannot_be_written_costs_itself(tmp_path: Path, in_the_way: str) -> None:
    folder = tmp_path / "checkpoints"
    work = _work(tmp_path, folder)
    run = start([from_dict(work.configs[0])], data_dir=Path(work.data_dir))
    with Checkpointing(work, lambda: None) as checkpoints:
        (folder / in_the_way).parent.mkdir(parents=True, exist_ok=True)
        (folder / in_the_way).touch()
        checkpoints.save_at_once(run)
        before = checkpoints.newest
        (folder / in_the_way).unlink()
        checkpoints.save_at_once(run)
        after = checkpoints.newest
    assert before is None
    assert after is not None
    assert load(folder / after.path)[1]["step"] == 0


def _work(home: Path, checkpoints: Path) -> Work:
    config = to_dict(tiny.config(home, 0.01, steps=10))
    return Work(
        stack_id=1,
        attempt=1,
        configs=(config,),
        live=(True,),
        threads=1,
        device="cpu",
        devices=1,
        data_dir=str(tiny.datasets(home)),
        hung_dir=str(home),
        checkpoints=str(checkpoints),
        keeps=False,
        checkpoint=None,
        checkpoint_slots=(),
        control="",
        timing=Timing(),
    )


def test_scratch_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    left = Path(tempfile.mkdtemp(prefix=f"{objects.SCRATCH}999999999-"))
    (left / "tensors").write_bytes(b"some")
    try:
        _write(ObjectStore(f"file://{tmp_path}/checkpoints"), "1/1/5")
        assert not left.exists()
    finally:
        shutil.rmtree(left, ignore_errors=True)
