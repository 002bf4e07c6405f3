import pytest
import torch

from trainers.stacked import (
    clip_factors,
    concatenate,
    embedding,
    layer_norm,
    linear,
    linear_add,
    norms,
    scale_inputs,
    standardize,
    views,
)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.double
    )


def test_linear_is_one_product_per_trial() -> None:
    x, w, residual = random(3, 5, 4), random(3, 4, 2), random(3, 5, 2)
    expected = torch.stack([x[k] @ w[k] for k in range(3)])
    torch.testing.assert_close(linear(x, w), expected)
    torch.testing.assert_close(linear_add(residual, x, w), residual + expected)


def test_the_residual_stays_in_full_precision_under_autocast() -> None:
    residual = torch.full((1, 1, 1), 1.0 + 2**-20)
    zero = torch.zeros(1, 1, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(linear_add(residual, zero, zero), residual)


def test_embedding_reads_each_trials_own_table() -> None:
    table, ids = random(2, 5, 3), torch.tensor([[0, 4, 4], [1, 2, 0]])
    expected = torch.stack([table[k][ids[k]] for k in range(2)])
    assert torch.equal(embedding(ids, table), expected)


def test_the_gradient_of_an_embedding_is_a_sum_over_the_occurrences_of_each_token() -> None:
    """Of tables that lie between other numbers, as parameters do."""
    table, ids = random(2, 7, 3)[:, 1:6].requires_grad_(), torch.tensor([[0, 4, 4], [4, 2, 2]])
    grad = random(2, 3, 3)
    (found,) = torch.autograd.grad(embedding(ids, table), table, grad)
    expected = torch.zeros(2, 5, 3, dtype=torch.double)
    for k in range(2):
        for m in range(3):
            expected[k, ids[k, m]] += grad[k, m]
    assert torch.equal(found, expected)


def test_a_scale_may_be_moved_into_the_weight() -> None:
    x, scale, w = random(2, 5, 4), random(2, 4), random(2, 4, 3)
    folded = linear(standardize(x), scale_inputs(scale, w))
    torch.testing.assert_close(folded, linear(layer_norm(x, scale), w))


def test_views_undo_concatenate_in_its_memory() -> None:
    tensors = {"a": random(2, 3, 4), "b": random(2, 5)}
    flat = concatenate(tensors.values())
    parts = views(flat, {"a": (3, 4), "b": (5,)})
    assert all(torch.equal(parts[name], tensors[name]) for name in tensors)
    parts["b"].zero_()
    assert norms(flat[:, 12:]).tolist() == [0.0, 0.0]


def test_norms_do_not_cross_trials() -> None:
    flat = random(3, 7)
    flat[1] = float("nan")
    norm = norms(flat)
    assert norm[1].isnan()
    assert norm[0].item() == pytest.approx(flat[0].square().sum().sqrt().item())


def test_clipping_is_the_studys() -> None:
    limits = torch.tensor([1.0, 1.0, 2.0, 1.0])
    factors = clip_factors(torch.tensor([0.5, 4.0, 4.0, 0.0], dtype=torch.double), limits)
    assert factors.tolist() == pytest.approx([1.0, 1 / (4 + 1e-6), 2 / (4 + 1e-6), 1.0], rel=1e-12)
    assert clip_factors(torch.tensor([torch.inf]), torch.ones(1)).isnan().all()
