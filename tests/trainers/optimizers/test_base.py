from dataclasses import replace
from typing import Annotated

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.harness import build, column, context, directions
from trainers.config import Hyperparameter, Option
from trainers.optimizers.adamw import adamw
from trainers.optimizers.base import (
    Context,
    Curvature,
    Entry,
    Momentum,
    Optimizer,
    ParamRole,
    State,
    chain,
    partition,
    per_trial,
)
from trainers.optimizers.sgd import heavy_ball
from trainers.optimizers.transforms import adaptive_lr, block_means, descend


def test_a_chain_runs_its_parts_in_order() -> None:
    grads = [torch.ones(1, 2, 2)] * 2
    found = directions(chain(heavy_ball(0.5), descend()), grads)
    assert [d[0, 0, 0].item() for d in found] == [1.0, 1.5]


def test_parts_of_a_chain_may_not_share_a_name() -> None:
    twice = chain(heavy_ball(0.5), heavy_ball(0.5))
    with pytest.raises(AssertionError, match="two parts of a chain keep"):
        twice.init(torch.ones(1, 2), ParamRole.MLP)


def test_a_chain_is_elementwise_if_all_its_parts_are() -> None:
    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad, state

    blockwise = Optimizer(lambda value, role: {}, update)
    assert chain(heavy_ball(0.5), descend()).elementwise
    assert not chain(blockwise, descend()).elementwise


def test_a_partition_treats_each_role_its_own_way() -> None:
    sgd, sign = build("sgd", {"momentum": [0.0]}), build("signum", {"momentum": [0.0]})
    optimizer = partition({ParamRole.MLP: sgd, ParamRole.NORM: sign})
    grad = torch.full((1, 2), 3.0)
    for role, expected in ((ParamRole.MLP, 3.0), (ParamRole.NORM, 1.0)):
        assert directions(optimizer, [grad], role=role)[0][0, 0].item() == expected


def test_a_partition_of_one_group_is_that_optimizer() -> None:
    adam = build("adamw", {"momentum": [0.9], "beta2": [0.95], "eps": [1e-8]})
    grads = [torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    whole = directions(adam, grads)
    parts = directions(partition(dict.fromkeys(ParamRole, adam)), grads)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_a_role_without_an_optimizer_is_refused() -> None:
    optimizer = partition({ParamRole.MLP: build("sgd", {"momentum": [0.0]})})
    with pytest.raises(
        ValueError, match="no optimizer for the role 'norm'; there are some for: mlp"
    ):
        optimizer.init(torch.ones(1, 2), ParamRole.NORM)
    with pytest.raises(ValueError, match="no optimizer for the role 'None'"):
        optimizer.update(torch.ones(1, 2), {}, torch.ones(1, 2), context(1, 1, role=None))


def test_one_number_serves_all_trials() -> None:
    like = torch.zeros(3, 2, 2)
    assert per_trial(0.5, like).tolist() == [[[0.5]]]
    shaped = per_trial(column(1.0, 2.0, 3.0), like)
    assert (shaped.shape, shaped.dtype) == ((3, 1, 1), torch.float32)


def test_an_optimizer_may_be_built_from_plain_numbers() -> None:
    grads = [torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    tensors = build("adamw", {"momentum": [0.9] * 2, "beta2": [0.95] * 2, "eps": [1e-15] * 2})
    for ours, theirs in zip(directions(adamw(), grads), directions(tensors, grads), strict=True):
        torch.testing.assert_close(ours, theirs)


def kept(state: State, value: Tensor, context: Context) -> Tensor:
    return state["buf"].flatten(1)


def test_a_chain_has_what_one_of_its_parts_has() -> None:
    ball = heavy_ball(0.5)
    curvature = Curvature(10, lambda grad, state, value, context: state)
    whole = chain(replace(ball, curvature=curvature, effective_lr=kept), descend())
    assert (whole.curvature, whole.effective_lr) == (curvature, kept)
    assert (whole.prepare, whole.eval_params) == (None, None)
    with pytest.raises(AssertionError, match="two parts of a chain provide the same"):
        chain(replace(descend(), effective_lr=kept), replace(ball, effective_lr=kept))


def test_a_group_that_is_not_adaptive_steps_at_its_learning_rate() -> None:
    plain, adaptive = heavy_ball(0.5), replace(heavy_ball(0.5), effective_lr=kept)
    assert partition({ParamRole.MLP: plain}).effective_lr is None
    found = partition({ParamRole.MLP: plain, ParamRole.NORM: adaptive}).effective_lr
    assert found is not None
    state, value = {"buf": torch.full((2, 3), 7.0)}, torch.zeros(2, 3)
    for role, expected in ((ParamRole.MLP, [[0.5]] * 2), (ParamRole.NORM, [[7.0] * 3] * 2)):
        assert found(state, value, context(1, 2, lr=0.5, role=role)).tolist() == expected


def test_blocks_of_the_effective_learning_rate() -> None:
    v = torch.tensor([[[1.0, 9.0], [7.0, 23.0]]])
    assert block_means(v, ParamRole.LAST_LAYER).tolist() == [[4.0, 16.0]]
    assert block_means(v, ParamRole.MLP).tolist() == [[10.0]]
    found = adaptive_lr(block_means(v, ParamRole.LAST_LAYER), 0.0, context(1, 1, lr=0.5))
    assert found.tolist() == [[0.25, 0.125]]


def built(
    momentum: Momentum = 0.5,
    rho: Annotated[float, Hyperparameter(default=0.0, low=-1.0)] = 0.1,
    frequency: Annotated[int, Option(low=1)] = 10,
    one_sided: Annotated[bool, Option()] = False,
    *,
    heads: int,
) -> Optimizer:
    assert (rho, frequency, one_sided, heads) == (0.25, 3, True, 4)
    return heavy_ball(momentum)


def test_a_signature_is_the_schema() -> None:
    entry = Entry(built, 1.0, "", "")
    assert {k: h.default for k, h in entry.hyperparameters.items()} == {"momentum": 0.5, "rho": 0.1}
    assert entry.hyperparameters["rho"].low == -1.0
    assert {k: o.default for k, o in entry.options.items()} == {"frequency": 10, "one_sided": False}
    values = {"momentum": 0.5, "rho": 0.25, "lr": 1.0}
    options = {"frequency": 3, "one_sided": True}
    assert entry.construct(values, options, {"heads": 4, "steps": 9}).elementwise
