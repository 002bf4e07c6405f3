"""What a sweep may say of its rounds: bracketing (`extend`) and refinement (`refine`). Pure."""

from collections.abc import Iterator

from sweeper.errors import Problem
from sweeper.grids import axis_scale
from sweeper.shape import pointer
from sweeper.spec import MAX_POINTS, RefinementSpec, SweepSpec
from sweeper.variants import second_values, variant_values

DEFAULT_TOLERANCE = 0.1
"""In decades: a factor of 1.26, less than the half-octave between values near the optimum."""


def problems(spec: SweepSpec) -> Iterator[Problem]:
    """What is wrong with the rounds of a sweep that is right in everything else."""
    for name in ("extend", "refine"):
        if getattr(spec, name) is not None:
            yield from _lonely_values(spec, name)
    refine = spec.refine
    if refine is not None and refine.tolerance is None and axis_scale(spec.axis) == "linear":
        yield Problem(
            pointer("refine", "tolerance"),
            f"is required on a linear axis, in the unit of {spec.axis.parameter}",
        )
    yield from _size(spec)


def tolerance(refine: RefinementSpec) -> float:
    """How closely edges are to be known, in units of positions on the axis."""
    return DEFAULT_TOLERANCE if refine.tolerance is None else refine.tolerance


def most_points(spec: SweepSpec) -> int:
    """How many points the rounds may add; an inert optimizer gets none."""
    budget = sum(part.budget for part in (spec.extend, spec.refine) if part is not None)
    curves = sum(max(1, len(second_values(spec, o))) for o in spec.optimizers if not o.inert)
    return budget * curves * len(spec.scales) * len(spec.architectures) * len(spec.seeds)


def _lonely_values(spec: SweepSpec, name: str) -> Iterator[Problem]:
    lonely = [o.name for o in spec.optimizers if not o.inert and len(variant_values(spec, o)) < 2]
    if lonely:
        yield Problem(
            pointer(name),
            f"needs at least two values of every curve to go on from, "
            f"but there is one of {', '.join(lonely)}",
        )


def _size(spec: SweepSpec) -> Iterator[Problem]:
    values = sum(
        len(variant_values(spec, o)) * max(1, len(second_values(spec, o))) for o in spec.optimizers
    )
    grid = values * len(spec.scales) * len(spec.architectures) * len(spec.seeds)
    points = grid + most_points(spec)
    if points > MAX_POINTS:
        yield Problem(
            "",
            f"a sweep has at most {MAX_POINTS} points, but this one may come to {points} "
            f"with the budgets of its rounds",
        )
