"""The same stacks on a CUDA device: what a CPU says within rounding, and checkpoints that cross.

`pytest -m gpu tests/trainers` says whether all that only a device reaches works there; with two of
them, also what they do together.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to
from tests.trainers.test_on_device import no_collection
from tests.trainers.test_operations import ORDINARY
from trainers import probe
from trainers.config import Precision, TrainConfig
from trainers.loop import StackRun
from trainers.memory import MOST_SEQUENCES
from trainers.optimizers import REGISTRY, plugins
from trainers.runs import Run, start

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


def losses(run: Run) -> list[float]:
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


@pytest.mark.parametrize(
    ("precision", "kernel"),
    [("fp32", SDPBackend.EFFICIENT_ATTENTION), ("bf16", SDPBackend.FLASH_ATTENTION)],
)
def test_attention_has_a_kernel_that_keeps_no_scores(
    data_dir: Path, precision: Precision, kernel: SDPBackend
) -> None:
    """Where PyTorch holds cuDNN's for faster it takes that, which keeps none either."""
    run = on_gpu(configs(data_dir, "adamw", precision), data_dir)
    with sdpa_kernel(kernel):
        assert all(loss > 0 for loss in losses(run))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_counts_as_many_sequences_as_are_given_to_it(dtype: torch.dtype) -> None:
    q = torch.randn(MOST_SEQUENCES, 1, 8, 16, device="cuda", dtype=dtype, requires_grad=True)
    mixed = functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    (grad,) = torch.autograd.grad(mixed.sum(), q)
    assert bool(mixed.isfinite().all())
    assert bool(grad.isfinite().all())


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raises where the program waits for its device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def step_without_waiting(run: StackRun) -> None:
    advance_to(run, ORDINARY - 1)
    with no_waiting():
        assert run.advance() is None


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_a_step_does_not_wait_for_the_device(data_dir: Path, optimizer: str) -> None:
    chosen = [dataclasses.replace(c, steps=700) for c in configs(data_dir, optimizer)]
    step_without_waiting(on_gpu(chosen, data_dir, micro_batch=2))


def test_nor_does_one_with_frozen_members(data_dir: Path) -> None:
    chosen = [dataclasses.replace(c, steps=700) for c in configs(data_dir, "adamw")]
    run = on_gpu(chosen, data_dir)
    run.mask(0)
    step_without_waiting(run)


@pytest.mark.filterwarnings("ignore")
def test_nor_does_a_compiled_one(data_dir: Path) -> None:
    chosen = [dataclasses.replace(c, steps=700) for c in configs(data_dir, "adamw", "bf16")]
    run = StackRun(chosen, data_dir=data_dir, device="cuda")
    step_without_waiting(run)
    assert run.compiled


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_nothing_of_a_run_stays_on_the_device(data_dir: Path, optimizer: str) -> None:
    chosen = configs(data_dir, optimizer)
    losses(on_gpu(chosen, data_dir))  # Constants and workspaces that libraries keep.
    with no_collection():
        before = torch.cuda.memory_allocated()
        run = on_gpu(chosen, data_dir)
        advance_to(run, 3)
        assert torch.cuda.memory_allocated() > before
        del run
        assert torch.cuda.memory_allocated() == before


def test_what_happens_to_one_member_does_not_reach_another_in_a_single_bit(data_dir: Path) -> None:
    """The backward passes of fused attention add up in any order, so this one is spelled out."""
    healthy = configs(data_dir, "adamw")
    sick = [
        healthy[0],
        dataclasses.replace(healthy[1], hyperparameters={**healthy[1].hyperparameters, "lr": 1e38}),
    ]
    with sdpa_kernel(SDPBackend.MATH):
        weights = [weights_of(on_gpu(chosen, data_dir)) for chosen in (healthy, healthy, sick)]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0][0], weights[2][0])
    assert not torch.equal(weights[0][1], weights[2][1])


def weights_of(run: StackRun) -> Tensor:
    while not run.finished:
        run.advance()
    return run._flat.cpu()


def test_a_stack_is_measured(data_dir: Path) -> None:
    reading = probe.read(configs(data_dir, "adamw")[0], 2, data_dir=data_dir, device="cuda")
    assert reading.step_s is not None
    assert reading.step_s > 0
    assert reading.sequence_s > 0
    assert reading.peak_bytes is not None
    assert reading.peak_bytes < 2**28


def test_the_batch_is_whole_where_it_fits(data_dir: Path) -> None:
    run = on_gpu(configs(data_dir, "adamw"), data_dir)
    assert run.micro_batch == 4
    for _ in range(2):
        metrics = run.advance()
    assert metrics is not None
    assert 0 < metrics.speed["mfu"][0] < 1


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_end_where_one_does(data_dir: Path) -> None:
    chosen = configs(data_dir, "adamw")
    run = start(chosen, data_dir=data_dir, device="cuda", devices=2)
    try:
        assert losses(run) == pytest.approx(losses(on_gpu(chosen, data_dir)), rel=2e-2)
    finally:
        run.close()


FAILING = """
import torch
from trainers.optimizers.base import Entry, Optimizer, chain
from trainers.optimizers.transforms import descend

def failing() -> Optimizer:
    def update(grad, state, value, context):
        if torch.cuda.current_device() == 1 and context.step == 3:
            raise torch.OutOfMemoryError("no room on this rank alone")
        return grad, state
    return chain(Optimizer(lambda value, role: {}, update), descend())

OPTIMIZERS = {"failing": Entry(failing, 0.1, "fails on rank 1", "here")}
"""


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_why_another_rank_failed_is_told_and_all_of_them_end(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("_sent", "_sources"):
        monkeypatch.setattr(plugins, known, {})
    plugins.take(FAILING)
    run = start(configs(data_dir, "failing"), data_dir=data_dir, device="cuda", devices=2)
    try:
        with pytest.raises(torch.OutOfMemoryError, match="no room on this rank alone"):
            losses(run)
    finally:
        run.close()
