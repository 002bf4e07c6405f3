"""Settings of a sweep: `base` and what optimizers override. Pure."""

from collections.abc import Iterator, Sequence

from sweeper.errors import Problem
from sweeper.rules.problems import Path
from sweeper.settings import (
    GIVEN_ONCE,
    WIDTHS,
    hyperparameters,
    known_settings,
    parameterisation_of,
    schedule_of,
    setting_problem,
)
from sweeper.shape import pointer
from sweeper.spec import OptimizerSpec, Setting, SweepSpec, Tie
from sweeper.variants import own_axis, swept, variant_settings
from trainers import optimizers as known_optimizers
from trainers.config import SCHEDULE_HYPERPARAMETERS


def out_of_range(spec: SweepSpec) -> Iterator[Problem]:
    """Settings that nobody has, or that are out of range."""
    for key, value in spec.base.items():
        yield from _base_problems(spec, key, value)
    for i, optimizer in enumerate(spec.optimizers):
        known = known_settings(optimizer.name)
        for key, value in optimizer.overrides.items():
            path = ("optimizers", i, key)
            if key not in known:
                yield _no_such_setting(optimizer.name, key, path)
                continue
            if message := _problem(spec, optimizer, key, value, [optimizer]):
                yield Problem(pointer(*path), message)


def _base_problems(spec: SweepSpec, key: str, value: Setting) -> Iterator[Problem]:
    place = pointer("base", key)
    having = [optimizer for optimizer in spec.optimizers if key in known_settings(optimizer.name)]
    if not having:
        known = sorted(set().union(*(known_settings(o.name) for o in spec.optimizers)))
        yield Problem(place, f"unknown key {key!r}; known: {', '.join(known)}")
        return
    for optimizer in having:
        if message := _problem(spec, optimizer, key, value, having):
            yield Problem(place, f"{message} ({optimizer.name})")
            return


def _problem(
    spec: SweepSpec,
    optimizer: OptimizerSpec,
    key: str,
    value: Setting,
    having: Sequence[OptimizerSpec],
) -> str | None:
    """What is wrong with a setting of one of the optimizers that have it there."""
    settings = variant_settings(spec, optimizer)
    return _swept_problem(spec, key, having) or setting_problem(
        key, value, optimizer.name, settings
    )


def _swept_problem(spec: SweepSpec, key: str, having: Sequence[OptimizerSpec]) -> str | None:
    """A swept hyperparameter may be set where it is the centre of multiples."""
    if key not in swept(spec) or any(_takes_multiples(spec, o, key) for o in having):
        return None
    return (
        f"{key} is the swept hyperparameter; its values are the axis, and only `multiples` have a "
        "centre to set"
    )


def _takes_multiples(spec: SweepSpec, optimizer: OptimizerSpec, key: str) -> bool:
    axis = own_axis(spec, optimizer) if key == spec.axis.parameter else spec.second_axis
    return axis is not None and axis.multiples is not None


def _no_such_setting(optimizer: str, key: str, path: Path) -> Problem:
    known = ", ".join(sorted(known_settings(optimizer)))
    return Problem(pointer(*path), f"{optimizer} has no {key!r}; it has: {known}")


def without_effect(spec: SweepSpec) -> Iterator[Problem]:
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


def widths_without_effect(spec: SweepSpec) -> Iterator[Problem]:
    """Base widths, which `mup` alone reads; in `base` it is enough that one optimizer has it."""
    scaled = [
        optimizer
        for optimizer in spec.optimizers
        if parameterisation_of(variant_settings(spec, optimizer)) == "mup"
    ]
    places: list[Path] = [("base", key) for key in WIDTHS if key in spec.base and not scaled]
    for i, optimizer in enumerate(spec.optimizers):
        if optimizer not in scaled:
            places += [("optimizers", i, key) for key in WIDTHS if key in optimizer.overrides]
    for path in places:
        yield Problem(pointer(*path), f"{path[-1]} has no effect but under parameterisation mup")


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


def given_twice(spec: SweepSpec) -> Iterator[Problem]:
    """One fact of a run, given in two ways."""
    for i, optimizer in enumerate(spec.optimizers):
        given = {*swept(spec), *variant_settings(spec, optimizer)}
        for fact, ways in GIVEN_ONCE.items():
            taken = [way for way in ways if way in given]
            if len(taken) > 1:
                yield Problem(
                    pointer("optimizers", i),
                    f"the {fact} is given twice: by {' and by '.join(taken)}",
                )


def chained_ties(spec: SweepSpec) -> Iterator[Problem]:
    """A tie to what is tied itself."""
    for i, optimizer in enumerate(spec.optimizers):
        settings = variant_settings(spec, optimizer)
        ties = {key: value.tie for key, value in settings.items() if isinstance(value, Tie)}
        for key, target in ties.items():
            if target in ties:
                place = ("optimizers", i, key) if key in optimizer.overrides else ("base", key)
                message = f"cannot be tied to {target!r}, which is tied itself"
                yield Problem(pointer(*place), message)
