"""The same stacks on a CUDA device: what a CPU says within rounding, and checkpoints that cross."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.trainers.builders import tiny_config
from trainers.config import Precision, TrainConfig
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def configs(data_dir: Path, optimizer: str, precision: Precision = "fp32") -> list[TrainConfig]:
    config = dataclasses.replace(tiny_config(data_dir, optimizer, steps=6), precision=precision)
    return [dataclasses.replace(config, seed=seed) for seed in (0, 1)]


def on_gpu(chosen: list[TrainConfig], data_dir: Path, micro_batch: int | None = None) -> StackRun:
    """Not compiled, which takes most of a minute for each shape."""
    return StackRun(
        chosen, data_dir=data_dir, device="cuda", micro_batch=micro_batch, compile=False
    )


def losses(run: StackRun) -> list[float]:
    while not run.finished:
        run.advance()
    found = [result.final_loss for result in run.results() if result is not None]
    return [loss for loss in found if loss is not None]


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_every_optimizer_ends_where_it_ends_on_a_cpu(data_dir: Path, optimizer: str) -> None:
    chosen = configs(data_dir, optimizer)
    on_cpu = losses(StackRun(chosen, data_dir=data_dir))
    found = losses(on_gpu(chosen, data_dir))
    # Signs and orthogonal steps make a whole step of a rounding error.
    assert found == pytest.approx(on_cpu, rel=2e-2)


def test_bf16_stays_close_to_fp32(data_dir: Path) -> None:
    single, half = (
        losses(on_gpu(configs(data_dir, "adamw", p), data_dir)) for p in ("fp32", "bf16")
    )
    assert half == pytest.approx(single, rel=2e-2)


def test_a_checkpoint_goes_on_on_the_other_device(data_dir: Path, tmp_path: Path) -> None:
    chosen = configs(data_dir, "adamw")
    first = on_gpu(chosen, data_dir)
    while first.step < 3:
        first.advance()
    first.save(tmp_path / "3")
    second = StackRun(chosen, data_dir=data_dir)
    second.load(tmp_path / "3")
    assert losses(second) == pytest.approx(losses(first), rel=2e-2)


def test_a_stack_that_does_not_fit_goes_on_in_parts(data_dir: Path) -> None:
    """There is room for half of the fp32 logits of both models, which are kept twice."""
    wide = dataclasses.replace(
        configs(data_dir, "adamw")[0].model, width=64, vocabulary=8192, sequence_length=64
    )
    chosen = [
        dataclasses.replace(config, model=wide, batch_size=64)
        for config in configs(data_dir, "adamw")
    ]
    expected = losses(on_gpu(chosen, data_dir, 64))
    run = on_gpu(chosen, data_dir, 64)
    assert run.micro_batch == 64
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    cap = torch.cuda.memory_allocated() + 64 * 64 * 8192 * 4
    torch.cuda.set_per_process_memory_fraction(cap / total)
    try:
        found = losses(run)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert run.micro_batch < 64
    assert found == pytest.approx(expected, rel=1e-2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sophia"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_it_ends_where_it_ends_uncompiled(
    data_dir: Path, optimizer: str, precision: Precision
) -> None:
    chosen = configs(data_dir, optimizer, precision)
    run = StackRun(chosen, data_dir=data_dir, device="cuda")
    assert losses(run) == pytest.approx(losses(on_gpu(chosen, data_dir)), rel=2e-2)
    assert run.compiled


def test_attention_in_bf16_has_no_kernel_but_the_flash(data_dir: Path) -> None:
    run = on_gpu(configs(data_dir, "adamw", "bf16"), data_dir)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert all(loss > 0 for loss in losses(run))


def test_the_batch_is_whole_where_it_fits(data_dir: Path) -> None:
    run = on_gpu(configs(data_dir, "adamw"), data_dir)
    assert run.micro_batch == 4
    for _ in range(2):
        metrics = run.advance()
    assert metrics is not None
    assert 0 < metrics.speed["mfu"][0] < 1
