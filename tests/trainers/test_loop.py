import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.trainers.builders import tiny_config
from trainers import assembly
from trainers.checkpoints import CheckpointError
from trainers.config import TRAINER_VERSION, Precision, ScheduleName, TrainConfig
from trainers.loop import StackRun
from trainers.metrics import SPEEDS, StepMetrics, TrialResult, evaluation_steps, is_metric_step
from trainers.optimizers import REGISTRY
from trainers.runs import Run


def run_to_end(run: Run) -> list[StepMetrics]:
    found = []
    while not run.finished:
        metrics = run.advance()
        if metrics is not None:
            found.append(metrics)
    return found


def advance_to(run: Run, step: int) -> None:
    while run.step < step:
        run.advance()


def without_time(results: Sequence[TrialResult | None]) -> list[TrialResult | None]:
    return [r and dataclasses.replace(r, busy_s=0.0) for r in results]


def weights(run: StackRun, directory: Path) -> dict[str, Tensor]:
    """The parameters, read the way a user would: from a checkpoint."""
    run.save(directory)
    tensors = load_file(directory / "tensors.safetensors")
    return {k: v for k, v in tensors.items() if k.startswith("params/")}


def sweep(
    data_dir: Path, *lrs: float, optimizer: str = "adamw", steps: int = 12
) -> list[TrainConfig]:
    return [
        tiny_config(data_dir, optimizer, steps=steps, seed=k, changes={"lr": lr})
        for k, lr in enumerate(lrs)
    ]


def with_changes(config: TrainConfig, **changes: float) -> TrainConfig:
    return dataclasses.replace(config, hyperparameters={**config.hyperparameters, **changes})


def test_a_run_learns_and_reports(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e-5, 1e-2, steps=150), data_dir=data_dir)
    metrics = run_to_end(run)
    assert [m.step for m in metrics if m.step] == [
        s for s in range(1, 151) if is_metric_step(s, 150)
    ]
    evaluated = [m.step for m in metrics if "validation_loss" in m.values]
    assert evaluated == [0, *sorted(evaluation_steps(150))]
    for m in metrics[1:]:
        assert {"train_loss", "grad_norm", "lr"} <= m.values.keys()
        assert all(len(values) == 2 for values in m.values.values())
    slow, fast = run.results()
    assert slow is not None
    assert fast is not None
    assert fast.final_loss is not None
    # Random logits of variance one cost half a nat more than equal ones.
    assert fast.initial_loss == pytest.approx(math.log(256) + 0.5, abs=0.4)
    assert fast.final_loss < fast.initial_loss - 1.5
    assert slow.final_loss is not None
    assert slow.final_loss > fast.final_loss + 0.5
    assert fast.final_loss == metrics[-1].values["validation_loss"][1]
    assert fast.best_loss == min(
        m.values["validation_loss"][1] for m in metrics if m.step in evaluated[1:]
    )
    assert fast.outcome == "finite"
    assert fast.busy_s > 0
    for m in metrics[1:]:
        assert [*m.speed] == [*SPEEDS]
        assert all(len(set(values)) == 1 and values[0] > 0 for values in m.speed.values())


def test_the_first_call_evaluates_the_untrained_models(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e-3), data_dir=data_dir)
    metrics = run.advance()
    assert metrics is not None
    assert (metrics.step, run.step, [*metrics.values]) == (0, 0, ["validation_loss"])


def test_the_learning_rate_follows_the_schedule(data_dir: Path) -> None:
    metrics = run_to_end(StackRun(sweep(data_dir, 1e-3, 2e-3, steps=10), data_dir=data_dir))
    assert metrics[1].values["lr"] == pytest.approx((1e-3, 2e-3))
    assert metrics[-1].values["lr"] == pytest.approx((1e-4, 2e-4))


def test_the_smoothed_training_loss_is_the_mean_of_the_last_steps(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e-3, steps=60), data_dir=data_dir)
    losses = {m.step: m.values["train_loss"][0] for m in run_to_end(run) if m.step}
    result = run.results()[0]
    assert result is not None
    assert result.train_loss == pytest.approx((losses[58] + losses[59] + losses[60]) / 3)
    assert result.last_finite_loss == losses[60]


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


SHARES = {
    "sophia": "sophia_unclipped_share",
    "cautious_adamw": "agreement_share",
    "cautious_lion": "agreement_share",
}


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_metric_steps_tell_the_shares_that_an_optimizer_has(data_dir: Path, optimizer: str) -> None:
    run = StackRun(sweep(data_dir, 1e-4, 1e-3, optimizer=optimizer, steps=11), data_dir=data_dir)
    own = {SHARES[optimizer]} if optimizer in SHARES else set()
    for metrics in run_to_end(run)[1:]:
        told = metrics.values.keys() - {"validation_loss"}
        assert told == {"train_loss", "grad_norm", "lr"} | own
        for name in own:
            assert all(0 <= share <= 1 for share in metrics.values[name])


