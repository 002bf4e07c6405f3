"""Closed forms and identities of Schedule-Free, Adam-mini and newer optimizers, in float64."""

from dataclasses import replace

import pytest
import torch

from tests.trainers.optimizers import cases_beyond
from tests.trainers.optimizers.alone import G, assert_rule, assert_same, make, random_grads
from tests.trainers.optimizers.harness import context, directions, update
from trainers.optimizers.base import Optimizer, ParamRole, State


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(False, [1.9, -0.987716, 0.809652]), (True, [1.473684, -0.889968, 0.745090])],
)
def test_both_forms_of_nadamw(ahead: bool, expected: list[float]) -> None:
    optimizer = make("nadamw", momentum=0.9, beta2=0.95, eps=0.0, correct_ahead=ahead)
    grads = [torch.full((1, 1, 1), g, dtype=torch.float64) for g in (1.0, -2.0, 3.0)]
    assert [d.item() for d in directions(optimizer, grads)] == pytest.approx(expected, abs=1e-6)


def test_nadamw_corrected_ahead_equals_plain_loops() -> None:
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-4}
    rule = cases_beyond.nadamw(4, 5, **settings, correct_ahead=1)
    assert_rule(make("nadamw", **settings, correct_ahead=True), rule, 1e-10)


SCHEDULE_FREE = {
    "schedule_free_sgd": [(0.9, 0.9, 0.9), (1.1, 1.0, 1.01), (0.8, 0.933333, 0.92)],
    "schedule_free_adamw": [
        (0.9, 0.9, 0.9),
        (1.026472, 0.963236, 0.969560),
        (0.887639, 0.938037, 0.932997),
    ],
}


def played(optimizer: Optimizer, lrs: list[float]) -> list[tuple[float, float, float]]:
    """z, x and y of one number from 1 on, for gradients 1, -2, 3, ..."""
    y = torch.ones(1, 1, 1, dtype=torch.float64)
    state, found = optimizer.init(y, ParamRole.MLP), []
    assert optimizer.eval_params is not None
    for step, lr in enumerate(lrs, 1):
        grad = torch.full_like(y, step * (-1.0) ** (step + 1))
        delta, state = optimizer.update(grad, state, y, context(step, 1, lr=lr))
        y = y + delta
        x = optimizer.eval_params(y, state)
        assert torch.equal(x, optimizer.eval_params(y, state))
        found.append((state["z"].item(), x.item(), y.item()))
    return found


@pytest.mark.parametrize("name", SCHEDULE_FREE)
def test_points_of_schedule_free(name: str) -> None:
    settings = {"momentum": 0.9} | ({"beta2": 0.999, "eps": 0.0} if "adamw" in name else {})
    found = played(make(name, **settings), [0.1] * 3)
    assert found == [pytest.approx(point, abs=1e-6) for point in SCHEDULE_FREE[name]]


@pytest.mark.parametrize("name", SCHEDULE_FREE)
def test_schedule_free_evaluates_the_mean_of_its_iterates(name: str) -> None:
    points = played(make(name, momentum=0.8), [0.05] * 8)
    for k, (_, x, _) in enumerate(points, 1):
        assert x == pytest.approx(sum(z for z, _, _ in points[:k]) / k)


def test_schedule_free_weighs_iterates_by_the_largest_learning_rate_so_far() -> None:
    (z1, _, _), (z2, x2, _), (z3, x3, _) = played(
        make("schedule_free_sgd", momentum=0.9), [0.1, 0.2, 0.0]
    )
    assert x2 == pytest.approx((z1 + 4 * z2) / 5)
    assert x3 == pytest.approx((z1 + 4 * z2 + 4 * z3) / 9)


def test_schedule_free_stays_put_at_learning_rate_zero() -> None:
    assert played(make("schedule_free_sgd", momentum=0.9), [0.0, 0.0]) == [(1.0, 1.0, 1.0)] * 2


