"""Values: not too many, none twice, on the axis's scale, in every optimizer's range. Pure."""

import math
from collections.abc import Iterator, Sequence

from sweeper.digits import written
from sweeper.errors import Problem
from sweeper.grids import axis_scale, multiple
from sweeper.rules.problems import Path, repeated
from sweeper.rules.taken import Taken, axes, first_axes
from sweeper.settings import WHOLE_NUMBERS, number_problem
from sweeper.shape import pointer
from sweeper.spec import MAX_POINTS, OptimizerSpec, SweepSpec
from sweeper.variants import second_values
from trainers.config import Option


def too_many(spec: SweepSpec) -> Iterator[Problem]:
    """A sweep is limited in size."""
    values = sum(
        len(taken.values) * max(1, len(second_values(spec, optimizer)))
        for taken, optimizer in zip(first_axes(spec), spec.optimizers, strict=True)
    )
    points = values * len(spec.scales) * len(spec.architectures) * len(spec.seeds)
    if points > MAX_POINTS:
        yield Problem("", f"a sweep has at most {MAX_POINTS} points, but this one has {points}")


def bad_values(spec: SweepSpec) -> Iterator[Problem]:
    """Values twice, off the scale, or out of the range of an optimizer that takes them."""
    for taken in axes(spec):
        if taken.axis.zero:
            yield from _zero(taken)
        placed = list(_placed(taken))
        yield from repeated([value for value, _ in placed], *_list(taken))
        for value, place in placed:
            if message := _scale_problem(taken, value) or _range_problem(taken, value):
                yield Problem(pointer(*place), message)


def further_values(
    spec: SweepSpec, values: Sequence[float], path: Path, optimizers: Sequence[OptimizerSpec]
) -> Iterator[Problem]:
    """What is wrong with further values for some optimizers of the sweep; `path` is their list."""
    yield from repeated(values, *path)
    for taken, optimizer in zip(first_axes(spec), spec.optimizers, strict=True):
        if optimizer in optimizers:
            for j, value in enumerate(values):
                if message := _scale_problem(taken, value) or _range_problem(taken, value):
                    yield Problem(pointer(*path, j), message)


def takes_whole_numbers(spec: SweepSpec, optimizer: OptimizerSpec) -> bool:
    """Whether the swept hyperparameter of this optimizer has whole numbers only."""
    taken = list(first_axes(spec))[spec.optimizers.index(optimizer)]
    return spec.axis.parameter in WHOLE_NUMBERS or isinstance(taken.rule, Option)


def _placed(taken: Taken) -> Iterator[tuple[float, Path]]:
    """Every value that is no added zero, with the place of what it comes from."""
    if taken.axis.multiples is not None:
        if taken.centre is not None:
            for j, factor in enumerate(taken.axis.multiples):
                yield multiple(factor, taken.centre, taken.scale), (*_list(taken), j)
    elif taken.axis.values is not None:
        for j, value in enumerate(taken.axis.values):
            yield value, (*_list(taken), j)
    else:
        yield from ((value, taken.whole) for value in taken.spaced)


def _list(taken: Taken) -> Path:
    """Where the values are listed, if they are."""
    for part in ("multiples", "values"):
        if getattr(taken.axis, part) is not None:
            return taken.place(part)
    return taken.whole


def _scale_problem(taken: Taken, value: float) -> str | None:
    name = taken.axis.parameter
    if not math.isfinite(value):
        return f"a finite number is needed, but got {name}={written(value)}"
    if taken.scale == "log" and value <= 0 and not (value == 0 and taken.axis.zero):
        hint = "; `zero: true` adds 0 to a log axis" if value == 0 else ""
        return f"`{name} > 0` must hold on a log axis, but got {name}={written(value)}{hint}"
    if taken.scale == "one_minus_log" and value >= 1:
        return f"`{name} < 1` must hold on a one_minus_log axis, but got {name}={written(value)}"
    return None


def _range_problem(taken: Taken, value: float) -> str | None:
    if taken.rule is None:
        return None
    message = number_problem(taken.axis.parameter, value, taken.rule)
    return f"{message} ({taken.optimizer})" if message else None


def _zero(taken: Taken) -> Iterator[Problem]:
    place = pointer(*taken.root, "zero")
    if taken.scale != "log":
        message = (
            f"is for log axes, but this one is {axis_scale(taken.axis)}; give 0 among the values"
        )
        yield Problem(place, message)
    elif message := _range_problem(taken, 0.0) or "":
        yield Problem(place, message)
