"""Adam with one second average per row or head: half of Adam's state."""

from dataclasses import replace

from torch import Tensor

from trainers.optimizers.base import (
    Beta2,
    Context,
    Eps,
    Momentum,
    Optimizer,
    ParamRole,
    State,
    chain,
    partition,
    parts_of,
)
from trainers.optimizers.blocks import MeanSquare, scale_by_blocks, whole
from trainers.optimizers.transforms import descend, descend_undecayed

PER_HEAD = (ParamRole.ATTENTION_Q, ParamRole.ATTENTION_K)


def adam_mini(
    momentum: Momentum = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8, *, heads: int
) -> Optimizer:
    """Adam whose second average is one number per block of the Hessian's near-diagonal structure.

    Update (t from 1, m = v = 0 before):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * mean_block(g^2)
        d  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d       (norm scales: without the decay)
    Blocks: a head of queries and of keys; a token's row of the embedding; an output, which is a
    column here, of any other matrix; all scales of a norm.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the source.
        beta2: 0 <= beta2 < 1; 0.999 in the source.
        eps: >= 1e-30, outside the root and after its correction; 1e-8 in the source.
        heads: of the model's attention.

    Source: arXiv 2406.16793, Algorithms 1 to 3; zyushun/Adam-mini@402aadf `adam_mini.py` (1.1.1).
        Centre of `lr`: the study's for Adam, whose settings the paper takes over.

    Deviations: blocks follow from what a parameter is for; the source looks for parts of names, and
        falls back to one block per tensor without a word.
    """

    def rule(mean_square: MeanSquare) -> Optimizer:
        return scale_by_blocks(momentum, beta2, eps, mean_square)

    decayed = dict.fromkeys(ParamRole, rule(_per_output))
    decayed |= dict.fromkeys(PER_HEAD, by_head(rule(_per_head), heads))
    decayed[ParamRole.EMBEDDING] = rule(_per_token)
    groups = {role: chain(optimizer, descend()) for role, optimizer in decayed.items()}
    return partition(groups | {ParamRole.NORM: chain(rule(whole), descend_undecayed())})


def by_head(optimizer: Optimizer, heads: int) -> Optimizer:
    """The optimizer of the same matrices with their outputs split, `(K, in, heads, width)`."""

    def split(matrix: Tensor) -> Tensor:
        return matrix.view(*matrix.shape[:2], heads, -1)

    def init(value: Tensor, role: ParamRole | None) -> State:
        return optimizer.init(split(value), role)

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        direction, state = optimizer.update(split(grad), state, split(value), context)
        return direction.flatten(2), state

    def parts(role: ParamRole | None) -> tuple[Optimizer, ...]:
        own = parts_of(optimizer, role)
        return tuple(part if part.elementwise else by_head(part, heads) for part in own)

    own_parts = None if optimizer.parts is None else parts
    return replace(optimizer, init=init, update=update, parts=own_parts)


def _per_output(grad: Tensor, role: ParamRole | None) -> Tensor:
    del role
    return grad.square().mean(1, keepdim=True)


def _per_token(grad: Tensor, role: ParamRole | None) -> Tensor:
    del role
    return grad.square().mean(2, keepdim=True)


def _per_head(grad: Tensor, role: ParamRole | None) -> Tensor:
    del role
    return grad.square().mean((1, 3), keepdim=True)
