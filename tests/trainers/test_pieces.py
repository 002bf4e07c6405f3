"""Updating piece by piece is updating at once."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.harness import build, context
from tests.trainers.test_operations import CountOperations
from trainers.optimizers import REGISTRY
from trainers.pieces import PIECE, update_in_place

COUNT, SIZE = 2, 5 * PIECE + 37
ELEMENTWISE = [
    name
    for name, entry in REGISTRY.items()
    if build(name, {k: [h.default] for k, h in entry.hyperparameters.items()}).elementwise
]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_pieces_give_what_the_whole_gives(name: str) -> None:
    defaults = {k: [h.default] * COUNT for k, h in REGISTRY[name].hyperparameters.items()}
    optimizer = build(name, defaults)
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(COUNT, SIZE, generator=generator)
    whole, pieced = value.clone(), value.clone()
    states = [optimizer.init(value, None) for _ in range(2)]
    for step in (1, 2, 3):
        grad = torch.randn(COUNT, SIZE, generator=generator)
        now = context(step, COUNT, lr=1e-2, role=None)
        delta, states[0] = optimizer.update(grad, states[0], whole, now)
        whole.add_(delta)
        states[1] = update_in_place(optimizer.update, grad, states[1], pieced, now, lambda d: d)
        # Where a vector register ends may move a last digit.
        torch.testing.assert_close(pieced, whole, rtol=1e-5, atol=1e-6)
        assert states[0].keys() == states[1].keys()
        for key, tensor in states[0].items():
            torch.testing.assert_close(states[1][key], tensor, rtol=1e-5, atol=1e-6)


def operations(size: int) -> Counter[str]:
    """Operations of AdamW's update of one trial, by name; views of its tensors are not counted."""
    optimizer = build("adamw", {"momentum": [0.9], "beta2": [0.95], "eps": [1e-8]})
    value, grad = torch.zeros(1, size), torch.ones(1, size)
    state, now = optimizer.init(value, None), context(1, 1, role=None)
    with CountOperations() as mode:
        update_in_place(optimizer.update, grad, state, value, now, lambda delta: delta)
    return Counter({k: n for k, n in mode.counts.items() if "split" not in k and "slice" not in k})


def test_one_more_piece_costs_the_operations_on_it_alone() -> None:
    """Nothing per trial, and no copy of a new state."""
    assert operations(7 * PIECE) - operations(6 * PIECE) == {
        "aten.lerp.Tensor_out": 2,
        "aten.pow.Tensor_Scalar": 1,
        "aten.sqrt.default": 1,
        "aten.add_.Tensor": 2,
        "aten.mul.Tensor": 1,
        "aten.div_.Tensor": 1,
        "aten.addcmul.default": 1,
        "aten.mul_.Tensor": 1,
    }


def test_what_is_not_admitted_stays() -> None:
    def nothing_for_the_first(delta: Tensor) -> Tensor:
        return delta.masked_fill(torch.tensor([[True], [False]]), 0.0)

    optimizer = build("signum", {"momentum": [0.0, 0.0]})
    value = torch.zeros(COUNT, SIZE)
    state = optimizer.init(value, None)
    grad, now = torch.ones(COUNT, SIZE), context(1, COUNT, role=None)
    update_in_place(optimizer.update, grad, state, value, now, nothing_for_the_first)
    assert (value[0] == 0).all()
    assert (value[1] == -1).all()
