"""Compiled programs: the same numbers, few of them, and what happens where they cannot be made.

Most tests have the compiler do all but generate code, for which it takes a minute: its backend is
`aot_eager`, or one that counts.
"""

import dataclasses
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.trainers.builders import tiny_config, tiny_model
from tests.trainers.test_loop import run_to_end
from trainers import losses, programs
from trainers.config import Precision, TrainConfig
from trainers.fused import fused
from trainers.loop import StackRun
from trainers.model import forward, init_params
from trainers.optimizers import REGISTRY, hyperparameters
from trainers.optimizers.base import Context, Optimizer
from trainers.programs import PLAIN, compiled, programs_for

# The compiler imports what torch deprecates, and looks at the `grad` of whatever it is given.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:The .grad attribute:UserWarning"
)

CPU = torch.device("cpu")
ELEMENTWISE = (
    "sgd",
    "adamw",
    "lion",
    "signum",
    "sgd_ema",
    "adagrad",
    "sophia",
    "nadamw",
    "schedule_free_sgd",
    "schedule_free_adamw",
    "ademamix",
)


OF_AN_UPDATE = (2, 3)
"""Programs: of the first step, and of all others; PyTorch 2.10 makes one of the second by itself,
as a square is simpler than other powers."""


@pytest.fixture(autouse=True)
def forget() -> None:
    torch.compiler.reset()


def configs(data_dir: Path, precision: Precision = "fp32") -> list[TrainConfig]:
    return [
        dataclasses.replace(tiny_config(data_dir, steps=8, seed=seed), precision=precision)
        for seed in (0, 1)
    ]


def run_with(chosen: list[TrainConfig], data_dir: Path, backend: Any) -> StackRun:
    run = StackRun(chosen, data_dir=data_dir)
    run._passes.network = dataclasses.replace(run._network, programs=compiled(backend))
    run._optimizer.rule = fused(run._optimizer.rule, backend)
    return run


class Counting:
    """A backend that only counts the programs it is given."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, program: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
        self.made += 1
        return program.forward


def broken(program: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
    raise RuntimeError("no compiler here\nlong story")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_run_has_the_losses_of_a_plain_one(data_dir: Path, precision: Precision) -> None:
    plain = StackRun(configs(data_dir, precision), data_dir=data_dir)
    run = run_with(configs(data_dir, precision), data_dir, "aot_eager")
    for expected, found in zip(run_to_end(plain), run_to_end(run), strict=True):
        for key, values in expected.values.items():
            tolerance = 1e-5 if precision == "fp32" else 2e-3
            assert found.values[key] == pytest.approx(values, rel=tolerance), (key, found.step)
    assert run.compiled


def test_all_layers_and_steps_are_of_few_programs(data_dir: Path) -> None:
    """One each of block, head and cross-entropy to evaluate, of block, head and loss to train, and
    those of the update."""
    count = Counting()
    run = run_with(configs(data_dir), data_dir, count)
    run_to_end(run)
    assert count.made - 6 in OF_AN_UPDATE


def test_where_nothing_can_be_compiled_a_run_is_the_plain_one(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run_to_end(StackRun(configs(data_dir), data_dir=data_dir))
    run = run_with(configs(data_dir), data_dir, broken)
    with caplog.at_level(logging.WARNING):
        assert run_to_end(run) == expected
    assert not run.compiled
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("trainers")]
    assert len(lines) == 2
    for line, start in zip(lines, ("compiling failed", "compiling the update failed"), strict=True):
        assert line.startswith(start)
        assert "BackendCompilerFailed" in line
        assert "\n" not in line


def test_an_error_of_the_run_itself_is_raised(data_dir: Path) -> None:
    run = run_with(configs(data_dir), data_dir, "aot_eager")
    run._validation = run._validation + 1000  # No such tokens.
    with pytest.raises(IndexError):
        run.advance()


def test_the_environment_decides_unless_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(programs.VARIABLE, raising=False)
    assert programs_for(CPU) is PLAIN
    assert programs_for(torch.device("cuda")).compiled
    assert programs_for(CPU, compile=True).compiled
    monkeypatch.setenv(programs.VARIABLE, "0")
    assert programs_for(torch.device("cuda")) is PLAIN
    monkeypatch.setenv(programs.VARIABLE, "1")
    assert programs_for(CPU).compiled
    assert programs_for(CPU, compile=False) is PLAIN


def elementwise(name: str) -> Optimizer | None:
    entry = REGISTRY[name]
    values = {
        key: torch.full((2,), each.default, dtype=torch.float64)
        for key, each in hyperparameters(name, entry.schedule).items()
    }
    facts = {"heads": 2, "steps": 20, "tokens_per_batch": 64}
    built = entry.construct(values, {k: o.default for k, o in entry.options.items()}, facts)
    return built if built.elementwise else None


def test_the_list_of_elementwise_optimizers_is_whole() -> None:
    assert {name for name in REGISTRY if elementwise(name)} == set(ELEMENTWISE)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_fused_update_is_the_update(name: str) -> None:
    """Bit for bit, as `aot_eager` does the same operations; in few programs, however many steps."""
    optimizer = elementwise(name)
    assert optimizer is not None
    count = Counting()
    both = optimizer, fused(optimizer, count)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(2, 50, generator=generator)
    states = [each.init(value, None) for each in both]
    for step in range(1, 24):
        grad = torch.randn(2, 50, generator=generator)
        lr, peak, decay = (torch.full((2,), rate) for rate in (1e-3 * step, 1e-2, 0.1))
        context = Context(step, lr, peak, decay, None, {})
        found = [
            each.update(grad, state, value, context)
            for each, state in zip(both, states, strict=True)
        ]
        (expected, states[0]), (delta, states[1]) = found
        assert torch.equal(delta, expected)
        assert all(torch.equal(states[1][key], tensor) for key, tensor in states[0].items())
    assert count.made in OF_AN_UPDATE


def test_attention_in_bf16_is_flash_attention() -> None:
    """With no other kernel allowed, it still has one."""
    params = init_params(tiny_model(), [0, 1])
    tokens = torch.zeros(2, 4, 15, dtype=torch.int64)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION), torch.autocast("cpu", torch.bfloat16):
        logits = forward(params, tokens, tiny_model())
    assert logits.dtype is torch.bfloat16


@pytest.mark.slow
def test_generated_code_of_the_loss_has_its_values() -> None:
    """The real compiler, where there is one of C++; else the error that a run goes on from."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 24, 50, generator=generator, requires_grad=True)
    target = torch.randint(0, 50, (2, 24), generator=generator)
    z_loss = torch.tensor([0.0, 0.5], dtype=torch.float64)
    training_loss = compiled().training_loss
    if shutil.which("g++") is None:
        with pytest.raises(Exception, match="No working C"):
            training_loss(logits, target, z_loss)
        return
    for expected, found in zip(
        losses.training_loss(logits, target, z_loss),
        training_loss(logits, target, z_loss),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(loss(logits, target, z_loss)[0].sum(), logits)[0]
        for loss in (losses.training_loss, training_loss)
    ]
    torch.testing.assert_close(*gradients)
