"""Every rule that a sweep must keep, each relying on those before it. Pure."""

from collections.abc import Iterable, Mapping

from sweeper.errors import InvalidRequest, Problem
from sweeper.rules import axis, grids, names, rounds, search, settings, values
from sweeper.spec import SweepSpec
from trainers.config import DataConfig


def check(spec: SweepSpec, data: Mapping[str, DataConfig]) -> None:
    """Raise `InvalidRequest` with everything that is wrong, if anything is."""
    rules = _of_an_axis if spec.search is None else _of_a_search
    problems = list(names.unknown_names(spec, data)) or rules(spec)
    if problems:
        raise InvalidRequest(first_of_each_place(problems))


def _of_a_search(spec: SweepSpec) -> list[Problem]:
    return list(search.bad_ranges(spec, _of_an_axis)) or list(search.too_many(spec))


def _of_an_axis(spec: SweepSpec) -> list[Problem]:
    return (
        list(settings.out_of_range(spec))
        or list(axis.unknown_parameters(spec))
        or list(axis.lacking(spec))
        or [*settings.without_effect(spec), *settings.widths_without_effect(spec)]
        or [
            *settings.given_twice(spec),
            *settings.chained_ties(spec),
            *names.equal_labels(spec),
            *grids.without_values(spec),
        ]
        or list(values.too_many(spec))
        or list(values.bad_values(spec))
        or list(rounds.problems(spec))
    )


def first_of_each_place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """What several optimizers break at one place is told once."""
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.pointer, problem)
    return tuple(found.values())
