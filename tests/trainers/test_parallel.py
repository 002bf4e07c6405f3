"""Several processes that train one stack: the same losses, the same weights, and the same end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainers.builders import tiny_config
from trainers import checkpoints
from trainers.config import TrainConfig
from trainers.devices import ParallelRun
from trainers.loop import StackRun
from trainers.optimizers import plugins
from trainers.parallel import Ranks
from trainers.runs import Run, start

STEPS = 24
TOLERANCE = 2e-5
"""Relative, of every loss. What was seen is 5e-6 at most: sums of gradients in another order."""
PATIENCE_S = 60.0


def _stack(data_dir: Path, optimizer: str) -> list[TrainConfig]:
    """Two trials, and a batch that two ranks cannot share evenly."""
    configs = [tiny_config(data_dir, optimizer, steps=STEPS, seed=seed) for seed in (0, 1)]
    lr = configs[0].hyperparameters["lr"]
    return [
        replace(one, batch_size=5, hyperparameters={**one.hyperparameters, "lr": lr / n})
        for n, one in enumerate(configs, 1)
    ]


@contextmanager
def _on_two(configs: list[TrainConfig], data_dir: Path) -> Iterator[ParallelRun]:
    run = start(configs, data_dir=data_dir, devices=2)
    assert isinstance(run, ParallelRun)
    try:
        yield run
    finally:
        run.close()


def _losses(run: Run) -> list[float]:
    """Every loss of every member until the run ends."""
    found: list[float] = []
    while not run.finished:
        metrics = run.advance()
        assert metrics is not None, "a run as short as this measures every step"
        for key in ("train_loss", "validation_loss"):
            found += metrics.values.get(key, ())
    return found


def _saved_by_rank_1(run: ParallelRun, directory: Path) -> dict[str, torch.Tensor]:
    run._tell("save", directory)
    run._hear()
    return checkpoints.load(directory)[0]


@pytest.mark.parametrize("count", range(1, 6))
def test_every_item_is_one_ranks(count: int) -> None:
    for items in range(12):
        parts = [range(items)[Ranks(rank, count).part(items)] for rank in range(count)]
        assert [item for part in parts for item in part] == list(range(items))
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("optimizer", ["adamw", "sophia", "shampoo"])
def test_two_ranks_train_as_one_does_and_stay_equal_to_the_bit(
    data_dir: Path, tmp_path: Path, optimizer: str
) -> None:
    configs = _stack(data_dir, optimizer)
    alone = StackRun(configs, data_dir=data_dir)
    expected = _losses(alone)
    with _on_two(configs, data_dir) as run:
        assert _losses(run) == pytest.approx(expected, rel=TOLERANCE)
        run.save(tmp_path / "0")
        own, _ = checkpoints.load(tmp_path / "0")
        other = _saved_by_rank_1(run, tmp_path / "1")
        assert own.keys() == other.keys()
        torch.testing.assert_close(own, other, rtol=0.0, atol=0.0, equal_nan=True)
        for together, single in zip(run.results(), alone.results(), strict=True):
            assert together is not None
            assert single is not None
            assert together.final_loss == pytest.approx(single.final_loss, rel=TOLERANCE)


def test_a_run_goes_on_from_a_checkpoint_of_any_number_of_devices(
    data_dir: Path, tmp_path: Path
) -> None:
    configs = _stack(data_dir, "adamw")
    with _on_two(configs, data_dir) as run:
        for _ in range(STEPS // 2):
            run.advance()
        run.save(tmp_path / "half")
        run.mask(1)
        rest = _losses(run)
        assert run.live == (True, False)
    alone = StackRun(configs, data_dir=data_dir)
    alone.load(tmp_path / "half")
    alone.mask(1)
    assert _losses(alone)[::2] == pytest.approx(rest[::2], rel=TOLERANCE)
    with _on_two(configs, data_dir) as again:
        again.load(tmp_path / "half")
        again.mask(1)
        assert _losses(again)[::2] == rest[::2], "as many devices give the same bits"
        again._tell("load", tmp_path / "nowhere", None)
        with pytest.raises(RuntimeError, match="CheckpointError: no whole checkpoint"):
            again._hear()


FAILING = """
import torch
import torch.distributed
from trainers.optimizers.base import Entry, Optimizer, chain
from trainers.optimizers.transforms import descend

def failing() -> Optimizer:
    def update(grad, state, value, context):
        if context.step == 3 and torch.distributed.get_rank() == 1:
            raise torch.OutOfMemoryError("no room on this rank alone")
        return grad, state
    return chain(Optimizer(lambda value, role: {}, update), descend())

OPTIMIZERS = {"failing": Entry(failing, 0.1, "fails on rank 1", "here")}
"""


def test_why_another_rank_failed_is_raised_here_and_it_knows_what_came_with_the_work(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("_sent", "_sources"):
        monkeypatch.setattr(plugins, known, {})
    plugins.take(FAILING)
    with _on_two(_stack(data_dir, "failing"), data_dir) as run:
        assert [run.advance() is not None for _ in range(3)] == [True] * 3
        with pytest.raises(torch.OutOfMemoryError, match="no room on this rank alone"):
            run.advance()


def test_what_cannot_be_shared_is_told(data_dir: Path) -> None:
    configs = _stack(data_dir, "adamw")
    for devices, device, words in [
        (6, "cpu", "devices <= batch_size must hold, but got devices=6, batch_size=5"),
        (0, "cpu", "devices >= 2 must hold, but got devices=0"),
        (2, "tpu", "device must be one of cpu, cuda, but got 'tpu'"),
        (99, "cuda", "devices <= batch_size"),
    ]:
        with pytest.raises(ValueError, match=words):
            start(configs, data_dir=data_dir, device=device, devices=devices)


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _rank_1(pid: int) -> int | None:
    """The process of the other rank: python's resource tracker is a child too."""
    for child in _children(pid):
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
            return child
    return None


def _eventually(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@contextmanager
def _training(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command on two devices, well under way, and the process of its rank 1."""
    command = [sys.executable, "-m", "trainers", "--devices", "2", "--steps", "100000", "--json"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["step"] for _ in range(2)] == [0, 1]
        other = _rank_1(process.pid)
        assert other is not None
        yield process, other
    finally:
        process.kill()
        process.communicate()


@pytest.mark.fault
def test_a_rank_that_is_killed_ends_the_run_at_once(data_dir: Path) -> None:
    with _training(data_dir) as (process, other):
        os.kill(other, signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        assert said.endswith("python -m trainers: rank 1 ended with exit code -9\n")


@pytest.mark.fault
def test_no_rank_outlives_the_one_that_started_it(data_dir: Path) -> None:
    with _training(data_dir) as (process, other):
        process.kill()
        _eventually(lambda: _is_gone(other))
