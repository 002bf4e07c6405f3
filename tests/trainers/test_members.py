"""Members of a stack are alone: in any place of it, and when one of them diverges or is masked."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainers.test_loop import (
    advance_to,
    run_to_end,
    sweep,
    weights,
    without_time,
)
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY


def test_a_member_is_the_same_in_any_place_of_any_stack(data_dir: Path) -> None:
    configs = sweep(data_dir, 1e-3, 3e-3, 1e-2, steps=20)
    orders = ([0, 1, 2], [2, 0, 1], [1])
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for order in orders:
        run = StackRun([configs[i] for i in order], data_dir=data_dir)
        run_to_end(run)
        for i, result in zip(order, run.results(), strict=True):
            assert result is not None
            assert result.final_loss is not None
            found[i].append(result.final_loss)
    for losses in found.values():
        assert losses == pytest.approx([losses[0]] * len(losses), abs=2e-4)


def test_divergence_is_a_result_and_touches_nobody_else(data_dir: Path, tmp_path: Path) -> None:
    healthy = sweep(data_dir, 1e-3, 1e-3, 1e-3, steps=20)
    sick = [*healthy]
    sick[1] = dataclasses.replace(
        sick[1], hyperparameters=dict(sick[1].hyperparameters) | {"lr": 1e38}
    )
    reference, run = (StackRun(c, data_dir=data_dir) for c in (healthy, sick))
    run_to_end(reference)
    metrics = run_to_end(run)
    results = run.results()
    assert results[1] is not None
    assert results[1].outcome == "diverged"
    assert (results[1].final_loss, results[1].train_loss) == (None, None)
    step = results[1].diverged_at_step
    assert step in (1, 2)
    assert results[1].last_finite_loss == metrics[1].values["train_loss"][1]
    assert run.live == (True, False, True)
    assert without_time(results[::2]) == without_time(reference.results()[::2])
    ours, theirs = weights(run, tmp_path / "a"), weights(reference, tmp_path / "b")
    assert all(torch.equal(ours[k][::2], theirs[k][::2]) for k in theirs)


def test_a_stack_ends_when_all_have_diverged(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e38, 1e38, steps=50), data_dir=data_dir)
    run_to_end(run)
    assert run.finished
    assert run.step < 10
    assert [r and r.outcome for r in run.results()] == ["diverged", "diverged"]


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_a_trial_whose_gradient_is_no_number_has_diverged(data_dir: Path, optimizer: str) -> None:
    run = StackRun(sweep(data_dir, 1e3, 1e4, optimizer=optimizer), data_dir=data_dir)
    norms = torch.tensor([m.values["grad_norm"] for m in run_to_end(run) if m.step])
    outcomes = [result and result.outcome for result in run.results()]
    # That of most rules overflows at these learning rates; steps of some stay short.
    lost = (~norms.isfinite()).any(0).tolist()
    assert outcomes == ["diverged" if each else "finite" for each in lost]


@pytest.mark.parametrize("optimizer", ["soap", "shampoo", "shampoo_squared"])
def test_a_decomposition_that_fails_ends_its_trial_alone(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """The same stack twice; one preconditioner of the second member is past all decomposing."""
    configs = sweep(data_dir, 1e-3, 1e-3, 1e-3, optimizer=optimizer, steps=14)
    whole, struck = (StackRun(configs, data_dir=data_dir) for _ in range(2))
    advance_to(whole, 9)
    advance_to(struck, 9)
    struck._optimizer.states["layers.0.mlp_in"]["left"][1, 0, 0] = -7.0e7
    kinds = {"soap": "qr", "shampoo": "eigh", "shampoo_squared": "eigh"}
    decompose, failed = getattr(torch.linalg, kinds[optimizer]), []

    def failing(matrix: Tensor) -> tuple[Tensor, ...]:
        if (matrix.abs() > 1e5).any():
            failed.append(len(matrix))
            raise torch.linalg.LinAlgError("did not converge")  # type: ignore[attr-defined]
        return tuple(decompose(matrix))

    monkeypatch.setattr(torch.linalg, kinds[optimizer], failing)
    run_to_end(whole)
    run_to_end(struck)
    outcomes = [result and result.outcome for result in struck.results()]
    assert outcomes == ["finite", "diverged", "finite"]
    assert failed[:2] == [3, 1]
    ours, theirs = weights(struck, tmp_path / "struck"), weights(whole, tmp_path / "whole")
    for slot in (0, 2):
        assert all(torch.equal(ours[k][slot], theirs[k][slot]) for k in theirs)
        assert without_time([struck.result(slot)]) == without_time([whole.result(slot)])


def test_a_masked_member_is_frozen_and_has_no_result(data_dir: Path, tmp_path: Path) -> None:
    configs = sweep(data_dir, 1e-3, 1e-2)
    reference, run = (StackRun(configs, data_dir=data_dir) for _ in range(2))
    for each in (reference, run):
        advance_to(each, 3)
    before = weights(run, tmp_path / "before")
    run.mask(0)
    run_to_end(run)
    run_to_end(reference)
    after, theirs = weights(run, tmp_path / "after"), weights(reference, tmp_path / "theirs")
    assert all(torch.equal(after[k][0], before[k][0]) for k in after)
    assert all(torch.equal(after[k][1], theirs[k][1]) for k in after)
    assert run.results()[0] is None
    assert without_time(run.results()[1:]) == without_time(reference.results()[1:])


def test_a_stack_without_live_members_is_finished(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e-3, 1e-2), data_dir=data_dir)
    run.mask(0)
    found = [run.finished]
    run.mask(1)
    assert [*found, run.finished] == [False, True]
    assert run.results() == (None, None)