def test_adam_mini_has_one_number_per_token_output_or_head() -> None:
    exact = {"momentum": 0.9, "beta2": 0.95, "eps": 0.0}
    per_token = torch.tensor([[[0.632456, 1.264911], [0.848528, -1.131371]]], dtype=torch.float64)
    two, one = make("adam_mini", **exact, heads=2), make("adam_mini", **exact, heads=1)
    found = directions(two, [G], role=ParamRole.EMBEDDING)[0]
    torch.testing.assert_close(found, per_token, rtol=0, atol=1e-6)
    per_output = directions(two, [G], role=ParamRole.LAST_LAYER)
    assert_same(per_output, [G / G.square().mean(1, keepdim=True).sqrt()])
    assert_same(directions(two, [G], role=ParamRole.ATTENTION_K), per_output)
    whole = [G / G.square().mean().sqrt()]
    assert_same(directions(one, [G], role=ParamRole.ATTENTION_Q), whole)
    assert_same(directions(one, [G], role=ParamRole.ATTENTION_V), per_output)


def test_adam_mini_is_adam_where_blocks_have_one_magnitude_or_one_element() -> None:
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}
    mini, adam = make("adam_mini", **settings, heads=1), make("adamw", **settings)
    signs = [grad.sign() * (1 + t) for t, grad in enumerate(random_grads())]
    assert_same(directions(mini, signs), directions(adam, signs))
    single = random_grads((1, 6))
    assert_same(directions(mini, single), directions(adam, single))


def test_adam_mini_keeps_half_of_adams_state() -> None:
    mini, value = make("adam_mini", heads=4), torch.zeros(1, 64, 64)
    for role in (ParamRole.ATTENTION_Q, ParamRole.MLP, ParamRole.EMBEDDING):
        kept = sum(tensor.numel() for tensor in mini.init(value, role).values())
        assert kept <= value.numel() + 64


def test_adam_mini_does_not_decay_norms() -> None:
    mini, value = make("adam_mini", heads=1), torch.ones(1, 3, dtype=torch.float64)
    now = context(1, 1, lr=0.1, decay=0.5, role=ParamRole.NORM)
    delta, _ = mini.update(torch.zeros_like(value), mini.init(value, ParamRole.NORM), value, now)
    assert not delta.any()


def cautious(name: str, **settings: float) -> list[float]:
    """The direction for m = [0.1, -0.2] after averaging g = [1, 1] in."""
    optimizer, grad = make(name, momentum=0.9, **settings), torch.ones(1, 2, dtype=torch.float64)
    state: State = optimizer.init(grad, ParamRole.MLP)
    state |= {"m": torch.tensor([[0.0, -1 / 3]], dtype=torch.float64)}
    delta, _ = optimizer.update(grad, state, torch.zeros_like(grad), context(1, 1))
    found: list[float] = (-delta[0]).tolist()
    return found


def test_masks_of_the_cautious() -> None:
    # At t = 1 the correction of m is 10 and v is g^2, hence m / 0.1 times the mask [2, 0].
    assert cautious("cautious_adamw", beta2=0.0, eps=0.0) == pytest.approx([2.0, 0.0])
    assert cautious("cautious_lion", beta2=0.95) == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("name", ["cautious_adamw", "cautious_lion"])
def test_the_cautious_tell_the_share_of_agreement(name: str) -> None:
    """Per trial: all agrees at first, then what keeps its sign, as the average is not weaker."""
    optimizer, shares = make(name, momentum=0.9, beta2=0.95), []
    grad = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, -2.0, 3.0, -4.0]], dtype=torch.float64)
    flips = torch.tensor([[-0.1, 1.0, 1.0, 1.0], [-0.1, -0.1, -0.1, 1.0]], dtype=torch.float64)
    assert optimizer.shares is not None
    state = optimizer.init(grad, ParamRole.MLP)
    for step, given in enumerate((grad, flips * grad), 1):
        _, state = optimizer.update(given, state, torch.zeros_like(grad), context(step, 2))
        shares.append(optimizer.shares(state, grad)["agreement_share"].tolist())
    assert shares == [[1.0, 1.0], [0.75, 0.25]]


