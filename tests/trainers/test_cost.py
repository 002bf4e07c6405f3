"""What the list of optimizers says about their costs."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainers.optimizers.harness import context
from trainers.cost import cost
from trainers.optimizers import REGISTRY, entry
from trainers.optimizers.base import ParamRole
from trainers.optimizers.notes import argument_notes
from trainers.optimizers.torch_adapter import entries


def product(added: Any, left: Sequence[int], right: Sequence[int], **more: Any) -> int:
    return 2 * math.prod(left) * right[-1]


# The counter of torch 2.13 does not know the product that adds to its first argument in place.
IN_PLACE = {torch.ops.aten.baddbmm_: product}
M, N = 8, 16
PRODUCTS = {
    "muon": 20 * M**2 * N + 10 * M**3,
    "soap": 6 * (M**2 * N + M * N**2),
    "shampoo": 4 * (M**2 * N + M * N**2),
    "shampoo_squared": 4 * (M**2 * N + M * N**2),
}


def test_states_are_as_large_as_their_tensors() -> None:
    expected = {"sgd": 4, "lion": 4, "adamw": 8, "ademamix": 12, "adafactor_classic": 0}
    for name, size in expected.items():
        found = cost(name).state_bytes
        assert found is not None
        assert found == pytest.approx(size, abs=0.02)


def test_adam_mini_keeps_half_of_adam() -> None:
    mini, adam = cost("adam_mini").state_bytes, cost("adamw").state_bytes
    assert mini is not None
    assert adam is not None
    assert mini / adam == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_optimizer_has_a_cost(name: str) -> None:
    found = cost(name)
    assert found.state_bytes is not None
    assert 0 <= found.state_bytes < 100
    assert found.extra_flops


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_matrices_are_as_many_as_told(name: str) -> None:
    chosen = entry(name)
    values = {k: h.default for k, h in chosen.hyperparameters.items()}
    options = {k: o.default for k, o in chosen.options.items()}
    optimizer = chosen.construct(values, options, {})
    value = torch.ones(1, M, N)
    state = optimizer.init(value, ParamRole.MLP)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 14):
        grad = torch.randn(1, M, N, generator=generator)
        with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
            _, state = optimizer.update(grad, state, value, context(step, 1))
    assert counter.get_total_flops() == PRODUCTS[name]


@pytest.mark.parametrize("name", [n for n, e in entries().items() if e.state_bytes is not None])
def test_classes_of_torch_keep_what_is_told(name: str) -> None:
    chosen = entry(name)
    values = {k: h.default for k, h in chosen.hyperparameters.items()}
    optimizer = chosen.construct(values, {k: o.default for k, o in chosen.options.items()}, {})
    state = optimizer.init(torch.ones(1, 64, 64), ParamRole.MLP)
    size = sum(t.numel() * t.element_size() for t in state.values()) / 64**2
    assert cost(name).state_bytes == pytest.approx(size, abs=0.01)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_documentation_explains_every_argument(name: str) -> None:
    chosen = entry(name)
    notes = argument_notes(chosen.build)
    assert {*chosen.hyperparameters, *chosen.options} <= notes.keys()
    assert all(note and "  " not in note for note in notes.values())
