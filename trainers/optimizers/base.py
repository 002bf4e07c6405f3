"""What an optimizer is: a pair of pure functions over one stacked tensor, and ways to combine them.

After optax: `init` makes a tensor's state, `update` turns a gradient into what to add to the
tensor. Axis 0 of every tensor is trials; hyperparameters are `PerTrial`, and nothing looks at
their values.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Protocol, get_args, get_origin

import torch
from torch import Tensor

from trainers.config import Hyperparameter

PerTrial = float | Tensor
"""One value for all trials, or one per trial in a float64 tensor `(K,)`."""

Momentum = Annotated[
    PerTrial, Hyperparameter(default=0.9, high=1.0, help="factor of the average of gradients")
]
Beta2 = Annotated[
    PerTrial, Hyperparameter(default=0.95, high=1.0, help="factor of the second running average")
]
Eps = Annotated[
    PerTrial, Hyperparameter(default=1e-15, open_low=True, help="added to the root of the average")
]

State = dict[str, Tensor]
"""Tensors of an optimizer for one parameter, by name. Each has the trials first."""


class ParamRole(StrEnum):
    """What a parameter is for. Blocks of an optimizer are chosen by it, never by rank or name."""

    EMBEDDING = "embedding"
    ATTENTION_Q = "attention_q"
    ATTENTION_K = "attention_k"
    ATTENTION_V = "attention_v"
    ATTENTION_OUT = "attention_out"
    MLP = "mlp"
    NORM = "norm"
    LAST_LAYER = "last_layer"


@dataclass(frozen=True)
class Context:
    """What an update may know besides its own tensor. Per-trial fields are `(K,)`.

    `step` counts from 1. `decay` is the coefficient of decoupled decay: `weight_decay / peak_lr`,
    the study's "independent" convention, so that a step at peak shrinks weights by `weight_decay`
    at any learning rate. `role` is None for elementwise optimizers, which see all parameters as
    one tensor. `shared` is what `Optimizer.prepare` returned.
    """

    step: int
    lr: Tensor
    peak_lr: Tensor
    decay: Tensor
    role: ParamRole | None
    shared: Mapping[str, Tensor]


class Init(Protocol):
    """The state of a parameter before the first step."""

    def __call__(self, value: Tensor, role: ParamRole | None) -> State:
        """See the class."""
        ...


class Update(Protocol):
    """What to add to the parameter, in its shape and type, and the next state.

    Pure: no argument is changed, and a state that is returned may share no memory with the
    gradient.
    """

    def __call__(
        self, grad: Tensor, state: State, value: Tensor, context: Context
    ) -> tuple[Tensor, State]:
        """See the class."""
        ...


Prepare = Callable[
    [Mapping[str, Tensor], Mapping[str, State], Mapping[str, Tensor]], Mapping[str, Tensor]
]
"""Per-trial numbers that need the whole tree, from gradients, states and values by name."""

EvalParams = Callable[[Tensor, State], Tensor]
"""The value to evaluate at, for optimizers that train at another point."""


@dataclass(frozen=True)
class Optimizer:
    """`init` and `update` of one tensor; `prepare` and `eval_params` where an optimizer needs them.

    `elementwise` promises that no element is treated with regard to another one, to its role or to
    its shape. All parameters are then updated as one tensor, `(K, P)`.
    """

    init: Init
    update: Update
    prepare: Prepare | None = None
    eval_params: EvalParams | None = None
    elementwise: bool = False


def chain(*parts: Optimizer) -> Optimizer:
    """Each part's update is the next one's gradient. Their states share one namespace."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        state: State = {}
        for part in parts:
            own = part.init(value, role)
            assert not state.keys() & own.keys(), f"two parts of a chain keep {[*own]}"
            state |= own
        return state

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        for part in parts:
            grad, state = part.update(grad, state, value, context)
        return grad, state

    return Optimizer(init, update, elementwise=all(part.elementwise for part in parts))


def partition(by_role: Mapping[ParamRole, Optimizer]) -> Optimizer:
    """Another optimizer for each role; raises ValueError if a parameter's role has none."""

    def choose(role: ParamRole | None) -> Optimizer:
        if role is None or role not in by_role:
            known = ", ".join(sorted(by_role))
            raise ValueError(f"no optimizer for the role '{role}'; there are some for: {known}")
        return by_role[role]

    def init(value: Tensor, role: ParamRole | None) -> State:
        return choose(role).init(value, role)

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return choose(context.role).update(grad, state, value, context)

    return Optimizer(init, update)


def per_trial(x: PerTrial, like: Tensor) -> Tensor:
    """The values shaped and typed to multiply a stacked tensor."""
    x = torch.as_tensor(x, dtype=like.dtype, device=like.device)
    return x.view(-1, *[1] * (like.dim() - 1))


@dataclass(frozen=True)
class Entry:
    """One line of the registry: how to build an optimizer, and around what to sweep it."""

    build: Callable[..., Optimizer]
    lr: float
    """Centre of the study's learning rate sweep."""
    summary: str
    source: str

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """The optimizer's own per-trial hyperparameters, read from the signature of `build`."""
        return hyperparameters(self.build)


def hyperparameters(build: Callable[..., Optimizer]) -> Mapping[str, Hyperparameter]:
    """Every `name: Annotated[PerTrial, Hyperparameter(...)] = default` of the signature."""
    found: dict[str, Hyperparameter] = {}
    for name, parameter in inspect.signature(build).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            _, description, *_ = get_args(parameter.annotation)
            assert isinstance(description, Hyperparameter), f"{name} has no Hyperparameter"
            found[name] = replace(description, default=parameter.default)
    return found
