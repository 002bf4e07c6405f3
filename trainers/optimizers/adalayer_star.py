"""Adalayer*: Adalayer with one second average per logit in the last layer."""

from trainers.optimizers.base import Beta2, Eps, Momentum, Optimizer, chain
from trainers.optimizers.blocks import per_logit, scale_by_blocks
from trainers.optimizers.transforms import descend


def adalayer_star(momentum: Momentum = 0.9, beta2: Beta2 = 0.95, eps: Eps = 1e-15) -> Optimizer:
    """Adam that adapts whole tensors, and each logit of the last layer.

    Update (t from 1, m = v = 0 before; blocks: each of q, k and v, each column of the output
    matrix, every other tensor):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * mean_block(g^2)
        d  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.

    Source: arXiv 2407.07972; `AdalayerW` with `att_correction` and `lastlayer_correction` in
        rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`.

    Deviations: the last layer is known by its role; the source guesses it from its name and from
        having more than 10,000 rows, and treats it as one block below that.
    """
    return chain(scale_by_blocks(momentum, beta2, eps, per_logit), descend())
