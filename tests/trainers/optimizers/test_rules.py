"""Closed forms of the first step, short streams of numbers, and identities between optimizers."""

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.cases import CASES, adafactor_neurons
from tests.trainers.optimizers.harness import build, context, directions
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
@pytest.mark.parametrize("factor", [8.0, 3.7], ids=["exact", "rounded"])
def test_effect_of_the_gradients_scale(name: str, factor: float) -> None:
    grads, optimizer = random_grads(shape=(1, 3, 3)), build(name, SETTINGS[name])
    plain, scaled = (directions(optimizer, [c * g for g in grads]) for c in (1.0, factor))
    case = CASES[name]
    factor **= case.scale or 0
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


PROFILES = {"column": ((1, 4), (3, 1)), "row": ((3, 1), (1, 4)), "none": ((1, 1), (3, 4))}


@pytest.mark.parametrize(("fixed", "moving"), PROFILES.values(), ids=PROFILES)
def test_adafactor_is_adam_where_squares_have_rank_one_and_a_fixed_profile(
    fixed: tuple[int, int], moving: tuple[int, int]
) -> None:
    """And only there: not where what moves is no row or column, even on the first step."""
    generator = torch.Generator().manual_seed(0)
    profile = torch.rand(2, *fixed, generator=generator, dtype=torch.float64) + 0.1
    others = [torch.randn(2, *moving, generator=generator, dtype=torch.float64) for _ in range(5)]
    settings = {"momentum": [0.9, 0.5], "beta2": [0.95, 0.8], "eps": [1e-15, 1e-4]}
    grads = [other * profile for other in others]
    ours, adams = (directions(build(name, settings), grads) for name in ("adafactor", "adamw"))
    if 1 in moving:
        assert_same(ours, adams)
    else:
        for own, adam in zip(ours, adams, strict=True):
            assert not torch.isclose(own, adam, rtol=1e-2).flatten(1).all(1).any()


def test_adafactor_is_adam_no_longer_where_both_profiles_move() -> None:
    """Each square has rank one, so the first step is Adam's, and the average of two has not."""
    grads = [grad[:, :, :1] * grad[:, :1] for grad in random_grads()]
    settings = {"momentum": [0.9] * 2, "beta2": [0.95] * 2, "eps": [1e-15] * 2}
    ours, adams = (directions(build(name, settings), grads) for name in ("adafactor", "adamw"))
    assert_same(ours[:1], adams[:1])
    assert not torch.allclose(ours[1], adams[1], rtol=1e-2)


@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER, ParamRole.EMBEDDING])
def test_adafactor_of_neurons_only_equals_plain_loops(role: ParamRole) -> None:
    """And the study's closed form, whose rows are neurons; here they are columns but for tokens."""
    settings, tokens = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-4}, role is ParamRole.EMBEDDING
    optimizer = REGISTRY["adafactor"].build(**settings, neuron_only=True)
    rule, grads = adafactor_neurons(3, 4, **settings, tokens=tokens), random_grads(shape=(1, 3, 4))
    for found, grad in zip(directions(optimizer, grads, role=role), grads, strict=True):
        expected = [pytest.approx(row, rel=1e-10) for row in rule(grad[0].tolist())]
        assert found[0].tolist() == expected
    exact = REGISTRY["adafactor"].build(eps=0.0, neuron_only=True)
    (first,) = directions(exact, [G if tokens else G.mT], role=role)
    by_neuron = first[0] if tokens else first[0].T
    closed = [[0.632456, 1.264911], [0.848528, -1.131371]]
    assert by_neuron.tolist() == [pytest.approx(row, abs=1e-6) for row in closed]


def test_adafactor_of_neurons_only_keeps_one_average_and_none_else_for_vectors() -> None:
    optimizer = REGISTRY["adafactor"].build(neuron_only=True)
    shapes = {
        role: {k: tuple(t.shape) for k, t in optimizer.init(torch.zeros(1, 3, 4), role).items()}
        for role in (ParamRole.MLP, ParamRole.EMBEDDING)
    }
    assert shapes[ParamRole.MLP] == {"m": (1, 3, 4), "column": (1, 4)}
    assert shapes[ParamRole.EMBEDDING] == {"m": (1, 3, 4), "row": (1, 3)}
    vectors, role = random_grads(shape=(1, 4)), ParamRole.NORM
    both = REGISTRY["adafactor"].build()
    ours, theirs = (directions(each, vectors, role=role) for each in (optimizer, both))
    assert_same(ours, theirs)


@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER, ParamRole.EMBEDDING])
def test_effective_rates_of_neurons_are_what_their_gradients_are_multiplied_with(
    role: ParamRole,
) -> None:
    optimizer = REGISTRY["adafactor"].build(momentum=0.0, neuron_only=True)
    grad, now = torch.full((1, 3, 4), 2.0).double(), context(1, 1, lr=0.5, role=role)
    delta, state = optimizer.update(grad, optimizer.init(grad, role), grad, now)
    assert optimizer.effective_lr is not None
    found = optimizer.effective_lr(state, grad, now)
    assert found.shape == (1, 4 if role is ParamRole.LAST_LAYER else 1)
    torch.testing.assert_close(found, (-delta / grad)[:, 0, : found.shape[1]])


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
