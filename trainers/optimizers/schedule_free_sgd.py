"""SGD without a learning rate schedule."""

from trainers.optimizers.base import Optimizer
from trainers.optimizers.schedule_free import Interpolation, average_iterates


def schedule_free_sgd(momentum: Interpolation = 0.9) -> Optimizer:
    """Gradient steps whose weighted average is evaluated, in place of a decay of their size.

    Update (k from 1, z = x = y before, y the weights in training):
        u  = g(y) + decay * y
        z <- z - lr_k * u
        x <- (1 - c) * x + c * z,  c = q_k / (q_1 + ... + q_k),  q_k = max(lr_1 ... lr_k)^2
        y <- (1 - beta1) * z + beta1 * x

    Args:
        momentum: beta1, 0 < momentum < 1; 0.9 in the source. Where between z and its average x
            gradients are taken.

    Source: arXiv 2405.15682, section 2; `SGDScheduleFree` in
        facebookresearch/schedule_free@70785b5. Centre of `lr`: 1.0, its default. Its schedule is
        `warmup_constant`.

    Deviations: none. x is not stored, but computed from y and z where the loop evaluates.
    """
    return average_iterates(momentum)
