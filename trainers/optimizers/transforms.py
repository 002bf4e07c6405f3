"""Parts that optimizers share: running averages and the step itself."""

from dataclasses import replace

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Context,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)


def average(old: Tensor, new: Tensor, beta: PerTrial) -> Tensor:
    """`beta * old + (1 - beta) * new` as a new tensor."""
    return torch.lerp(old, new, per_trial(1 - beta, old))


def running_average(momentum: PerTrial) -> Optimizer:
    """The running average of gradients."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        m = average(state["m"], grad, momentum)
        return m, state | {"m": m}

    return Optimizer(init, update, elementwise=True)


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 as a new tensor, and NaN where there is no finite number.

    `torch.sign` has 0 for NaN: a trial whose gradients are none would stand still and seem to end.
    """
    return x.sign().add_(x, alpha=0.0)


def no_state(value: Tensor, role: ParamRole | None) -> State:
    """The `init` of a part that keeps nothing."""
    del value, role
    return {}


def block_means(squares: Tensor, role: ParamRole | None) -> Tensor:
    """The mean of an elementwise v over each block of a parameter, `(K, blocks)`.

    Each logit of the last layer is a block; any other parameter is one.
    """
    if role is ParamRole.LAST_LAYER:
        return squares.mean(1)
    return squares.flatten(1).mean(1, keepdim=True)


def adaptive_lr(v: Tensor, eps: PerTrial, context: Context) -> Tensor:
    """`lr / (sqrt(v) + eps)` for the v of each block, `(K, blocks)`, as the step used it."""
    return per_trial(context.lr, v) / (v.sqrt() + per_trial(eps, v))


def descend() -> Optimizer:
    """`-lr * (grad + decay * value)`: the scheduled step with decoupled decay, last in a chain.

    Equal to shrinking the value by `1 - lr * decay` first and then stepping along the gradient.
    """

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        decayed = torch.addcmul(grad, value, per_trial(context.decay, value))
        return decayed.mul_(per_trial(-context.lr, value)), state

    return Optimizer(no_state, update, elementwise=True)


def scale_by_adam(momentum: PerTrial, beta2: PerTrial, eps: PerTrial) -> Optimizer:
    """Adam's direction: the average over the root of the averaged squares, both corrected."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "v": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        m = average(state["m"], grad, momentum)
        v = average(state["v"], grad.square(), beta2)
        root = (1 - beta2**context.step) ** 0.5
        denominator = v.sqrt().add_(per_trial(eps * root, value))
        direction = m * per_trial(root / (1 - momentum**context.step), value)
        return direction.div_(denominator), state | {"m": m, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(state["v"], context.role)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, elementwise=True, effective_lr=effective_lr)


def at_own_lr(optimizer: Optimizer, lr: PerTrial) -> Optimizer:
    """The direction times `lr / peak_lr`: a step at another learning rate on the same schedule."""

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad * per_trial(lr / context.peak_lr, value), state

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        assert optimizer.effective_lr is not None
        effective = optimizer.effective_lr(state, value, context)
        return effective * per_trial(lr / context.peak_lr, effective)

    rescaled = chain(optimizer, Optimizer(no_state, update, elementwise=True))
    return replace(rescaled, effective_lr=effective_lr)


def descend_undecayed() -> Optimizer:
    """`-lr * grad`: the scheduled step of a parameter that does not decay, last in a chain."""

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad * per_trial(-context.lr, value), state

    return Optimizer(no_state, update, elementwise=True)


def share_of(mask: Tensor) -> Tensor:
    """The mean of zeros and ones over each trial's tensor, shaped to divide it."""
    return mask.mean(tuple(range(1, mask.dim())), keepdim=True)


def agreement_shares(state: State, value: Tensor) -> dict[str, Tensor]:
    """What a cautious rule reports: where gradient and direction had one sign, as it kept it."""
    del value
    return {"agreement_share": state["agreement"][:, 0]}
