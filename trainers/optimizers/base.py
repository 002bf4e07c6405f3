"""What an optimizer is: a pair of pure functions over one stacked tensor, and ways to combine them.

After optax: `init` makes a tensor's state, `update` turns a gradient into what to add to the
tensor. Axis 0 of every tensor is trials; hyperparameters are `PerTrial`, and nothing looks at
their values.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Protocol, TypeVar

import torch
from torch import Tensor
from torch.compiler import is_compiling

from trainers.config import LEAST_EPS, Hyperparameter, Option, ScheduleName
from trainers.scalars import computed_once
from trainers.signatures import described

PerTrial = float | Tensor
"""One value for all trials, or one per trial in a float64 tensor `(K,)`."""

Momentum = Annotated[
    PerTrial, Hyperparameter(default=0.9, high=1.0, help="factor of the average of gradients")
]
Beta2 = Annotated[
    PerTrial, Hyperparameter(default=0.95, high=1.0, help="factor of the second running average")
]
Eps = Annotated[
    PerTrial, Hyperparameter(default=1e-15, low=LEAST_EPS, help="added to the root of the average")
]

WidthScaling = Literal["adam", "sgd", "spectral"]
"""How steps depend on the size of gradients: `adam`, not at all; `sgd`, in proportion; `spectral`,
not at all, and a hidden matrix's step has a spectral norm that suits its shape."""

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

    `step` counts from 1. `decay` is the coefficient of decoupled decay, `w <- w - lr * decay * w`:
    `weight_decay / peak_lr` under the study's "independent" convention, so that a step at peak
    shrinks weights by `weight_decay` at any learning rate, and `weight_decay` itself under the
    "coupled" one. `role` is None for elementwise optimizers, which see all parameters as
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
    gradient. Names, shapes and types of a state stay what `init` made them.
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


class EffectiveLr(Protocol):
    """`lr / (sqrt(v) + eps)` of every block of a parameter, `(K, blocks)`, with the v of the step.

    `state` is the one that the step at `context.step` returned, `value` the parameter, and
    `context.role` its role for elementwise optimizers too. Where v is elementwise, its mean over
    the block stands for it: see `transforms.block_means`.
    """

    def __call__(self, state: State, value: Tensor, context: Context) -> Tensor:
        """See the class."""
        ...


Shares = Callable[[State, Tensor], Mapping[str, Tensor]]
"""Shares of a parameter's elements, `(K,)` by name, from the state that a step returned and from
the parameter. Their means over all elements of a trial are metrics."""


@dataclass(frozen=True)
class Curvature:
    """A second look at the loss, for optimizers that estimate its curvature.

    After every `every`-th ordinary step, `update` makes the next state from the gradient of the
    mean loss on the next batch, with labels drawn from the model's own predictions, clipped like
    any gradient.
    """

    every: int
    update: Callable[[Tensor, State, Tensor, Context], State]


@dataclass(frozen=True)
class Optimizer:
    """`init` and `update` of one tensor, and what only some optimizers need.

    `effective_lr` and `shares` are what some report about their step. `elementwise` promises that
    no element is treated with regard to another one, to its role or to its shape. All parameters
    are then updated as one tensor, `(K, P)`.
    """

    init: Init
    update: Update
    prepare: Prepare | None = None
    eval_params: EvalParams | None = None
    elementwise: bool = False
    curvature: Curvature | None = None
    effective_lr: EffectiveLr | None = None
    shares: Shares | None = None
    parts: Callable[[ParamRole | None], "tuple[Optimizer, ...]"] | None = None
    """Of a parameter's `update`, where it is that of several, one after the other."""


def chain(*parts: Optimizer) -> Optimizer:
    """Each part's update is the next one's gradient. Their states share one namespace.

    What only some optimizers need comes from the one part that has it.
    """

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

    return Optimizer(
        init,
        update,
        prepare=_only([part.prepare for part in parts]),
        eval_params=_only([part.eval_params for part in parts]),
        elementwise=all(part.elementwise for part in parts),
        curvature=_only([part.curvature for part in parts]),
        effective_lr=_only([part.effective_lr for part in parts]),
        shares=_only([part.shares for part in parts]),
        parts=lambda role: tuple(own for part in parts for own in parts_of(part, role)),
    )


def parts_of(optimizer: Optimizer, role: ParamRole | None) -> tuple[Optimizer, ...]:
    """The optimizers that one consists of for a parameter of that role: itself, if of no others."""
    return (optimizer,) if optimizer.parts is None else optimizer.parts(role)


