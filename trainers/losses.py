"""Cross-entropy and z-loss, one value per trial.

`K` trials, `M` rows, `V` vocabulary. Cross-entropy is the mean over rows of `logsumexp(logits) -
logits[target]` in nats; the z-loss (`z * mean(logsumexp(logits)^2)`) keeps logits from drifting and
is part of the training loss only.
"""

from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional


class _TrainingLoss(torch.autograd.Function):
    """Both losses and their gradient from one softmax.

    The gradient of row i is `softmax * (1 + 2 z lse_i) - onehot(target_i)`, over the number of
    rows. Autograd would keep three tensors as large as the logits, and on a CPU pass over memory
    three times as often.
    """

    @staticmethod
    def forward(
        ctx: Any, logits_KMV: Tensor, target_KM: Tensor, z_loss_K: Tensor
    ) -> tuple[Tensor, Tensor]:
        M = logits_KMV.shape[1]
        target_KM1 = target_KM[:, :, None]
        picked_KM1 = logits_KMV.gather(2, target_KM1).float()
        log_softmax_KMV = torch.log_softmax(logits_KMV, 2, dtype=torch.float32)
        nll_KM1 = -log_softmax_KMV.gather(2, target_KM1)
        lse_KM1 = picked_KM1 + nll_KM1
        z_K11 = z_loss_K.to(nll_KM1.dtype)[:, None, None]
        cross_entropy_K = nll_KM1.mean((1, 2))
        loss_K = cross_entropy_K + (z_K11 * lse_KM1.square()).mean((1, 2))

        grad_KMV = log_softmax_KMV.exp_().mul_((1 + 2 * z_K11 * lse_KM1) / M)
        grad_KMV.scatter_add_(2, target_KM1, torch.full_like(nll_KM1, -1 / M))
        ctx.save_for_backward(grad_KMV)
        ctx.mark_non_differentiable(cross_entropy_K)
        ctx.dtype = logits_KMV.dtype
        return loss_K, cross_entropy_K

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad_KMV,) = ctx.saved_tensors
        # In place: nobody else reads it. Autograd refuses to come here twice without retain_graph.
        return grad_KMV.mul_(grads[0][:, None, None]).to(ctx.dtype), None, None


def training_loss(logits_KMV: Tensor, target_KM: Tensor, z_loss_K: Tensor) -> tuple[Tensor, Tensor]:
    """`(cross-entropy + z-loss, cross-entropy)`, each `(K,)`; only the first has a gradient."""
    if is_compiling():
        return _to_be_fused(logits_KMV, target_KM, z_loss_K)
    loss_K, cross_entropy_K = _TrainingLoss.apply(  # type: ignore[no-untyped-call]
        logits_KMV, target_KM, z_loss_K
    )
    return loss_K, cross_entropy_K


def _to_be_fused(logits_KMV: Tensor, target_KM: Tensor, z_loss_K: Tensor) -> tuple[Tensor, Tensor]:
    """The same for the compiler, which keeps nothing between the passes but the logits."""
    rows_MV = logits_KMV.flatten(0, 1).float()
    nll_M = functional.cross_entropy(rows_MV, target_KM.flatten(), reduction="none")
    nll_KM, lse_KM = nll_M.view_as(target_KM), rows_MV.logsumexp(1).view_as(target_KM)
    cross_entropy_K = nll_KM.mean(1)
    z_K1 = z_loss_K.to(nll_KM.dtype)[:, None]
    return cross_entropy_K + (z_K1 * lse_KM.square()).mean(1), cross_entropy_K.detach()


def cross_entropy(logits_KMV: Tensor, target_KM: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats, `(K,)`."""
    log_softmax_KMV = torch.log_softmax(logits_KMV, 2, dtype=torch.float32)
    return -log_softmax_KMV.gather(2, target_KM[:, :, None]).mean((1, 2))
