"""Adam with decoupled weight decay."""

from trainers.optimizers.base import Beta2, Eps, Momentum, Optimizer, chain
from trainers.optimizers.transforms import descend, scale_by_adam


def adamw(momentum: Momentum = 0.9, beta2: Beta2 = 0.95, eps: Eps = 1e-15) -> Optimizer:
    """Averaged gradients over the root of their averaged squares, element by element.

    Update (t from 1, m = v = 0 before):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        d  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.

    Source: arXiv 1711.05101, Algorithm 2; PyTorch's `AdamW`, which the study uses
        (rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`).

    Deviations: none in exact arithmetic; both corrections are applied to one factor per trial
        instead of to the tensors, which saves two passes over memory.
    """
    return chain(scale_by_adam(momentum, beta2, eps), descend())