Piece = TypeVar("Piece")


def _only(pieces: Sequence[Piece | None]) -> Piece | None:
    """The one that is there, or None."""
    present = [piece for piece in pieces if piece is not None]
    assert len(present) <= 1, "two parts of a chain provide the same"
    return present[0] if present else None


def partition(by_role: Mapping[ParamRole, Optimizer]) -> Optimizer:
    """Another optimizer for each role; raises ValueError if a parameter's role has none.

    The effective learning rate of a group that is not adaptive is its learning rate. No group may
    have a `prepare`, `eval_params`, `curvature` or `shares`.
    """
    for optimizer in by_role.values():
        unusual = (optimizer.prepare, optimizer.eval_params, optimizer.curvature, optimizer.shares)
        assert not any(unusual), "a group of a partition has one tensor's init and update only"

    def choose(role: ParamRole | None) -> Optimizer:
        if role is None or role not in by_role:
            known = ", ".join(sorted(by_role))
            raise ValueError(f"no optimizer for the role '{role}'; there are some for: {known}")
        return by_role[role]

    def init(value: Tensor, role: ParamRole | None) -> State:
        return choose(role).init(value, role)

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return choose(context.role).update(grad, state, value, context)

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        own = choose(context.role).effective_lr
        return context.lr[:, None] if own is None else own(state, value, context)

    adaptive = any(optimizer.effective_lr for optimizer in by_role.values())
    return Optimizer(
        init,
        update,
        effective_lr=effective_lr if adaptive else None,
        parts=lambda role: parts_of(choose(role), role),
    )


def per_trial(x: PerTrial, like: Tensor) -> Tensor:
    """The values shaped and typed to multiply a stacked tensor."""
    if not isinstance(x, Tensor):
        # Written there: a copy would wait for all that the device still has to do.
        x = torch.full((), x, dtype=like.dtype, device=like.device)
    x = x.to(like.device, like.dtype)
    return (computed_once(x) if is_compiling() else x).view(-1, *[1] * (like.dim() - 1))


@dataclass(frozen=True)
class Entry:
    """One line of the registry: how to build an optimizer, and around what to sweep it.

    `build` takes hyperparameters as `Annotated[PerTrial, Hyperparameter(...)]`, options as
    `Annotated[int, Option(...)]` or `Annotated[bool, Option(...)]`, and facts of the run as plain
    `int`: `heads`, `steps` and `tokens_per_batch`. A hyperparameter that every run has, such as
    `weight_decay`, is passed to a `build` that names it, and described by it.
    """

    build: Callable[..., Optimizer]
    lr: float
    """Centre of the study's learning rate sweep."""
    summary: str
    source: str
    schedule: ScheduleName = "warmup_cosine"
    """The schedule of a run that does not choose one."""
    state_bytes: float | None = None
    """Bytes it keeps per parameter, where they cannot be measured without data."""
    extra_flops: str = ""
    """Operations of an update on matrices or gradients, in words, beyond some per parameter."""
    own_decay: bool = False
    """Whether weight decay is `build`'s affair, if it takes any: `Context.decay` is then zero."""
    version: str = ""
    """Of code that is not built in: release of its package, or SHA-256 of its source."""
    scaling: WidthScaling | None = None
    """Whose steps its own are like as the model gets wider; None: it cannot be used under muP."""
    unscaled: str = "how its steps scale with the width is not stated"
    """Why not."""
    check: Callable[..., object] | None = None
    """Takes one trial's hyperparameters and options as `build` does, all of them in range, and
    raises ValueError if they do not go together."""

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """The optimizer's own per-trial hyperparameters, read from the signature of `build`."""
        return described(self.build, Hyperparameter)

    @property
    def options(self) -> Mapping[str, Option]:
        """The settings that a stack shares, read from the signature of `build`."""
        return described(self.build, Option)

    def construct(
        self,
        hyperparameters: Mapping[str, PerTrial],
        options: Mapping[str, int | str | bool],
        facts: Mapping[str, int],
    ) -> Optimizer:
        """The optimizer; of the facts of the run it gets those that `build` asks for."""
        own = {name: hyperparameters[name] for name in self.hyperparameters}
        known = {k: v for k, v in facts.items() if k in inspect.signature(self.build).parameters}
        return self.build(**own, **options, **known)
