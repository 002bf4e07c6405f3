"""What a sweep may say: every rule that needs to know optimizers, scales or data sets. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sweeper.errors import InvalidRequest, Problem
from sweeper.grids import axis_scale, axis_values
from sweeper.settings import (
    GIVEN_ONCE,
    axis_parameters,
    hyperparameters,
    known_settings,
    number_problem,
    schedule_of,
    setting_problem,
)
from sweeper.spec import MAX_POINTS, OptimizerSpec, Setting, SweepSpec, Tie, pointer
from trainers import optimizers as known_optimizers
from trainers.config import (
    ARCHITECTURES,
    SCALES,
    SCHEDULE_HYPERPARAMETERS,
    DataConfig,
    Hyperparameter,
    Option,
)

Path = tuple[str | int, ...]
"""Where in the body something stands."""

LARGEST_BOUND = 1e300
"""Of a generated grid: between larger ends, differences and rounded values are infinite."""


def check(spec: SweepSpec, data: Mapping[str, DataConfig]) -> None:
    """Raise `InvalidRequest` with everything that is wrong, if anything is."""
    problems = (
        list(_names(spec, data))
        or list(_settings(spec))
        or list(_axis(spec))
        or list(_without_effect(spec))
        or [*_given_twice(spec), *_chained_ties(spec), *_labels(spec), *_bounds(spec)]
        or list(_size(spec))
        or list(_values(spec))
    )
    if problems:
        raise InvalidRequest(tuple(problems))


def variant_settings(spec: SweepSpec, optimizer: OptimizerSpec) -> dict[str, Setting]:
    """The settings of one optimizer in the sweep: of `base` what it has, then its overrides."""
    known = known_settings(optimizer.name)
    return {k: v for k, v in spec.base.items() if k in known} | optimizer.overrides


def variant_label(optimizer: OptimizerSpec) -> str:
    """The label given, or else the optimizer's name and what it overrides."""
    shown = [
        f"{key}={value.tie if isinstance(value, Tie) else _text(value)}"
        for key, value in optimizer.overrides.items()
    ]
    return optimizer.label or ", ".join([optimizer.name, *shown])


def _text(value: float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:g}"


def _names(spec: SweepSpec, data: Mapping[str, DataConfig]) -> Iterator[Problem]:
    names = [optimizer.name for optimizer in spec.optimizers]
    for i, name in enumerate(names):
        yield from _unknown_optimizer(name, i)
    for kind, known in (("scales", SCALES), ("architectures", ARCHITECTURES)):
        for i, name in enumerate(getattr(spec, kind)):
            yield from _unknown(kind[:-1], name, known, kind, i)
        yield from _repeated(getattr(spec, kind), kind)
    yield from _unknown("data set", spec.data, data, "data")
    yield from _repeated(spec.seeds, "seeds")


def _unknown_optimizer(name: str, i: int) -> Iterator[Problem]:
    try:
        known_optimizers.registered(name)
    except ValueError as error:
        yield Problem(pointer("optimizers", i), str(error))


