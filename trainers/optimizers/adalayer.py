"""Adalayer: Adam with one second average per parameter tensor."""

from trainers.optimizers.base import Beta2, Eps, Momentum, Optimizer, chain
from trainers.optimizers.blocks import scale_by_blocks, whole
from trainers.optimizers.transforms import descend


def adalayer(momentum: Momentum = 0.9, beta2: Beta2 = 0.95, eps: Eps = 1e-15) -> Optimizer:
    """Adam that adapts the learning rate of whole tensors instead of elements.

    Update (t from 1, m = v = 0 before, v is one number per tensor):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * mean(g^2)
        d  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.

    Source: arXiv 2407.07972; `AdalayerW` without corrections in rosieyzh/optimizers-llm@a1f8a3f
        `olmo/optim.py`.

    Deviations: queries, keys and values are separate tensors here, hence three blocks; one block
        where they are fused.
    """
    return chain(scale_by_blocks(momentum, beta2, eps, whole), descend())
