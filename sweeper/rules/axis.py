"""The axis of a sweep: its hyperparameter, and every value against scale and range. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from sweeper.errors import Problem
from sweeper.grids import axis_scale, axis_values
from sweeper.rules.problems import Path, repeated, unknown
from sweeper.settings import Rule, axis_parameters, number_problem, schedule_of
from sweeper.spec import MAX_POINTS, OptimizerSpec, SweepSpec, pointer
from sweeper.variants import variant_settings
from trainers import optimizers as known_optimizers

LARGEST_BOUND = 1e300
"""Of a generated grid: between larger ends, differences and rounded values are infinite."""


def missing(spec: SweepSpec) -> Iterator[Problem]:
    """A swept hyperparameter that an optimizer lacks, or that there is not at all."""
    parameter = spec.axis.parameter
    everywhere: dict[str, None] = {}
    for name in known_optimizers.names():
        everywhere |= dict.fromkeys(axis_parameters(name, "warmup_cosine"))
    if parameter not in everywhere:
        yield from unknown("hyperparameter", parameter, everywhere, "axis", "parameter")
        return
    for i, optimizer in enumerate(spec.optimizers):
        yield from _axis_of_optimizer(spec, i, optimizer)


def _axis_of_optimizer(spec: SweepSpec, i: int, optimizer: OptimizerSpec) -> Iterator[Problem]:
    parameter = spec.axis.parameter
    schedule = schedule_of(optimizer.name, variant_settings(spec, optimizer))
    having = axis_parameters(optimizer.name, schedule)
    if parameter in having and optimizer.inert:
        yield Problem(
            pointer("optimizers", i, "inert"),
            f"is for optimizers without {parameter!r}, but {optimizer.name} has it",
        )
    if parameter not in having and not optimizer.inert:
        default = schedule in ("warmup_cosine", "own")
        under = "" if default else f" under the {schedule} schedule"
        yield Problem(
            pointer("optimizers", i),
            f"{optimizer.name} has no {parameter!r}{under}; it has: {', '.join(sorted(having))}; "
            f"`inert: true` keeps its points as a flat reference line",
        )


def bad_bounds(spec: SweepSpec) -> Iterator[Problem]:
    """The ends of a generated grid, which must exist before its values can."""
    low, high, scale = spec.axis.low, spec.axis.high, axis_scale(spec.axis)
    if low is None or high is None:
        return
    for key, value in (("low", low), ("high", high)):
        if abs(value) > LARGEST_BOUND:
            yield Problem(
                pointer("axis", key),
                f"`|{key}| <= {LARGEST_BOUND:g}` must hold, but got {key}={value:g}",
            )
        if scale == "log" and value <= 0:
            yield Problem(
                pointer("axis", key),
                f"`{key} > 0` must hold on a log axis, but got {key}={value:g}",
            )
        if scale == "one_minus_log" and value >= 1:
            yield Problem(
                pointer("axis", key),
                f"`{key} < 1` must hold on a one_minus_log axis, but got {key}={value:g}",
            )
    if low >= high:
        yield Problem(pointer("axis", "high"), f"`low < high` must hold, but got {low:g}, {high:g}")


def too_many(spec: SweepSpec) -> Iterator[Problem]:
    """A sweep is limited in size."""
    shared = len(axis_values(spec.axis))
    values = sum(shared if o.values is None else len(o.values) for o in spec.optimizers)
    points = values * len(spec.scales) * len(spec.architectures) * len(spec.seeds)
    if points > MAX_POINTS:
        yield Problem("", f"a sweep has at most {MAX_POINTS} points, but this one has {points}")


def bad_values(spec: SweepSpec) -> Iterator[Problem]:
    """Values twice, off the scale, or out of the range of an optimizer that takes them."""
    path: Path = ("axis",) if spec.axis.values is None else ("axis", "values")
    yield from repeated(axis_values(spec.axis), *path)
    inherits = [o for o in spec.optimizers if o.values is None and not o.inert]
    yield from _value_problems(spec, spec.axis.values or axis_values(spec.axis), path, inherits)
    if spec.axis.zero:
        yield from _zero(spec, inherits)
    for i, optimizer in enumerate(spec.optimizers):
        if optimizer.values is not None:
            own = ("optimizers", i, "values")
            yield from repeated(optimizer.values, *own)
            yield from _value_problems(spec, optimizer.values, own, [optimizer])


def _value_problems(
    spec: SweepSpec,
    values: Sequence[float],
    path: Path,
    optimizers: Sequence[OptimizerSpec],
) -> Iterator[Problem]:
    """Each value against the axis scale and against the range of every optimizer that takes it."""
    whole_axis, ranges = path == ("axis",), _ranges(spec, optimizers)
    for j, value in enumerate(values):
        place = path if whole_axis else (*path, j)
        message = _scale_problem(spec, value) or _range_problem(spec, value, ranges)
        if message:
            yield Problem(pointer(*place), message)


def _scale_problem(spec: SweepSpec, value: float) -> str | None:
    name, scale = spec.axis.parameter, axis_scale(spec.axis)
    if scale == "log" and value <= 0 and not (value == 0 and spec.axis.zero):
        hint = "; `zero: true` adds 0 to a log axis" if value == 0 else ""
        return f"`{name} > 0` must hold on a log axis, but got {name}={value:g}{hint}"
    if scale == "one_minus_log" and value >= 1:
        return f"`{name} < 1` must hold on a one_minus_log axis, but got {name}={value:g}"
    return None


Ranges = Mapping[str, Rule]
"""The range of the swept hyperparameter, by optimizer."""


def _ranges(spec: SweepSpec, optimizers: Sequence[OptimizerSpec]) -> Ranges:
    found = {}
    for optimizer in optimizers:
        schedule = schedule_of(optimizer.name, variant_settings(spec, optimizer))
        rules = axis_parameters(optimizer.name, schedule)
        if spec.axis.parameter in rules:
            found[optimizer.name] = rules[spec.axis.parameter]
    return found


def _range_problem(spec: SweepSpec, value: float, ranges: Ranges) -> str | None:
    for optimizer, rule in ranges.items():
        if message := number_problem(spec.axis.parameter, value, rule):
            return f"{message} ({optimizer})"
    return None


def _zero(spec: SweepSpec, optimizers: Sequence[OptimizerSpec]) -> Iterator[Problem]:
    if axis_scale(spec.axis) != "log":
        yield Problem(
            pointer("axis", "zero"),
            f"is for log axes, but this one is {axis_scale(spec.axis)}; give 0 among the values",
        )
    elif message := _range_problem(spec, 0.0, _ranges(spec, optimizers)):
        yield Problem(pointer("axis", "zero"), message)
