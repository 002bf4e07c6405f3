"""SGD along the running average of gradients."""

from trainers.optimizers.base import (
    Momentum,
    Optimizer,
    chain,
)
from trainers.optimizers.transforms import descend, running_average


def sgd_ema(momentum: Momentum = 0.98) -> Optimizer:
    """Gradient descent along averaged gradients.

    Update (m = 0 before the first step):
        m <- momentum * m + (1 - momentum) * g
        w <- w - lr * decay * w - lr * m

    Args:
        momentum: 0 <= momentum < 1; 0.98, the study's for SGD. An average has no gain: a learning
            rate of `lr` is one of `lr * (1 - momentum)` for heavy-ball SGD, so that the default
            of 50 is the study's centre of 1.0.

    Source: arXiv 2407.07972; its hybrids in rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py` keep
        the same average.

    Deviations: none. Without the bias correction of the hybrids, as it would change the identity
        with heavy-ball SGD.
    """
    return chain(running_average(momentum), descend())
