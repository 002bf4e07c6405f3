"""What an optimizer that is not built in must be: a described one, whose first step is sound.

Whoever reads a file or a package asks once, so that a mistake is told before anything is swept.
"""

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor

from trainers.config import SCHEDULE_HYPERPARAMETERS, Hyperparameter, Option
from trainers.functions import FACTS as FACTS_OF_FUNCTIONS
from trainers.optimizers.base import Context, Entry, Optimizer, ParamRole, State, WidthScaling

FACTS: Mapping[str, int] = {"heads": 2, "steps": 10, "tokens_per_batch": 64}
"""What `build` may ask of a run, and what it gets here."""

SHAPES: Mapping[ParamRole, tuple[int, ...]] = {
    **dict.fromkeys(ParamRole, (16, 16)),
    ParamRole.EMBEDDING: (32, 16),
    ParamRole.MLP: (16, 64),
    ParamRole.NORM: (16,),
    ParamRole.LAST_LAYER: (16, 32),
}
"""A parameter of each role."""

TRIALS = 2
PIECE = 100
"""Elements of all parameters that an elementwise optimizer must treat alike by themselves."""

Role = ParamRole | None


def check(entry: Entry) -> None:
    """Raises ValueError for an entry that cannot be swept, with what is wrong with it."""
    for problem in _problems(entry):
        raise ValueError(problem)
    try:
        _check_defaults(entry)
        _check_step(_built(entry))
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"its build or its first step fails: {type(error).__name__}: {error}"
        ) from error


def _problems(entry: Entry) -> Iterator[str]:
    """What is wrong with a description."""
    build: object = entry.build
    if not callable(build):
        yield f"its build must be a function, but is {build!r}"
    lr: object = entry.lr
    if not isinstance(lr, int | float) or not 0 < lr < math.inf:
        yield f"`lr > 0` must hold, but got lr={lr!r}"
    for name, value, known in (
        ("schedule", entry.schedule, tuple(SCHEDULE_HYPERPARAMETERS)),
        ("scaling", entry.scaling, (None, *get_args(WidthScaling))),
    ):
        if value not in known:
            yield f"{name} must be one of {', '.join(map(str, known))}, but got {value!r}"
    yield from _bad_arguments(entry)


def _bad_arguments(entry: Entry) -> Iterator[str]:
    try:
        own: Mapping[str, Hyperparameter | Option] = {**entry.hyperparameters, **entry.options}
    except NameError as error:
        yield f"the annotations of its build cannot be read: {error}"
        return
    for name, parameter in inspect.signature(entry.build).parameters.items():
        if name not in own:
            if name not in FACTS:
                yield (
                    f"its build takes {name}: neither described by a Hyperparameter or an Option, "
                    f"nor a fact of a run; facts: {', '.join(FACTS)}"
                )
        elif name in {*FACTS, *FACTS_OF_FUNCTIONS}:
            yield f"{name} is a fact of a run and has no description"
        elif parameter.default is inspect.Parameter.empty:
            yield f"{name} needs a default"
        elif not isinstance(parameter.default, int | float) or not own[name].admits(
            parameter.default
        ):
            yield f"`{own[name].rule(name)}` must hold, but its default is {parameter.default!r}"


def _check_defaults(entry: Entry) -> None:
    """Raises ValueError if the defaults do not go together."""
    if entry.check is None:
        return
    own = {name: rule.default for name, rule in entry.hyperparameters.items()}
    try:
        entry.check(**own, **{name: option.default for name, option in entry.options.items()})
    except Exception as error:
        raise ValueError(
            f"its check of its defaults fails: {type(error).__name__}: {error}"
        ) from error


def _built(entry: Entry) -> Optimizer:
    """The optimizer of a stack, all of whose trials have the defaults."""
    values = {
        name: torch.full((TRIALS,), rule.default, dtype=torch.float64)
        for name, rule in entry.hyperparameters.items()
    }
    options = {name: option.default for name, option in entry.options.items()}
    optimizer = entry.construct(values, options, FACTS)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"its build must return an Optimizer, but returned {optimizer!r}")
    return optimizer


def _check_step(optimizer: Optimizer) -> None:
    """Raises ValueError unless a step keeps to `Update`, whatever the parameter is for."""
    drawn = torch.Generator().manual_seed(0)
    sizes = SHAPES if not optimizer.elementwise else {None: (sum(map(math.prod, SHAPES.values())),)}
    values = {role: torch.randn(TRIALS, *size, generator=drawn) for role, size in sizes.items()}
    grads = {role: torch.randn(value.shape, generator=drawn) for role, value in values.items()}
    first = _stepped(optimizer, grads, values)
    others = {role: torch.stack([-2 * grad[0], grad[1]]) for role, grad in grads.items()}
    for role, delta in _stepped(optimizer, others, values).items():
        if not torch.equal(delta[1], first[role][1]):
            raise ValueError(f"a trial's update of {role or 'all'} depends on another trial")
    if optimizer.elementwise and optimizer.prepare is None:
        pieces = [{role: of[role][:, :PIECE] for role in sizes} for of in (grads, values)]
        (piece,) = _stepped(optimizer, *pieces).values()
        if not torch.allclose(piece, first[None][:, :PIECE]):
            raise ValueError("it is said to be elementwise, but an element depends on others")


def _stepped(
    optimizer: Optimizer, grads: Mapping[Role, Tensor], values: Mapping[Role, Tensor]
) -> dict[Role, Tensor]:
    """The first update of each parameter."""
    states = {role: _state(optimizer, value, role) for role, value in values.items()}
    rate = torch.full((TRIALS,), 0.1)
    context = Context(1, rate, rate, torch.zeros(TRIALS), None, {})
    if optimizer.prepare is not None:
        named = [{str(role): of[role] for role in values} for of in (grads, states, values)]
        context = replace(context, shared=optimizer.prepare(*named))  # type: ignore[arg-type]
    return {
        role: _update(optimizer, grads[role], states[role], value, replace(context, role=role))
        for role, value in values.items()
    }


def _state(optimizer: Optimizer, value: Tensor, role: Role) -> State:
    state = optimizer.init(value, role)
    for name, tensor in state.items():
        if tensor.shape[:1] != (TRIALS,):
            raise ValueError(
                f"its state must have the trials first, but {name} of {role or 'all'} has the "
                f"shape {(*tensor.shape,)} for {TRIALS} trials"
            )
    return state


def _update(
    optimizer: Optimizer, grad: Tensor, state: State, value: Tensor, context: Context
) -> Tensor:
    """An update; raises ValueError for one that is none."""
    given = {"gradient": grad, "parameter": value, **state}
    before = {name: tensor.clone() for name, tensor in given.items()}
    delta, new = optimizer.update(grad, state, value, context)
    if changed := [k for k, tensor in given.items() if not torch.equal(tensor, before[k])]:
        raise ValueError(f"its update must change no argument, but changes the {changed[0]}")
    if _kind(delta) != _kind(value):
        raise ValueError(
            f"its update must be of the parameter's shape and type {_kind(value)}, "
            f"but is {_kind(delta)}"
        )
    got, had = ({k: _kind(tensor) for k, tensor in of.items()} for of in (new, state))
    if got != had:
        raise ValueError(f"a state must keep its names, shapes and types {had}, but got {got}")
    lent = grad.untyped_storage().data_ptr()
    if shared := [k for k, t in new.items() if t.untyped_storage().data_ptr() == lent]:
        raise ValueError(f"a state may share no memory with the gradient, but {shared[0]} does")
    return delta


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return (*tensor.shape, tensor.dtype)
