"""The hyperparameters that a sweep is over: known, had by every optimizer, and two if two. Pure."""

from collections.abc import Iterator

from sweeper.errors import Problem
from sweeper.rules.problems import unknown
from sweeper.settings import axis_parameters, schedule_of
from sweeper.shape import pointer
from sweeper.spec import OptimizerSpec, SweepSpec
from sweeper.variants import variant_settings
from trainers import optimizers as known_optimizers
from trainers.config import ScheduleName


def unknown_parameters(spec: SweepSpec) -> Iterator[Problem]:
    """A swept hyperparameter that there is not, or that both axes have."""
    yield from _unknown(spec.axis.parameter, "axis")
    if spec.second_axis is not None:
        yield from _unknown(spec.second_axis.parameter, "second_axis")
        if spec.second_axis.parameter == spec.axis.parameter:
            place = pointer("second_axis", "parameter")
            yield Problem(place, f"{spec.axis.parameter} is the first axis already")


def lacking(spec: SweepSpec) -> Iterator[Problem]:
    """An optimizer without a swept hyperparameter, or `inert` although it has it."""
    first, second = spec.axis.parameter, spec.second_axis
    for i, optimizer in enumerate(spec.optimizers):
        having = axis_parameters(optimizer.name, _schedule(spec, optimizer))
        if first in having and optimizer.inert:
            message = f"is for optimizers without {first!r}, but {optimizer.name} has it"
            yield Problem(pointer("optimizers", i, "inert"), message)
        if first not in having and not optimizer.inert:
            hint = "`inert: true` keeps its points as a flat reference line"
            yield _lacks(spec, i, first, hint)
        if second is not None and second.parameter not in having:
            yield _lacks(spec, i, second.parameter, "every optimizer needs that of the second axis")


def _unknown(parameter: str, axis: str) -> Iterator[Problem]:
    everywhere: dict[str, None] = {}
    for name in known_optimizers.names():
        everywhere |= dict.fromkeys(axis_parameters(name, "warmup_cosine"))
    yield from unknown("hyperparameter", parameter, everywhere, axis, "parameter")


def _lacks(spec: SweepSpec, i: int, parameter: str, hint: str) -> Problem:
    optimizer = spec.optimizers[i]
    schedule = _schedule(spec, optimizer)
    under = "" if schedule in ("warmup_cosine", "own") else f" under the {schedule} schedule"
    having = ", ".join(sorted(axis_parameters(optimizer.name, schedule)))
    return Problem(
        pointer("optimizers", i),
        f"{optimizer.name} has no {parameter!r}{under}; it has: {having}; {hint}",
    )


def _schedule(spec: SweepSpec, optimizer: OptimizerSpec) -> ScheduleName:
    return schedule_of(optimizer.name, variant_settings(spec, optimizer))
