import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainers import checkpoints
from trainers.checkpoints import MANIFEST, SCALARS, TENSORS, CheckpointError, load, save

TENSOR = {"a/b": torch.arange(6.0).view(2, 3), "live": torch.tensor([True, False])}
SCALAR = {"step": 3, "busy_s": 0.1}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    nan = torch.tensor([float("nan"), float("inf")], dtype=torch.float64)
    save(tmp_path / "deep" / "3", TENSOR | {"nan": nan}, SCALAR)
    tensors, scalars = load(tmp_path / "deep" / "3")
    assert scalars == SCALAR
    assert torch.equal(tensors["a/b"], TENSOR["a/b"])
    assert torch.equal(tensors["live"], TENSOR["live"])
    assert torch.equal(tensors["nan"].view(torch.int64), nan.view(torch.int64))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["3"]


def test_views_of_one_memory_can_be_saved(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    save(tmp_path / "1", {"left": whole[:, :2], "right": whole[:, 2:], "whole": whole}, {})
    tensors, _ = load(tmp_path / "1")
    assert torch.equal(tensors["right"], whole[:, 2:])


def test_a_checkpoint_is_never_overwritten(tmp_path: Path) -> None:
    save(tmp_path / "1", TENSOR, SCALAR)
    with pytest.raises(FileExistsError):
        save(tmp_path / "1", TENSOR, {"step": 4})
    assert load(tmp_path / "1")[1] == SCALAR


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, signal, torch
from pathlib import Path
from trainers.checkpoints import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(Path({str(tmp_path / "1")!r}), {{"a": torch.zeros(100_000)}}, {{}})
except OSError as error:
    print(error.errno)
"""
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, text=True).strip() == str(errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [TENSORS, SCALARS, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "empty"])
def test_any_damage_is_an_error(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path / "1", TENSOR, SCALAR)
    path = tmp_path / "1" / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        # The last letter of the manifest's last hash, not its closing bracket.
        content[-3] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "truncated" else 0])
    with pytest.raises(CheckpointError):
        load(tmp_path / "1")


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no whole checkpoint at"):
        load(tmp_path / "1")


def test_every_file_is_on_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    sync, rename = os.fsync, Path.rename

    def traced_sync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def traced_rename(self: Path, target: Path) -> Path:
        events.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(Path, "rename", traced_rename)
    save(tmp_path / "1", TENSOR, SCALAR)
    *before, folder = events[: events.index("rename")]
    assert sorted(before) == sorted([TENSORS, SCALARS, MANIFEST])
    assert folder.endswith(".partial")
    assert events[events.index("rename") + 1 :] == [tmp_path.name]


def test_an_error_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "1", TENSOR, SCALAR)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.rename"])
def test_a_kill_leaves_no_visible_checkpoint(tmp_path: Path, moment: str) -> None:
    module, name = moment.rsplit(".", 1)
    code = f"""
import os, pathlib, signal, torch
from trainers.checkpoints import save
setattr({module}, {name!r}, lambda *a: os.kill(os.getpid(), signal.SIGKILL))
save(pathlib.Path({str(tmp_path / "1")!r}), {{"a": torch.ones(3)}}, {{"step": 1}})
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "1").exists()
    assert [p.suffix for p in tmp_path.iterdir()] == [checkpoints.PARTIAL_SUFFIX]
    save(tmp_path / "1", TENSOR, SCALAR)
    assert load(tmp_path / "1")[1] == SCALAR
