"""What a search may look at: each of its ranges is held to the rules of an axis. Pure."""

from collections.abc import Callable, Iterator, Sequence

from sweeper.errors import Problem
from sweeper.settings import hyperparameters
from sweeper.shape import pointer
from sweeper.spec import MAX_POINTS, AxisSpec, OptimizerSpec, RangeSpec, SweepSpec

Rules = Callable[[SweepSpec], Sequence[Problem]]


def bad_ranges(spec: SweepSpec, rules: Rules) -> Iterator[Problem]:
    """What `rules` say of a sweep from one end of each range to the other, each problem once."""
    assert spec.search is not None
    problems = [p for o in enumerate(spec.optimizers) for p in _not_of_an_axis(*o)]
    for name, given in spec.search.over.items():
        path = ("search", "over", name)
        unknown = list(_not_searchable(spec, name, path))
        checked = [] if unknown else rules(_as_axis(spec, name, given))
        problems += unknown + [_moved(problem, path) for problem in checked]
    yield from dict.fromkeys(problems or _nothing_to_search(spec))


def too_many(spec: SweepSpec) -> Iterator[Problem]:
    """A search is limited in size as a sweep is."""
    assert spec.search is not None
    variants = len(spec.optimizers) * len(spec.scales) * len(spec.architectures)
    points = spec.search.trials * variants * len(spec.seeds)
    if points > MAX_POINTS:
        yield Problem("", f"a search has at most {MAX_POINTS} points, but this one has {points}")


def _as_axis(spec: SweepSpec, name: str, given: RangeSpec) -> SweepSpec:
    ends = AxisSpec(parameter=name, low=given.low, high=given.high, points=2, scale=given.scale)
    lacking = [_without(optimizer, name) for optimizer in spec.optimizers]
    return spec.model_copy(update={"axis": ends, "search": None, "optimizers": lacking})


def _without(optimizer: OptimizerSpec, name: str) -> OptimizerSpec:
    """An optimizer that lacks the hyperparameter is searched over the others."""
    is_inert = name not in hyperparameters(optimizer.name)
    return optimizer.model_copy(update={"inert": is_inert})


def _moved(problem: Problem, path: tuple[str, ...]) -> Problem:
    """What is wrong with the axis is wrong with the range that it stands for."""
    if not problem.pointer.startswith("/axis"):
        return problem
    inside = problem.pointer.removeprefix("/axis").removeprefix("/parameter")
    return Problem(pointer(*path) + inside, problem.message)


def _not_searchable(spec: SweepSpec, name: str, path: tuple[str, ...]) -> Iterator[Problem]:
    """The length and the batch change what a step costs, and whole numbers have no scale."""
    known = set[str]().union(*(hyperparameters(o.name) for o in spec.optimizers))
    if name not in known:
        choices = ", ".join(sorted(known))
        yield Problem(pointer(*path), f"cannot be searched for; these can: {choices}")


def _nothing_to_search(spec: SweepSpec) -> Iterator[Problem]:
    assert spec.search is not None
    names = ", ".join(spec.search.over)
    for i, optimizer in enumerate(spec.optimizers):
        if not spec.search.over.keys() & hyperparameters(optimizer.name).keys():
            yield Problem(pointer("optimizers", i), f"{optimizer.name} has none of: {names}")


def _not_of_an_axis(i: int, optimizer: OptimizerSpec) -> Iterator[Problem]:
    inert = {"inert"} if optimizer.inert else frozenset[str]()
    for key in sorted(optimizer.given | inert):
        yield Problem(pointer("optimizers", i, key), "is for sweeps with an axis, not for a search")
