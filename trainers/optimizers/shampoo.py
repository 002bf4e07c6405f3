"""Preconditioning with one matrix per side of a parameter, at the paper's power or at twice it."""

from trainers.optimizers.base import Momentum, Optimizer, chain
from trainers.optimizers.kronecker import (
    Damping,
    FactorBeta,
    Frequency,
    Graft,
    MaxDim,
    Roots,
    scale_by_roots,
)
from trainers.optimizers.transforms import descend


def shampoo(
    momentum: Momentum = 0.9,
    beta2: FactorBeta = 0.95,
    eps: Damping = 1e-12,
    *,
    precondition_frequency: Frequency = 10,
    max_precond_dim: MaxDim = 10_000,
    graft: Graft = True,
) -> Optimizer:
    """The average of gradients over a quarter power of two matrices, one per side.

    Update (t from 1, m = L = R = 0 before):
        m <- beta1 * m + (1 - beta1) * g
        L <- beta2 * L + (1 - beta2) * g g^T, R likewise with g^T g, v with g^2  (beta2 = 1: sums)
        d  = (L / (1 - beta2^t) + eps)^-1/4 m / (1 - beta1^t) (R / (1 - beta2^t) + eps)^-1/4
        d <- d * |n| / |d| if `graft`, n = m / (1 - beta1^t) / sqrt(v / (1 - beta2^t) + eps)
        norm scales: d = n
        w <- w - lr * decay * w - lr * d

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the source.
        beta2: 0 <= beta2 <= 1; 1, a sum, in the paper; 0.95 is SOAP's and the study's for Adam.
        eps: >= 1e-30, added to the eigenvalues of L and R after their correction; 1e-12 in the
            source. What is within the round-off of the largest one then counts as a zero without
            inverse.
        precondition_frequency: steps between two computations of the roots, >= 1; until it is
            reached they are computed at every step. 1 in the source, 10 in SOAP's.
        max_precond_dim: a longer side has no preconditioner; the other one then takes the power
            of both. 10,000 as in SOAP; the source cuts sides over 1,024 into blocks.
        graft: whether steps are as long as Adam's; an option of the source. Without it, a
            matrix moves by another order of magnitude than norms at the same `lr`.

    Source: arXiv 1802.09568, Algorithm 1; facebookresearch/optimizers@f606606
        `distributed_shampoo/`. Centre of `lr`: the study's for Adam, to whose steps it is grafted.

    Deviations: no blocks. Roots are pseudo-inverses, where the source inverts every damped
        eigenvalue. beta2 is 0.95 where paper and source have a sum (1), and roots are computed
        every 10 steps where those do so at every one. Queries, keys and values have preconditioners
        of their own, as they are separate matrices here. A preconditioner that is not finite is
        NaN, which ends that trial alone.
    """
    roots = Roots(0.5, precondition_frequency, max_precond_dim, graft)
    return chain(scale_by_roots(momentum, beta2, eps, roots), descend())


def shampoo_squared(
    momentum: Momentum = 0.9,
    beta2: FactorBeta = 0.95,
    eps: Damping = 1e-12,
    *,
    precondition_frequency: Frequency = 10,
    max_precond_dim: MaxDim = 10_000,
    graft: Graft = True,
) -> Optimizer:
    """The average of gradients over a square root of two matrices, one per side.

    Update: that of `shampoo` with
        d  = (L / (1 - beta2^t) + eps)^-1/2 m / (1 - beta1^t) (R / (1 - beta2^t) + eps)^-1/2

    Args:
        momentum: beta1, as of `shampoo`, like all others.
        beta2: 0 <= beta2 <= 1; of both matrices.
        eps: >= 1e-30, added to their eigenvalues.
        precondition_frequency: steps between two computations of the roots.
        max_precond_dim: a longer side has no preconditioner.
        graft: whether steps are as long as Adam's.

    Source: arXiv 2406.17748, "A New Perspective on Shampoo's Preconditioner"; otherwise that of
        `shampoo`, whose centre of `lr` it has.

    Deviations: those of `shampoo`, and no factor trace(L)^1/2 as in the idealised rule: grafting
        sets the length, and without it steps are in inverse proportion to the gradient.
    """
    roots = Roots(1.0, precondition_frequency, max_precond_dim, graft)
    return chain(scale_by_roots(momentum, beta2, eps, roots), descend())
