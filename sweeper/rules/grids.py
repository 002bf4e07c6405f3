"""Grids, which must be such that there are values: whole, with ends and centres in order. Pure."""

from collections.abc import Iterator

from sweeper.digits import written
from sweeper.errors import Problem
from sweeper.rules.taken import Taken, axes
from sweeper.shape import pointer
from sweeper.spec import SweepSpec, incomplete

LARGEST_BOUND = 1e300
"""Of a generated grid: between larger ends, differences and rounded values are infinite."""


def without_values(spec: SweepSpec) -> Iterator[Problem]:
    """What keeps a grid from having values."""
    for taken in axes(spec):
        if message := incomplete(taken.axis):
            yield Problem(pointer(*taken.whole), message)
        elif taken.axis.multiples is not None:
            yield from _without_centre(taken)
        elif taken.axis.is_range:
            yield from list(_bad_ends(taken)) or _bad_half_decades(taken)


def _bad_ends(taken: Taken) -> Iterator[Problem]:
    low, high = taken.axis.low, taken.axis.high
    assert low is not None
    assert high is not None
    for key, value in (("low", low), ("high", high)):
        if message := _end_problem(taken, key, value):
            yield Problem(pointer(*taken.place(key)), f"{message}, but got {key}={written(value)}")
    if low >= high:
        message = f"`low < high` must hold, but got {written(low)}, {written(high)}"
        yield Problem(pointer(*taken.place("high")), message)


def _end_problem(taken: Taken, key: str, value: float) -> str | None:
    if abs(value) > LARGEST_BOUND:
        return f"`|{key}| <= {LARGEST_BOUND:g}` must hold"
    if taken.scale == "log" and value <= 0:
        return f"`{key} > 0` must hold on a log axis"
    if taken.scale == "one_minus_log" and value >= 1:
        return f"`{key} < 1` must hold on a one_minus_log axis"
    return None


def _bad_half_decades(taken: Taken) -> Iterator[Problem]:
    if not taken.axis.half_decades:
        return
    if taken.scale == "linear":
        message = "is for log and one_minus_log axes, but this one is linear; give `points`"
        yield Problem(pointer(*taken.place("half_decades")), message)
    elif not taken.spaced:
        assert taken.axis.low is not None
        assert taken.axis.high is not None
        ends = f"{written(taken.axis.low)} to {written(taken.axis.high)}"
        yield Problem(pointer(*taken.place("high")), f"no half-decade lies from {ends}")


def _without_centre(taken: Taken) -> Iterator[Problem]:
    """Multiples of nothing, or by nothing."""
    parameter, multiples = taken.axis.parameter, taken.axis.multiples or []
    if taken.rule is None and taken.optimizer:
        message = f"{taken.optimizer} has no {parameter!r} to take multiples of; give it `values`"
        yield Problem(pointer(*taken.own_root), message)
    elif taken.optimizer and (taken.centre is None or not _may_be_multiplied(taken, taken.centre)):
        yield Problem(pointer(*taken.place("multiples")), _no_centre(taken))
    for j, factor in enumerate(multiples):
        if factor <= 0 and taken.scale != "linear":
            message = f"a multiple must be > 0 on a {taken.scale} axis, but got {written(factor)}"
            yield Problem(pointer(*taken.place("multiples"), j), message)


def _may_be_multiplied(taken: Taken, centre: float) -> bool:
    return centre > 0 if taken.scale == "log" else True


def _no_centre(taken: Taken) -> str:
    name = taken.axis.parameter
    has = "none" if taken.centre is None else written(taken.centre)
    return (
        f"{taken.optimizer} needs a centre of {name} to take multiples of, but has {has}; "
        f"set {name} in `base` or in the optimizer, or give `values`"
    )
