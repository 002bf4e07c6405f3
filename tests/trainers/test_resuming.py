"""Runs that go on from a checkpoint."""

from pathlib import Path

import pytest
import torch

from tests.trainers.test_loop import (
    advance_to,
    run_to_end,
    sweep,
    weights,
    with_changes,
    without_time,
)
from trainers import assembly
from trainers.checkpoints import CheckpointError
from trainers.config import TRAINER_VERSION
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY

PERIODIC = ("soap", "shampoo", "shampoo_squared", "sophia")
LONGER = (*PERIODIC, "prodigy", "schedule_free_adamw", "adalayer_frozen")
"""What has periods, phases or a memory of its own goes on from the midst of one into the next."""
INTERRUPTIONS = [*((name, 4, 9) for name in REGISTRY), *((name, 13, 30) for name in LONGER)]


@pytest.mark.parametrize(("optimizer", "step", "steps"), INTERRUPTIONS)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    data_dir: Path, tmp_path: Path, optimizer: str, step: int, steps: int
) -> None:
    lr = REGISTRY[optimizer].lr
    configs = sweep(data_dir, lr / 10, lr, 1e30, optimizer=optimizer, steps=steps)
    if optimizer == "adalayer_frozen":
        configs = [with_changes(config, freeze_fraction=0.5) for config in configs]
    whole = StackRun(configs, data_dir=data_dir)
    expected = run_to_end(whole)

    first = StackRun(configs, data_dir=data_dir)
    advance_to(first, step)
    first.save(tmp_path / "first")
    resumed = StackRun(configs, data_dir=data_dir)
    resumed.load(tmp_path / "first")
    assert resumed.step == step
    rest = run_to_end(resumed)

    assert repr(rest) == repr([m for m in expected if m.step > step])
    assert without_time(resumed.results()) == without_time(whole.results())
    ours, theirs = weights(resumed, tmp_path / "r"), weights(whole, tmp_path / "w")
    assert all(torch.equal(ours[k][:2], theirs[k][:2]) for k in theirs)


def test_a_checkpoint_before_the_first_step_and_one_at_the_end(
    data_dir: Path, tmp_path: Path
) -> None:
    configs = sweep(data_dir, 1e-3, steps=3)
    run = StackRun(configs, data_dir=data_dir)
    run.save(tmp_path / "start")
    run_to_end(run)
    run.save(tmp_path / "end")
    again = StackRun(configs, data_dir=data_dir)
    again.load(tmp_path / "end")
    assert again.finished
    assert again.results() == run.results()
    again.load(tmp_path / "start")
    assert len(run_to_end(again)) == 4
    assert without_time(again.results()) == without_time(run.results())


def test_a_checkpoint_of_another_stack_is_refused(data_dir: Path, tmp_path: Path) -> None:
    StackRun(sweep(data_dir, 1e-3), data_dir=data_dir).save(tmp_path / "0")
    with pytest.raises(CheckpointError, match="belongs to another stack"):
        StackRun(sweep(data_dir, 2e-3), data_dir=data_dir).load(tmp_path / "0")


def test_a_checkpoint_of_another_trainer_is_refused(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StackRun(sweep(data_dir, 1e-3), data_dir=data_dir).save(tmp_path / "0")
    monkeypatch.setattr(assembly, "TRAINER_VERSION", TRAINER_VERSION + 1)
    with pytest.raises(CheckpointError, match="belongs to another stack"):
        StackRun(sweep(data_dir, 1e-3), data_dir=data_dir).load(tmp_path / "0")


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_a_part_of_a_stack_goes_on_from_the_checkpoint_of_the_whole(
    data_dir: Path, tmp_path: Path, optimizer: str
) -> None:
    lr = REGISTRY[optimizer].lr
    configs = sweep(data_dir, lr / 30, lr / 10, lr / 3, optimizer=optimizer, steps=9)
    whole = StackRun(configs, data_dir=data_dir)
    advance_to(whole, 4)
    whole.save(tmp_path / "4")
    run_to_end(whole)
    part = StackRun(configs[::2], data_dir=data_dir)
    part.load(tmp_path / "4", (0, 2))
    assert part.step == 4
    run_to_end(part)
    losses = [r.final_loss for r in part.results() if r is not None]
    expected = [r.final_loss for r in whole.results() if r is not None]
    # Another K may sum in another order, and a few steps amplify that little.
    assert losses == pytest.approx(expected[::2], rel=1e-4)
    with pytest.raises(CheckpointError, match="belongs to another stack"):
        part.load(tmp_path / "4", (0, 1))