def test_the_cautious_without_a_memory_of_gradients_mask_nothing() -> None:
    settings = {"momentum": 0.0, "beta2": 0.95}
    grads = random_grads()
    assert_same(
        directions(make("cautious_adamw", **settings, eps=0.0), grads),
        directions(make("adamw", **settings, eps=0.0), grads),
    )
    lion = [20 / 21 * d for d in directions(make("lion", **settings), grads)]
    assert_same(directions(make("cautious_lion", **settings), grads), lion)


def test_ademamix_without_its_slow_average_is_adam() -> None:
    settings, grads = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}, random_grads()
    assert_same(
        directions(make("ademamix", **settings, alpha=0.0, steps=12), grads),
        directions(make("adamw", **settings), grads),
    )


def test_mars_without_gamma_is_adam_on_gradients_of_norm_one_at_most() -> None:
    settings, grads = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}, random_grads()
    clipped = [grad / grad.norm().clamp(min=1.0) for grad in grads]
    assert_same(
        directions(make("mars", **settings, gamma=0.0), grads),
        directions(make("adamw", **settings), clipped),
    )
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}
    vectors = random_grads((6,))
    assert_same(
        directions(make("mars", **settings, gamma=0.5), vectors, role=ParamRole.NORM),
        directions(make("adamw", **settings), vectors),
    )


ADAPTIVE: dict[str, dict[str, float]] = {
    "nadamw": {},
    "muon": {"adam_lr": 1.0},
    "adam_mini": {"heads": 2},
    "schedule_free_adamw": {},
    "soap": {},
    "shampoo": {},
    "cautious_adamw": {},
    "ademamix": {"steps": 12},
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_effective_learning_rates_of_a_constant_gradient(name: str) -> None:
    """`lr / (|g| + eps)`, one per logit of the last layer where the rule has one."""
    optimizer, grad = make(name, **ADAPTIVE[name]), torch.full((1, 6, 4), 2.0, dtype=torch.float64)
    state, role = optimizer.init(grad, ParamRole.LAST_LAYER), ParamRole.LAST_LAYER
    for step in (1, 2, 3):
        now = context(step, 1, lr=0.5, role=role)
        _, state = optimizer.update(grad, state, torch.zeros_like(grad), now)
    assert optimizer.effective_lr is not None
    found = optimizer.effective_lr(state, grad, now)
    assert found.shape == (1, 1 if name == "soap" else 4)
    torch.testing.assert_close(found, torch.full_like(found, 0.25), rtol=1e-5, atol=0)


def test_prodigy_finds_the_distance_from_any_start() -> None:
    """It bounds the largest element's, 3, from below, and is of its order from any start."""
    target = torch.tensor([[[3.0, -2.0, 1.0]]], dtype=torch.float64)
    for d0 in (1e-6, 1e-2):
        prodigy, value = make("prodigy", d0=d0), torch.zeros_like(target)
        state = prodigy.init(value, ParamRole.MLP)
        for step in range(1, 300):
            delta, state = update(prodigy, (value - target).sign(), state, value, context(step, 1))
            value = value + delta
        assert 0.3 < state["d"].item() < 3.0


def test_prodigys_distance_is_that_of_all_parameters_together() -> None:
    prodigy, grads = make("prodigy", d0=1e-2), random_grads()
    whole = torch.zeros_like(grads[0])
    parts = {"left": whole[..., :2], "right": whole[..., 2:]}
    state = prodigy.init(whole, ParamRole.MLP)
    states = {name: prodigy.init(value, ParamRole.MLP) for name, value in parts.items()}
    assert prodigy.prepare is not None
    for step, grad in enumerate(grads, 1):
        split = {"left": grad[..., :2] + 1, "right": grad[..., 2:] + 1}
        now = context(step, 1, lr=0.5)
        delta, state = update(prodigy, grad + 1, state, whole, now)
        whole = whole + delta
        shared = replace(now, shared=prodigy.prepare(split, states, parts))
        for name, value in parts.items():
            delta, states[name] = prodigy.update(split[name], states[name], value, shared)
            parts[name] = value + delta
        together = torch.cat([parts["left"], parts["right"]], 2)
        torch.testing.assert_close(together, whole, rtol=1e-10, atol=0)
    assert state["d"].item() > 1e-2
