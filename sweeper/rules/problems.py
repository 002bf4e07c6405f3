"""What several rules say: a name that nobody has, a value given twice. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sweeper.errors import Problem
from sweeper.shape import pointer

Path = tuple[str | int, ...]
"""Where in the body something stands."""


def unknown(kind: str, name: str, known: Iterable[str], *path: str | int) -> Iterator[Problem]:
    """A name that is not among the known ones."""
    if name not in known:
        yield Problem(pointer(*path), f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


def repeated(values: Sequence[float | str], *path: str | int) -> Iterator[Problem]:
    """Values that are there more than once."""
    repeated = [f"{value}" for value, count in Counter(values).items() if count > 1]
    if repeated:
        yield Problem(pointer(*path), f"must not repeat, but these do: {', '.join(repeated)}")
