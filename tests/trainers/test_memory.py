"""The memory model against what is really allocated."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchmarks.live import Live
from tests.trainers.builders import tiny_config
from trainers.config import ModelConfig, Precision, TrainConfig
from trainers.loop import StackRun
from trainers.memory import MOST_SEQUENCES, device_micro_batch, fitting_micro_batch, stack_memory
from trainers.scales import SCALES

MODEL = ModelConfig(width=64, layers=2, heads=2, sequence_length=64, vocabulary=256)


def stack(
    data_dir: Path,
    size: int,
    optimizer: str = "adamw",
    *,
    model: ModelConfig = MODEL,
    batch_size: int = 8,
    precision: Precision = "fp32",
) -> list[TrainConfig]:
    config = dataclasses.replace(
        tiny_config(data_dir, optimizer),
        model=model,
        batch_size=batch_size,
        precision=precision,
        eval_sequences=4,
    )
    return [dataclasses.replace(config, seed=seed) for seed in range(size)]


def peak_bytes(configs: Sequence[TrainConfig], data_dir: Path, *, steps: int = 2) -> int:
    """The most that tensors hold at once on the CPU over an evaluation and some steps."""
    with Live() as live:
        run = StackRun(configs, data_dir=data_dir)
        for _ in range(steps + 1):
            run.advance()
    peak: int = live.peak
    return peak


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("size", "batch_size", "model"),
    [
        (1, 8, MODEL),
        (4, 8, MODEL),
        (1, 64, MODEL),
        (1, 8, dataclasses.replace(MODEL, layers=6)),
        (1, 8, dataclasses.replace(MODEL, vocabulary=8192)),
        (2, 1, dataclasses.replace(MODEL, width=256, sequence_length=16)),
    ],
)
def test_peaks_of_a_stack_are_within_15_percent(
    data_dir: Path, precision: Precision, size: int, batch_size: int, model: ModelConfig
) -> None:
    configs = stack(data_dir, size, batch_size=batch_size, precision=precision, model=model)
    expected = stack_memory(configs[0], size).total
    assert expected == pytest.approx(peak_bytes(configs, data_dir), rel=0.15)


@pytest.mark.parametrize("optimizer", ["sgd", "ademamix", "adafactor", "muon", "soap", "shampoo"])
def test_peaks_of_other_optimizers_are_within_a_third(data_dir: Path, optimizer: str) -> None:
    model = dataclasses.replace(MODEL, width=128, sequence_length=16)
    configs = stack(data_dir, 2, optimizer, model=model, batch_size=1)
    expected = stack_memory(configs[0], 2).total
    assert expected == pytest.approx(peak_bytes(configs, data_dir, steps=11), rel=0.33)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_peaks_on_a_gpu_are_within_half(data_dir: Path, precision: Precision) -> None:
    model = dataclasses.replace(MODEL, layers=6, sequence_length=128)
    configs = stack(data_dir, 4, model=model, batch_size=64, precision=precision)
    torch.cuda.reset_peak_memory_stats()
    run = StackRun(configs, data_dir=data_dir, device="cuda")
    for _ in range(3):
        run.advance()
    expected = stack_memory(configs[0], 4, on_cpu=False).total
    assert expected == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.5)


def test_memory_grows_with_the_stack_and_with_what_is_computed_at_once(data_dir: Path) -> None:
    (config,) = stack(data_dir, 1, batch_size=64)
    totals: Sequence[float] = [
        stack_memory(config, size, micro_batch).total
        for size, micro_batch in ((1, 1), (1, 16), (1, 64), (2, 64))
    ]
    assert list(totals) == sorted(set(totals))
    assert totals[3] == pytest.approx(2 * totals[2])


def test_the_micro_batch_is_the_largest_half_that_fits(data_dir: Path) -> None:
    (config,) = stack(data_dir, 1, batch_size=48)
    whole, third = (stack_memory(config, 3, part).total for part in (48, 12))
    assert fitting_micro_batch(config, 3, whole) == 48
    assert fitting_micro_batch(config, 3, whole - 1) == 24
    assert fitting_micro_batch(config, 3, third) == 12
    assert fitting_micro_batch(config, 3, 1e6) == 0


def test_on_a_device_it_is_what_fits_and_what_attention_can_count(data_dir: Path) -> None:
    (config,) = stack(data_dir, 1, batch_size=2048)
    found = [device_micro_batch(config, 128, memory_bytes) for memory_bytes in (1e6, 3e10, 1e15)]
    assert found[0] == 1
    assert 1 < found[1] < found[2] == MOST_SEQUENCES // 128


def test_the_study_at_150m_fits_one_large_gpu_in_parts_of_its_batch(data_dir: Path) -> None:
    size = SCALES["150m"]
    config = dataclasses.replace(
        tiny_config(data_dir), model=size.model(32_128), batch_size=256, precision="bf16"
    )
    assert 1 < fitting_micro_batch(config, 1, 70e9, on_cpu=False) < 256
