"""Closed forms and identities of the talk's optimizers and of newer ones, in float64."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers import cases_talk
from tests.trainers.optimizers.case import Matrix
from tests.trainers.optimizers.harness import column, context, directions, update
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Optimizer, ParamRole, State
from trainers.optimizers.matrix import inverse_root, newton_schulz
from trainers.optimizers.transforms import scale_by_adam

G = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]], dtype=torch.float64)


def make(name: str, **settings: float) -> Optimizer:
    """For one trial; whole numbers are options or facts of the run."""
    chosen = {k: v if isinstance(v, int) else column(v) for k, v in settings.items()}
    return REGISTRY[name].build(**chosen)


def random_grads(shape: tuple[int, ...] = (4, 5), count: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, *shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def assert_same(first: list[Tensor], second: list[Tensor], rtol: float = 1e-12) -> None:
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)


def assert_rule(optimizer: Optimizer, rule: Callable[[Matrix], Matrix], rtol: float) -> None:
    grads = random_grads()
    for d, grad in zip(directions(optimizer, grads), grads, strict=True):
        expected = torch.tensor([rule(grad[0].tolist())], dtype=torch.float64)
        torch.testing.assert_close(d, expected, rtol=rtol, atol=1e-12)


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
    rule = cases_talk.nadamw(4, 5, **settings, correct_ahead=1)
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


def test_muon_scales_with_outputs_over_inputs() -> None:
    wide = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    muon = make("muon", momentum=0.0)
    assert_same(directions(muon, [wide]), [2 * newton_schulz(wide)])
    assert_same(directions(muon, [wide.mT]), [newton_schulz(wide.mT)])


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


def polar(matrix: Tensor) -> Tensor:
    u, _, vt = torch.linalg.svd(matrix)
    factor: Tensor = u @ vt
    return factor


def test_soap_steps_along_the_polar_factor_on_its_second_call() -> None:
    found = directions(make("soap", momentum=0.9, beta2=0.95, eps=1e-8), [G, G])
    torch.testing.assert_close(found[1], polar(G), rtol=0, atol=1e-6)


def test_soap_neither_steps_nor_decays_on_its_first_call() -> None:
    soap, value = make("soap"), torch.ones(1, 2, 2, dtype=torch.float64)
    for role, shape in ((ParamRole.MLP, (1, 2, 2)), (ParamRole.NORM, (1, 4))):
        weights = value.view(shape)
        state = soap.init(weights, role)
        delta, _ = soap.update(
            torch.ones_like(weights), state, weights, context(1, 1, lr=0.1, decay=0.5, role=role)
        )
        assert not delta.any()


def test_soap_without_a_basis_is_adam_delayed_by_one_call_with_decay_after_the_step() -> None:
    """Adam as it adds eps before the correction; equal to ours at an eps of zero."""
    soap = make("soap", momentum=0.9, beta2=0.95, eps=0.0, max_precond_dim=1)
    adam = scale_by_adam(0.9, 0.95, 0.0)
    value = expected = torch.ones(1, 4, 5, dtype=torch.float64)
    state, adams = soap.init(value, ParamRole.MLP), adam.init(value, ParamRole.MLP)
    assert state.keys() == {"m", "v"}
    for step, grad in enumerate(random_grads(), 1):
        delta, state = soap.update(grad, state, value, context(step, 1, lr=0.1, decay=0.2))
        value = value + delta
        if step > 1:
            direction, adams = adam.update(grad, adams, expected, context(step - 1, 1))
            expected = (expected - 0.1 * direction) * (1 - 0.1 * 0.2)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)


def test_signs_of_eigenvectors_do_not_matter_to_soap() -> None:
    soap, grads = make("soap", precondition_frequency=2), random_grads()
    value = torch.zeros_like(grads[0])
    state = soap.init(value, ParamRole.MLP)
    _, state = soap.update(grads[0], state, value, context(1, 1))
    flips = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    other = state | {
        "left_basis": state["left_basis"] * flips[:4],
        "right_basis": state["right_basis"] * flips,
    }
    for step, grad in enumerate(grads[1:], 2):
        one, state = soap.update(grad, state, value, context(step, 1))
        two, other = soap.update(grad, other, value, context(step, 1))
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("frequency", "limit"), [(1, 10_000), (2, 4)])
def test_other_frequencies_and_one_sided_soap_equal_plain_loops(frequency: int, limit: int) -> None:
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}
    options = {"precondition_frequency": frequency, "max_precond_dim": limit}
    rule = cases_talk.soap(4, 5, momentum=0.9, beta2=0.95, eps=1e-8, **options)
    soap = make("soap", **settings, **options)
    value = torch.ones(1, 4, 5, dtype=torch.float64)
    state = soap.init(value, ParamRole.MLP)
    assert ("right" in state) == (limit > 4)
    for step, grad in enumerate(random_grads(), 1):
        expected = rule(grad[0].tolist(), value[0].tolist(), 0.1, 0.2)
        delta, state = soap.update(grad, state, value, context(step, 1, lr=0.1, decay=0.2))
        value = value + delta
        torch.testing.assert_close(
            value[0], torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=0
        )


@pytest.mark.parametrize("name", ["shampoo", "shampoo_squared"])
@pytest.mark.parametrize(("graft", "limit"), [(True, 10_000), (False, 4), (True, 4), (False, 3)])
def test_grafted_and_one_sided_shampoo_equal_plain_loops(
    name: str, graft: bool, limit: int
) -> None:
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-8}
    options = {"precondition_frequency": 3, "max_precond_dim": limit, "graft": graft}
    rule = getattr(cases_talk, name)(4, 5, **settings, **options)
    assert_rule(make(name, **settings, **options), rule, 1e-6)


@pytest.mark.parametrize("name", ["shampoo", "shampoo_squared"])
def test_grafting_takes_adams_length(name: str) -> None:
    settings = {"momentum": 0.9, "beta2": 0.95, "eps": 1e-16}
    lengths = [
        [d.norm().item() for d in directions(make(chosen, **settings), random_grads())]
        for chosen in (name, "adamw")
    ]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-6)


def test_shampoo_squared_as_idealised_is_longer_by_the_root_of_the_trace() -> None:
    squared = make("shampoo_squared", beta2=0.95, eps=0.0, graft=False)
    found = math.sqrt(30) * directions(squared, [G])[0]
    left, right, none = G @ G.mT, G.mT @ G, column(0.0)[:, None]
    trace = left.diagonal(dim1=1, dim2=2).sum()
    ideal = trace.sqrt() * inverse_root(left, none, 0.5) @ G @ inverse_root(right, none, 0.5)
    torch.testing.assert_close(found, ideal)


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


def test_hidden_matrices_of_muon_report_the_learning_rate_itself() -> None:
    muon, grad = make("muon"), torch.ones(1, 6, 4, dtype=torch.float64)
    assert muon.effective_lr is not None
    found = muon.effective_lr(muon.init(grad, ParamRole.MLP), grad, context(1, 1, lr=0.5))
    assert found.tolist() == [[0.5]]


def test_decay_of_muon_is_the_same_for_matrices_and_for_adams_parameters() -> None:
    muon, value = make("muon", adam_lr=0.3), torch.ones(1, 3, 3, dtype=torch.float64)
    for role in (ParamRole.MLP, ParamRole.EMBEDDING):
        now = context(1, 1, lr=0.1, decay=0.5, role=role)
        delta, _ = muon.update(torch.zeros_like(value), muon.init(value, role), value, now)
        torch.testing.assert_close(delta, -0.05 * value)


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
