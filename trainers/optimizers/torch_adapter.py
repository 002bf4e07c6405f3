"""The optimizers of `torch.optim` as they are, each trial's tensor in the hands of its own one.

Slower than the stacked ones by about the number of trials, and open to whatever torch adds: any
class that takes dense gradients and needs no closure. Float arguments of the constructor become
hyperparameters (`betas` are `momentum` and `beta2`), switches become options. Weight decay is
handed to the class as it is. A step is what the class does, up to the rounding of one addition.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, Protocol

import torch
from torch import Tensor

from trainers.config import Hyperparameter, Option
from trainers.optimizers.base import (
    Context,
    EffectiveLr,
    Entry,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, block_means

PREFIX = "torch."
VERSION = f"torch {torch.__version__.split('+')[0]}"

REFUSED: Mapping[str, str] = {
    "LBFGS": "its step needs a closure that evaluates the loss again",
    "Muon": "it updates matrices only, and the models have vectors; muon does both",
    "SparseAdam": "it takes sparse gradients only",
}
"""Why a class of torch.optim cannot be swept."""

_STATE_BYTES: Mapping[str, float] = {
    **dict.fromkeys(("Adam", "AdamW", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop"), 8.0),
    **dict.fromkeys(("ASGD", "Adagrad", "RMSprop"), 4.0),
    "SGD": 0.0,
}
"""Bytes that a class keeps per fp32 parameter with its defaults; not for those that factor."""

_SQUARES: Mapping[str, str] = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam"), "exp_avg_sq"),
    "RMSprop": "square_avg",
    "Adagrad": "sum",
}
"""Where the classes that step by `lr / (sqrt(v) + eps)` keep v; the others have another rule."""

_TUPLES: Mapping[str, tuple[str, str]] = {
    "betas": ("momentum", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_min", "step_max"),
}
_KEPT = frozenset({"params", "foreach", "maximize", "differentiable", "capturable", "fused"})
"""Arguments that choose an implementation, or turn the descent around."""

_SHARE = Hyperparameter(default=0.0, high=1.0, help="argument of the class")
_POSITIVE = Hyperparameter(default=0.0, open_low=True, help="argument of the class")
_NOT_NEGATIVE = Hyperparameter(default=0.0, help="argument of the class")
_ANY = Hyperparameter(default=0.0, low=-1e30, help="argument of the class")
_RANGES: Mapping[str, Hyperparameter] = {
    "momentum": replace(_SHARE, help="factor of the average of gradients"),
    "beta2": replace(_SHARE, help="factor of the second running average"),
    "weight_decay": replace(_NOT_NEGATIVE, help="weight decay as the class has it"),
    "alpha": replace(_SHARE, open_high=False),
    "rho": replace(_SHARE, open_high=False),
    "dampening": _SHARE,
    "eps": _NOT_NEGATIVE,
    "lambd": _NOT_NEGATIVE,
    "t0": _NOT_NEGATIVE,
    "lr_decay": _NOT_NEGATIVE,
    "momentum_decay": _NOT_NEGATIVE,
    "initial_accumulator_value": _NOT_NEGATIVE,
    "beta2_decay": replace(_SHARE, low=-1.0, high=0.0, open_high=False),
    "d": replace(_NOT_NEGATIVE, low=1.0),
    "eta_minus": replace(_SHARE, open_low=True),
    "eta_plus": replace(_POSITIVE, low=1.0),
    "step_min": _POSITIVE,
    "step_max": _POSITIVE,
}
"""What each class checks in its constructor."""


class TorchClass(Protocol):
    """A class of torch.optim."""

    __name__: str

    def __call__(self, params: Sequence[Tensor], **arguments: Any) -> torch.optim.Optimizer:
        """See the class."""
        ...


@cache
def entries() -> Mapping[str, Entry]:
    """Every class of torch.optim that can be swept, as `torch.<Class>`."""
    return {PREFIX + name: _entry(kind) for name, kind in _classes().items() if name not in REFUSED}


def refusal(name: str) -> str | None:
    """Why there is no such optimizer, if it is a class of torch.optim."""
    reason = REFUSED.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    return reason and f"{name} cannot be swept: {reason}"


def _classes() -> dict[str, Any]:
    found = {name: getattr(torch.optim, name) for name in sorted(dir(torch.optim))}
    base = torch.optim.Optimizer
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }


def _entry(kind: Any) -> Entry:
    arguments = {
        name: parameter
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if name not in _KEPT | {"self", "lr"}
    }

    def build(**chosen: Any) -> Optimizer:
        return adapted(kind, chosen)

    def check(**chosen: Any) -> None:
        kind([torch.zeros(1)], **_arguments(chosen, 0))

    parameters = [p for name, given in arguments.items() for p in _described(name, given.default)]
    build.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Entry(
        build,
        float(inspect.signature(kind.__init__).parameters["lr"].default),
        f"torch.optim.{kind.__name__}, one instance per trial and tensor",
        f"PyTorch, class torch.optim.{kind.__name__}",
        state_bytes=_STATE_BYTES.get(kind.__name__),
        own_decay=True,
        version=VERSION,
        check=check,
    )


def _described(name: str, default: object) -> list[inspect.Parameter]:
    """What of our signature stands for one argument of a constructor."""
    if isinstance(default, bool):
        description = Annotated[bool, Option(help="switch of the class")]
        return [_parameter(name, default, description)]
    if name in _TUPLES and isinstance(default, tuple):
        pairs = zip(_TUPLES[name], default, strict=True)
        return [p for own, value in pairs for p in _described(own, value)]
    if isinstance(default, int | float):
        return [_parameter(name, float(default), Annotated[PerTrial, _RANGES.get(name, _ANY)])]
    return []


def _parameter(name: str, default: float, annotation: Any) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=annotation)


def adapted(kind: TorchClass, chosen: Mapping[str, PerTrial | bool]) -> Optimizer:
    """An optimizer whose update is a step of the class, for each trial by itself.

    States keep the names that the class gives them. They are zero until the first step, which
    starts from what the class itself starts from.
    """

    def steps(grad: Tensor, state: State, value: Tensor, lrs: Sequence[float]) -> list[_Stepped]:
        members = zip(grad, value, lrs, strict=True)
        return [
            _step(
                kind, _arguments(chosen, k) | {"lr": lr}, g, {n: t[k] for n, t in state.items()}, w
            )
            for k, (g, w, lr) in enumerate(members)
        ]

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        tried = steps(torch.zeros_like(value), {}, value, [1.0] * len(value))
        shapes = {name: t for _, state in tried for name, t in state.items()}
        return {name: torch.stack([torch.zeros_like(t)] * len(value)) for name, t in shapes.items()}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        before = {} if context.step == 1 else state
        done = steps(grad, before, value, context.lr.tolist())
        after = {
            name: torch.stack([new.get(name, old[k]) for k, (_, new) in enumerate(done)])
            for name, old in state.items()
        }
        return torch.stack([delta for delta, _ in done]), after

    key = _SQUARES.get(kind.__name__)
    return Optimizer(init, update, effective_lr=_effective_lr(key, chosen) if key else None)


def _effective_lr(key: str, chosen: Mapping[str, PerTrial | bool]) -> EffectiveLr:
    """`lr / (sqrt(v) + eps)` of the classes that keep v as `key`, and what belongs to it beside."""

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v, rate = state.get(f"max_{key}", state[key]), context.lr
        if "grad_avg" in state:
            v = v - state["grad_avg"].square()
        means = block_means(v, context.role)
        if "beta2" in chosen:
            means = means / per_trial(1 - chosen["beta2"] ** context.step, means)
        if "lr_decay" in chosen:
            rate = rate / (1 + (context.step - 1) * chosen["lr_decay"])
        return adaptive_lr(means, chosen["eps"], replace(context, lr=rate))

    return effective_lr


_Stepped = tuple[Tensor, State]


def _step(
    kind: TorchClass, arguments: Mapping[str, Any], grad: Tensor, state: State, value: Tensor
) -> _Stepped:
    """One step of one trial's tensor: what to add to it, and the tensors that the class keeps."""
    weights = value.detach().clone().requires_grad_()
    weights.grad = grad.clone()
    optimizer = kind([weights], **arguments)
    if state:
        optimizer.state[weights] = {name: tensor.clone() for name, tensor in state.items()}
    optimizer.step()
    kept = {k: v for k, v in optimizer.state[weights].items() if isinstance(v, Tensor)}
    return weights.detach() - value, kept


def _arguments(chosen: Mapping[str, PerTrial | bool], member: int) -> dict[str, Any]:
    """The constructor's arguments for one member of the stack."""
    own: dict[str, Any] = {
        name: value[member].item() if isinstance(value, Tensor) else value
        for name, value in chosen.items()
    }
    for name, parts in _TUPLES.items():
        if own.keys() >= {*parts} and name not in own:
            own[name] = tuple(own.pop(part) for part in parts)
    return own
