import torch

from trainers.losses import cross_entropy, training_loss


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(3, 6, 5, generator=generator)).requires_grad_()
    target = torch.randint(0, 5, (3, 6), generator=generator)
    return logits, target, torch.tensor([0.0, 1e-4, 0.5], dtype=torch.double)


def test_losses_and_gradients_are_those_of_the_formula() -> None:
    logits, target, z_loss = example()
    loss, plain = training_loss(logits, target, z_loss)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)

    exact = logits.detach().double().requires_grad_()
    lse = exact.logsumexp(2)
    nll = (lse - exact.gather(2, target[..., None]).squeeze(2)).mean(1)
    expected = nll + z_loss * lse.square().mean(1)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), exact)

    torch.testing.assert_close(plain, nll.float())
    torch.testing.assert_close(cross_entropy(logits, target), nll.float())
    torch.testing.assert_close(loss, expected.float())
    torch.testing.assert_close(gradient, expected_gradient.float(), rtol=1e-5, atol=1e-6)


def test_gradients_follow_each_trials_weight_in_the_sum() -> None:
    logits, target, z_loss = example()
    weights = torch.tensor([1.0, 0.0, 2.0])
    (gradient,) = torch.autograd.grad(
        (training_loss(logits, target, z_loss)[0] * weights).sum(), logits
    )
    (plain,) = torch.autograd.grad(training_loss(logits, target, z_loss)[0].sum(), logits)
    torch.testing.assert_close(gradient, plain * weights[:, None, None])


def test_a_nan_stays_in_its_trial() -> None:
    logits, target, z_loss = example()
    spoiled = logits.detach().clone()
    spoiled[1, 2, 3] = float("nan")
    spoiled.requires_grad_()
    clean = training_loss(logits, target, z_loss)[0]
    loss = training_loss(spoiled, target, z_loss)[0]
    assert loss.isnan().tolist() == [False, True, False]
    assert torch.equal(loss[[0, 2]], clean[[0, 2]])
    (gradient,) = torch.autograd.grad(loss.sum(), spoiled)
    assert gradient[[0, 2]].isfinite().all()


def test_bf16_logits_get_bf16_gradients_of_fp32_losses() -> None:
    logits, target, z_loss = example()
    half = logits.detach().bfloat16().requires_grad_()
    loss, _ = training_loss(half, target, z_loss)
    (gradient,) = torch.autograd.grad(loss.sum(), half)
    assert (loss.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
