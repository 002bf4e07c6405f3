"""Adam that estimates its own learning rate."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter
from trainers.optimizers.base import (
    Beta2,
    Context,
    Eps,
    Momentum,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, average, block_means, descend

Start = Annotated[
    PerTrial, Hyperparameter(default=1e-6, open_low=True, help="first estimate of the distance")
]
Coefficient = Annotated[
    PerTrial, Hyperparameter(default=1.0, open_low=True, help="factor of every later estimate")
]


def prodigy(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.999,
    eps: Eps = 1e-8,
    d0: Start = 1e-6,
    d_coef: Coefficient = 1.0,
) -> Optimizer:
    """Adam whose steps are multiples of an estimate of the distance to the solution.

    Update (m = v = s = r = 0 and d = d0 before; w_0 the first weights, sums over all parameters):
        d <- max(d, d_coef * r / sum|s|)                                (from the second step on)
        m <- beta1 * m + (1 - beta1) * d * g,  v <- beta2 * v + (1 - beta2) * d^2 * g^2
        r <- sqrt(beta2) * r + lr * d^2 / d0 * sum(g * (w_0 - w))
        s <- sqrt(beta2) * s + lr * d^2 / d0 * g
        w <- w - lr * decay * w - lr * d * m / (sqrt(v) + d * eps)

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the source.
        beta2: 0 <= beta2 < 1; 0.999 in the source.
        eps: >= 1e-30; 1e-8 in the source.
        d0: > 0, well below the distance; 1e-6 in the source.
        d_coef: > 0; 1 in the source, whose preferred way of tuning it is. `lr` multiplies d.

    Source: arXiv 2306.06101, Algorithm 4; konstmish/prodigy@0129cca
        `prodigyopt/prodigy_reference.py`. Centre of `lr`: 1, its default.

    Deviations: decay is not multiplied by d, so that `weight_decay` means what it does elsewhere.
        d times eps takes the d of the step, as in the paper; the source takes the next one. The
        learning rate is in both sums of the estimate, warmup included; the source can leave it out
        of one (`safeguard_warmup`, off unless it is set).
    """
    return chain(scale_by_distance(momentum, beta2, eps, d0, d_coef), descend())


def scale_by_distance(
    momentum: PerTrial, beta2: PerTrial, eps: PerTrial, d0: PerTrial, d_coef: PerTrial
) -> Optimizer:
    """Prodigy's direction, `d` included.

    Every parameter's state has the `d` of all of them, its own share of `r`, and its own `length`,
    the sum of |s|; `(K,)` each. `prepare` brings the shares together before a step, which is when
    the paper's d has the next step's index.
    """

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        nothing = torch.zeros(len(value), dtype=torch.float64, device=value.device)
        zeros = {name: torch.zeros_like(value) for name in ("m", "v", "s")}
        scalars = {"d": nothing + d0, "r": nothing, "length": nothing.clone()}
        return zeros | scalars | {"start": value.clone()}

    def prepare(
        grads: Mapping[str, Tensor], states: Mapping[str, State], values: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        del grads, values
        r, length = (_total(states, name) for name in ("r", "length"))
        estimate = torch.where(length == 0, 0.0, d_coef * r / length)
        return {"d": torch.maximum(next(iter(states.values()))["d"], estimate)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        d = context.shared["d"]
        scaled = grad * per_trial(d, grad)
        m = average(state["m"], scaled, momentum)
        v = average(state["v"], scaled.square(), beta2)
        memory, weight = beta2**0.5, context.lr.double() * d / d0
        towards = (scaled * (state["start"] - value)).flatten(1).sum(1).double()
        s = torch.addcmul(state["s"] * per_trial(memory, grad), scaled, per_trial(weight, grad))
        new = {"m": m, "v": v, "s": s, "d": d.clone(), "r": memory * state["r"] + weight * towards}
        new["length"] = s.abs().flatten(1).sum(1).double()
        del scaled  # As large as the parameter, and so is all that the direction takes.
        direction = (m * per_trial(d, grad)).div_(v.sqrt().add_(per_trial(d * eps, grad)))
        return direction, state | new

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        d, v = state["d"], block_means(state["v"], context.role)
        return adaptive_lr(v, d * eps, context) * per_trial(d**2, v)

    return Optimizer(init, update, prepare=prepare, effective_lr=effective_lr)


def _total(states: Mapping[str, State], name: str) -> Tensor:
    """The sum over parameters, `(K,)`."""
    return torch.stack([state[name] for state in states.values()]).sum(0)
