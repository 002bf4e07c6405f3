"""What a file holds, as rows of the neutral form, each with its place in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.errors import InvalidRequest, Problem

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Rows, where each stands, and what has been left out and why.

    `parameter` and `scale` are those of the axis as far as the file tells them.
    """

    source: str
    rows: tuple[Row, ...]
    places: tuple[str, ...]
    left_out: tuple[str, ...] = field(default=())
    parameter: str | None = None
    scale: str | None = None


def bad(place: str, message: str) -> InvalidRequest:
    """The error at a place of a file."""
    return InvalidRequest((Problem(place, message),))


def placed(error: InvalidRequest, places: tuple[str, ...]) -> InvalidRequest:
    """The same error with `/rows/3/value` told as the file tells it: `a.csv, line 5: value`."""
    return InvalidRequest(tuple(_placed(problem, places) for problem in error.problems))


def _placed(problem: Problem, places: tuple[str, ...]) -> Problem:
    match problem.pointer.split("/"):
        case ["", "rows", number, *rest] if number.isdigit() and int(number) < len(places):
            place = places[int(number)]
            return Problem(f"{place}, {'/'.join(rest)}" if rest else place, problem.message)
    return problem
