"""Batches in parts: the same losses, and what happens when memory runs out."""

import logging
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainers.builders import tiny_config, tiny_model
from trainers.config import TrainConfig
from trainers.loop import StackRun
from trainers.metrics import StepMetrics
from trainers.model import Params, init_params
from trainers.network import Network
from trainers.passes import Passes, automatic

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Capped(Network):
    """A network on a device with room for `cap` sequences, from its pass number `since` on."""

    cap: int = 1
    since: int = 0
    passes: list[int] = field(default_factory=list)

    def _logits(self, params: Params, tokens_KBT: Tensor) -> Tensor:
        self.passes.append(tokens_KBT.shape[1])
        if len(self.passes) > self.since and tokens_KBT.shape[1] > self.cap:
            raise torch.OutOfMemoryError("out of memory")
        return super()._logits(params, tokens_KBT)


def configs(data_dir: Path, optimizer: str = "adamw") -> list[TrainConfig]:
    return [tiny_config(data_dir, optimizer, seed=seed) for seed in (0, 1)]


def capped(data_dir: Path, cap: int) -> StackRun:
    run = StackRun(configs(data_dir), data_dir=data_dir)
    run._passes.network = Capped(tiny_model(), "fp32", CPU, cap=cap)
    return run


def trained(run: StackRun) -> list[StepMetrics]:
    found = []
    while not run.finished:
        found.append(run.advance())
    return [metrics for metrics in found if metrics is not None]


def validation(metrics: list[StepMetrics]) -> list[float]:
    return [loss for m in metrics for loss in m.values.get("validation_loss", ())]


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_gradients_in_parts_are_those_of_the_batch(micro_batch: int) -> None:
    model = tiny_model()
    network = Network(model, "fp32", CPU)
    flat = torch.cat([p.flatten(1) for p in init_params(model, [0, 1]).values()], 1)
    tokens = torch.randint(0, 256, (2, 4, 16), generator=torch.Generator().manual_seed(0))
    z_loss = torch.tensor([0.0, 0.1], dtype=torch.float64)
    whole, entropy = network.gradients(flat, tokens, z_loss, micro_batch=4)
    parts, entropy_in_parts = network.gradients(flat, tokens, z_loss, micro_batch=micro_batch)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(entropy_in_parts, entropy)


@pytest.mark.parametrize("optimizer", ["adamw", "sophia"])
def test_a_run_in_parts_has_the_losses_of_a_whole_one(data_dir: Path, optimizer: str) -> None:
    """Within 1e-4: sums in another order, enlarged by twelve steps at the full learning rate."""
    whole, parts = (
        StackRun(configs(data_dir, optimizer), data_dir=data_dir, micro_batch=size)
        for size in (None, 3)
    )
    assert (whole.micro_batch, parts.micro_batch) == (4, 3)
    expected = validation(trained(whole))
    assert validation(trained(parts)) == pytest.approx(expected, rel=1e-4)


def test_a_step_without_memory_is_repeated_in_halves(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From the first evaluation on in ones and twos: bit for bit the run that began so."""
    expected = trained(StackRun(configs(data_dir), data_dir=data_dir, micro_batch=2))
    run = capped(data_dir, 2)
    with caplog.at_level(logging.WARNING):
        assert trained(run) == expected
    assert run.micro_batch == 2
    assert [r.getMessage() for r in caplog.records] == [
        "out of device memory: on with 2 sequences at once"
    ]


def test_nothing_of_a_step_that_failed_midway_remains(data_dir: Path) -> None:
    """The second part of the fourth step has no room any more."""
    run, whole = (StackRun(configs(data_dir), data_dir=data_dir, micro_batch=2) for _ in range(2))
    for each in (run, whole):
        while each.step < 3:
            each.advance()
    run._passes.network = Capped(tiny_model(), "fp32", CPU, cap=1, since=1)
    whole._passes.micro_batch = 1
    assert trained(run) == trained(whole)
    assert run.micro_batch == 1
    assert torch.equal(run._flat, whole._flat)


def test_where_no_sequence_fits_the_error_is_raised(data_dir: Path) -> None:
    run = capped(data_dir, 0)
    with pytest.raises(torch.OutOfMemoryError):
        run.advance()
    assert run.micro_batch == 1


def test_memory_of_a_failed_pass_is_free_when_it_is_repeated() -> None:
    kept: list[weakref.ref[Tensor]] = []

    def compute() -> int:
        assert [reference() for reference in kept] == [None] * len(kept)
        activations = torch.ones(1000)
        kept.append(weakref.ref(activations))
        if len(kept) < 3:
            raise torch.OutOfMemoryError("out of memory")
        return len(kept)

    passes = Passes(Network(tiny_model(), "fp32", CPU), 4)
    assert passes._repeated(compute) == 3
    assert passes.micro_batch == 1


@pytest.mark.parametrize("size", [0, -1])
def test_a_part_has_a_sequence(data_dir: Path, size: int) -> None:
    with pytest.raises(ValueError, match=f"micro_batch >= 1 must hold, but got micro_batch={size}"):
        StackRun(configs(data_dir), data_dir=data_dir, micro_batch=size)


def test_on_a_cpu_the_batch_is_whole(data_dir: Path) -> None:
    config = tiny_config(data_dir)
    assert automatic(config, 3, CPU) == config.batch_size