def test_shares_are_means_over_all_elements_of_all_parameters(data_dir: Path) -> None:
    """Step 10's own h is zero, so all is clipped; the first estimate is step 11's."""
    run = StackRun(sweep(data_dir, 1e-4, 1e-3, optimizer="sophia", steps=12), data_dir=data_dir)
    found = [m.values["sophia_unclipped_share"] for m in run_to_end(run)[1:]]
    assert found[:10] == [(0.0, 0.0)] * 10
    assert all(0 < share < 1 for share in found[10])
    (state,) = run._optimizer.states.values()
    scale = run._hyperparameters["rho"] * 4 * 16
    unclipped = state["m"].abs() < state["h"] * scale[:, None].float()
    assert found[11] == pytest.approx(unclipped.double().mean(1).tolist(), abs=1e-6)


def test_shares_of_single_tensors_are_weighed_by_their_elements(data_dir: Path) -> None:
    run = StackRun(sweep(data_dir, 1e-4, optimizer="cautious_lion", steps=5), data_dir=data_dir)
    last = run_to_end(run)[-1]
    params, agreed, total = run._network.params(run._flat), 0.0, 0
    for name, value in params.items():
        agreed += run._optimizer.states[name]["agreement"].item() * value.numel()
        total += value.numel()
    assert last.values["agreement_share"] == pytest.approx([agreed / total])


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


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precision_changes_the_products_and_not_the_weights(
    data_dir: Path, tmp_path: Path, precision: Precision
) -> None:
    config = dataclasses.replace(tiny_config(data_dir, steps=60), precision=precision)
    run = StackRun([config], data_dir=data_dir)
    run_to_end(run)
    result = run.results()[0]
    assert result is not None
    assert result.final_loss is not None
    assert result.final_loss < result.initial_loss - 1
    assert {v.dtype for v in weights(run, tmp_path / "0").values()} == {torch.float32}


@pytest.mark.parametrize("schedule", ["warmup_stable_decay", "constant"])
def test_other_schedules_train(data_dir: Path, schedule: ScheduleName) -> None:
    config = tiny_config(data_dir, steps=30)
    read = dict(config.hyperparameters)
    if schedule == "constant":
        del read["warmup_fraction"], read["lr_floor"]
    config = dataclasses.replace(config, schedule=schedule, hyperparameters=read)
    metrics = run_to_end(StackRun([config], data_dir=data_dir))
    assert metrics[-1].values["validation_loss"] < metrics[0].values["validation_loss"]


def test_bad_stacks_are_refused(data_dir: Path) -> None:
    config = tiny_config(data_dir)
    with pytest.raises(ValueError, match="at least one configuration"):
        StackRun([], data_dir=data_dir)
    with pytest.raises(ValueError, match="must share a stack key"):
        StackRun([config, dataclasses.replace(config, steps=5)], data_dir=data_dir)
    with pytest.raises(ValueError, match="unknown optimizer 'adamx'; known: adafactor"):
        StackRun([dataclasses.replace(config, optimizer="adamx")], data_dir=data_dir)
    few = dataclasses.replace(config, hyperparameters={"lr": 1.0})
    with pytest.raises(ValueError, match=r"adamw under warmup_cosine reads beta2, eps, .* got lr"):
        StackRun([few], data_dir=data_dir)


def test_the_decay_is_independent_of_the_rate_or_coupled_to_it(
    data_dir: Path, tmp_path: Path
) -> None:
    """One step at a rate too small to matter by itself, under either convention, in one stack."""
    values = {"weight_decay": 0.5, "lr": 1e-2, "warmup_fraction": 0.0, "lr_floor": 1.0}
    config = tiny_config(data_dir, "sgd", steps=2, changes=values | {"grad_clip": 1e-9})
    coupled = dataclasses.replace(config, decay_convention="coupled")
    run = StackRun([config, coupled], data_dir=data_dir)
    before = weights(run, tmp_path / "before")
    advance_to(run, 1)
    after = weights(run, tmp_path / "after")
    for name, value in before.items():
        torch.testing.assert_close(after[name][0], 0.5 * value[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(after[name][1], 0.995 * value[1], atol=1e-6, rtol=1e-5)


def test_options_that_the_optimizer_has_not_are_refused(data_dir: Path) -> None:
    config = dataclasses.replace(tiny_config(data_dir), options={"frequency": 3})
    with pytest.raises(ValueError, match=r"adamw has the options \(\), but got \(frequency\)"):
        StackRun([config], data_dir=data_dir)
