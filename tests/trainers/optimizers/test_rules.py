"""Closed forms of the first step, short streams of numbers, and identities between optimizers."""

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.cases import CASES
from tests.trainers.optimizers.harness import build, directions
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import ParamRole

G = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]], dtype=torch.float64)
ADAM = {"momentum": [0.9], "beta2": [0.95], "eps": [0.0]}
SETTINGS = {name: {k: [v] for k, v in case.exact.items()} for name, case in CASES.items()}
STREAMS = [
    ("adamw", [1, -2, 3], [1, -0.363374, 0.338407]),
    ("sgd", [1, -2, 3], [1, -1.02, 2.0004]),
    ("lion", [1, -0.5], [1, -1]),
    ("signum", [1, -0.5], [1, 1]),
]


def random_grads(count: int = 6, shape: tuple[int, ...] = (2, 3, 4)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(count)]


@pytest.mark.parametrize("name", REGISTRY)
def test_first_steps(name: str) -> None:
    found = directions(build(name, SETTINGS[name]), [G])[0][0]
    assert CASES[name].first
    assert found.tolist() == [pytest.approx(row, abs=1e-6) for row in CASES[name].first]


@pytest.mark.parametrize(("name", "grads", "expected"), STREAMS)
def test_streams(name: str, grads: list[float], expected: list[float]) -> None:
    tensors = [torch.full((1, 1, 1), g, dtype=torch.float64) for g in grads]
    found = [d.item() for d in directions(build(name, SETTINGS[name]), tensors)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in REGISTRY if CASES[name].scale is not None])
def test_effect_of_the_gradients_scale(name: str) -> None:
    grads = random_grads(shape=(1, 3, 3))
    optimizer = build(name, SETTINGS[name])
    plain, scaled = directions(optimizer, grads), directions(optimizer, [8 * g for g in grads])
    case = CASES[name]
    factor = 8 ** (case.scale or 0)
    for ours, theirs in zip(scaled, plain, strict=True):
        torch.testing.assert_close(ours, factor * theirs, rtol=case.scale_rtol, atol=0)


def assert_same(first: list[Tensor], second: list[Tensor], rtol: float = 1e-12) -> None:
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)


def test_lion_with_equal_betas_is_signum() -> None:
    grads = random_grads()
    lion = build("lion", {"momentum": [0.9, 0.5], "beta2": [0.9, 0.5]})
    assert_same(
        directions(lion, grads), directions(build("signum", {"momentum": [0.9, 0.5]}), grads)
    )


def test_adam_without_memory_is_the_sign() -> None:
    grads = random_grads()
    adam = build("adamw", {"momentum": [0, 0], "beta2": [0, 0], "eps": [0, 0]})
    assert_same(directions(adam, grads), [g.sign() for g in grads])


def test_adafactor_is_adam_where_squares_have_rank_one_and_a_fixed_profile() -> None:
    generator = torch.Generator().manual_seed(0)
    profile = torch.rand(2, 1, 4, generator=generator, dtype=torch.float64) + 0.1
    rows = [torch.randn(2, 3, 1, generator=generator, dtype=torch.float64) for _ in range(5)]
    settings = {"momentum": [0.9, 0.5], "beta2": [0.95, 0.8], "eps": [1e-15, 1e-4]}
    grads = [row * profile for row in rows]
    assert_same(
        directions(build("adafactor", settings), grads), directions(build("adamw", settings), grads)
    )


def test_adafactor_keeps_one_number_for_a_vector() -> None:
    grads = random_grads(shape=(2, 4))
    settings = {"momentum": [0, 0], "beta2": [0, 0], "eps": [0, 0]}
    found = directions(build("adafactor", settings), grads, role=ParamRole.NORM)
    assert_same(found, [g / g.square().mean(1, keepdim=True).sqrt() for g in grads])
    elementwise = directions(build("adamw", settings), grads, role=ParamRole.NORM)
    assert not torch.allclose(found[0], elementwise[0])


@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.NORM])
@pytest.mark.parametrize("name", REGISTRY)
def test_a_gradient_that_is_zero_from_the_start_moves_nothing(name: str, role: ParamRole) -> None:
    settings = {k: [v.default] for k, v in REGISTRY[name].hyperparameters.items()}
    zero = torch.zeros((1, 4) if role is ParamRole.NORM else (1, 3, 4))
    for direction in directions(build(name, settings), [zero] * 3, role=role):
        assert (direction == 0).all()


def test_one_zero_row_does_not_disturb_adafactor() -> None:
    grads = random_grads(shape=(1, 3, 4))
    for grad in grads:
        grad[:, 1] = 0
    for direction in directions(build("adafactor", ADAM | {"eps": [1e-15]}), grads):
        assert direction.isfinite().all()
        assert (direction[:, 1] == 0).all()
