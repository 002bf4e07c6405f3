"""Closed forms and identities of Muon, Shampoo and SOAP, in float64."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers import cases_matrix
from tests.trainers.optimizers.alone import G, assert_rule, assert_same, make, random_grads
from tests.trainers.optimizers.harness import column, context, directions
from trainers.optimizers.base import ParamRole
from trainers.optimizers.matrix import inverse_root, newton_schulz
from trainers.optimizers.transforms import scale_by_adam


def test_muon_scales_with_outputs_over_inputs() -> None:
    wide = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    muon = make("muon", momentum=0.0)
    assert_same(directions(muon, [wide]), [2 * newton_schulz(wide)])
    assert_same(directions(muon, [wide.mT]), [newton_schulz(wide.mT)])


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
    rule = cases_matrix.soap(4, 5, momentum=0.9, beta2=0.95, eps=1e-8, **options)
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
    rule = getattr(cases_matrix, name)(4, 5, **settings, **options)
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
