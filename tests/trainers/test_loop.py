import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.trainers.builders import tiny_config
from trainers.config import Precision, ScheduleName, TrainConfig
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