def _unknown(kind: str, name: str, known: Iterable[str], *path: str | int) -> Iterator[Problem]:
    if name not in known:
        yield Problem(pointer(*path), f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


def _repeated(values: Sequence[float | str], *path: str | int) -> Iterator[Problem]:
    repeated = [f"{value}" for value, count in Counter(values).items() if count > 1]
    if repeated:
        yield Problem(pointer(*path), f"must not repeat, but these do: {', '.join(repeated)}")


def _settings(spec: SweepSpec) -> Iterator[Problem]:
    for key, value in spec.base.items():
        yield from _base_problems(spec, key, value)
    for i, optimizer in enumerate(spec.optimizers):
        known = known_settings(optimizer.name)
        for key, value in optimizer.overrides.items():
            path = ("optimizers", i, key)
            if key not in known:
                yield _no_such_setting(optimizer.name, key, path)
            else:
                yield from _setting_problems(spec, optimizer.name, key, value, path)


def _without_effect(spec: SweepSpec) -> Iterator[Problem]:
    """What a schedule does not read; in `base` it is enough that one optimizer's schedule does."""
    for key in spec.base:
        having = [o for o in spec.optimizers if key in hyperparameters(o.name)]
        if having and not any(_has_effect(spec, optimizer, key) for optimizer in having):
            yield _no_effect(spec, key, having, ("base", key))
    for i, optimizer in enumerate(spec.optimizers):
        known = hyperparameters(optimizer.name)
        for key in optimizer.overrides:
            if key in known and not _has_effect(spec, optimizer, key):
                yield _no_effect(spec, key, [optimizer], ("optimizers", i, key))


def _has_effect(spec: SweepSpec, optimizer: OptimizerSpec, key: str) -> bool:
    settings = variant_settings(spec, optimizer)
    read = known_optimizers.hyperparameters(optimizer.name, schedule_of(optimizer.name, settings))
    return key in read or Tie(tie=key) in settings.values()


def _no_effect(
    spec: SweepSpec, key: str, optimizers: Sequence[OptimizerSpec], path: Path
) -> Problem:
    chosen = {schedule_of(o.name, variant_settings(spec, o)) for o in optimizers}
    reading = [name for name, read in SCHEDULE_HYPERPARAMETERS.items() if key in read]
    return Problem(
        pointer(*path),
        f"{key} has no effect under the schedule {', '.join(sorted(chosen))}; "
        f"schedules that read it: {', '.join(reading)}",
    )


def _given_twice(spec: SweepSpec) -> Iterator[Problem]:
    for i, optimizer in enumerate(spec.optimizers):
        given = {spec.axis.parameter} | variant_settings(spec, optimizer).keys()
        for fact, ways in GIVEN_ONCE.items():
            taken = [way for way in ways if way in given]
            if len(taken) > 1:
                yield Problem(
                    pointer("optimizers", i),
                    f"the {fact} is given twice: by {' and by '.join(taken)}",
                )


def _chained_ties(spec: SweepSpec) -> Iterator[Problem]:
    for i, optimizer in enumerate(spec.optimizers):
        settings = variant_settings(spec, optimizer)
        ties = {key: value.tie for key, value in settings.items() if isinstance(value, Tie)}
        for key, target in ties.items():
            if target in ties:
                place = ("optimizers", i, key) if key in optimizer.overrides else ("base", key)
                message = f"cannot be tied to {target!r}, which is tied itself"
                yield Problem(pointer(*place), message)


def _labels(spec: SweepSpec) -> Iterator[Problem]:
    labels = [variant_label(optimizer) for optimizer in spec.optimizers]
    for i, label in enumerate(labels):
        if label in labels[:i]:
            yield Problem(
                pointer("optimizers", i, "label"),
                f"must differ from the others of the sweep, but {label!r} is taken",
            )


def _base_problems(spec: SweepSpec, key: str, value: Setting) -> Iterator[Problem]:
    having = [o.name for o in spec.optimizers if key in known_settings(o.name)]
    if not having:
        known = sorted(set().union(*(known_settings(o.name) for o in spec.optimizers)))
        yield Problem(pointer("base", key), f"unknown key {key!r}; known: {', '.join(known)}")
        return
    for name in dict.fromkeys(having):
        for found in _setting_problems(spec, name, key, value, ("base", key)):
            yield Problem(found.pointer, f"{found.message} ({name})")
            return


def _no_such_setting(optimizer: str, key: str, path: Path) -> Problem:
    known = ", ".join(sorted(known_settings(optimizer)))
    return Problem(pointer(*path), f"{optimizer} has no {key!r}; it has: {known}")


def _setting_problems(
    spec: SweepSpec, optimizer: str, key: str, value: Setting, path: Path
) -> Iterator[Problem]:
    if key == spec.axis.parameter:
        yield Problem(pointer(*path), f"{key} is the swept hyperparameter; its values are the axis")
    elif message := setting_problem(key, value, optimizer):
        yield Problem(pointer(*path), message)


def _axis(spec: SweepSpec) -> Iterator[Problem]:
    """The swept hyperparameter exists, for every optimizer or at least somewhere."""
    parameter = spec.axis.parameter
    everywhere: dict[str, None] = {}
    for name in known_optimizers.names():
        everywhere |= dict.fromkeys(axis_parameters(name, "warmup_cosine"))
    if parameter not in everywhere:
        yield from _unknown("hyperparameter", parameter, everywhere, "axis", "parameter")
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


def _values(spec: SweepSpec) -> Iterator[Problem]:
    path: Path = ("axis",) if spec.axis.values is None else ("axis", "values")
    yield from _repeated(axis_values(spec.axis), *path)
    inherits = [o for o in spec.optimizers if o.values is None and not o.inert]
    yield from _value_problems(spec, spec.axis.values or axis_values(spec.axis), path, inherits)
    if spec.axis.zero:
        yield from _zero(spec, inherits)
    for i, optimizer in enumerate(spec.optimizers):
        if optimizer.values is not None:
            own = ("optimizers", i, "values")
            yield from _repeated(optimizer.values, *own)
            yield from _value_problems(spec, optimizer.values, own, [optimizer])


def _bounds(spec: SweepSpec) -> Iterator[Problem]:
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


Ranges = Mapping[str, Hyperparameter | Option]
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


def _size(spec: SweepSpec) -> Iterator[Problem]:
    shared = len(axis_values(spec.axis))
    values = sum(shared if o.values is None else len(o.values) for o in spec.optimizers)
    points = values * len(spec.scales) * len(spec.architectures) * len(spec.seeds)
    if points > MAX_POINTS:
        yield Problem("", f"a sweep has at most {MAX_POINTS} points, but this one has {points}")
