"""What every command shares: the two streams, JSON, tables, and an exit code for each error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

from sweeper.client import Refused, Unreachable
from sweeper.errors import (
    Conflict,
    InvalidRequest,
    KeyReused,
    NeedsConfirmation,
    NotFound,
    SchemaMismatch,
    SweeperError,
    Unavailable,
)

OK, BROKEN, USAGE, NOT_FOUND, FAILURES, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_CODES: Mapping[type[SweeperError], int] = {
    Conflict: USAGE,
    InvalidRequest: USAGE,
    KeyReused: USAGE,
    NeedsConfirmation: USAGE,
    SchemaMismatch: USAGE,
    NotFound: NOT_FOUND,
    Unavailable: UNREACHABLE,
    Unreachable: UNREACHABLE,
}
_GAP = 2
_PROBLEMS_SHOWN = 5
_BAD_REQUESTS = frozenset({400, 413, 415, 422})


class UsageError(SweeperError):
    """A setting, a file or an argument of the command is wrong."""


def stderr() -> Console:
    """Progress and remarks; rich honours NO_COLOR and a missing terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One remark for the person at the terminal."""
    stderr().print(text, markup=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN and infinity are refused."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout, as wide as the terminal at most; a row is one line where nobody watches.

    Cells are broken between words alone, so that an id can always be copied.
    """
    lines = [tuple(columns), *map(tuple, rows)]
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 10**4)
    widths = _widths(list(zip(*lines, strict=True)), console.width)
    console.width = max(console.width, sum(widths) + _GAP * len(widths))
    heads = [Column(name, width=width) for name, width in zip(columns, widths, strict=True)]
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for line in lines[1:]:
        table.add_row(*line)
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Each column as wide as its longest word; those that want more share what room is left."""
    widths = [max(cell_len(word) for cell in one for word in cell.split(" ")) for one in columns]
    wanted = [max(map(cell_len, one)) for one in columns]
    left = room - sum(widths) - _GAP * (len(columns) - 1)
    modest_first = sorted(range(len(columns)), key=lambda i: wanted[i] - widths[i])
    for rank, i in enumerate(modest_first):
        more = max(0, min(wanted[i] - widths[i], left // (len(columns) - rank)))
        widths[i] += more
        left -= more
    return widths


def number(value: float | None, digits: int = 4) -> str:
    """A number as a reader wants it, a dash for none."""
    return "-" if value is None else f"{value:.{digits}g}"


def report(error: SweeperError) -> int:
    """Say in one line on stderr what is wrong, and give the exit code."""
    text = " ".join(_message(error).split())
    sys.stderr.write(f"sweeper: {text}\n")
    return exit_code(error)


def _message(error: SweeperError) -> str:
    """What is wrong; of a file with the same mistake in every row, the first few."""
    if not isinstance(error, InvalidRequest) or len(error.problems) <= _PROBLEMS_SHOWN:
        return str(error)
    first, others = error.problems[:_PROBLEMS_SHOWN], error.problems[_PROBLEMS_SHOWN:]
    return f"{InvalidRequest(first)}; and {len(others)} more"


def exit_code(error: SweeperError) -> int:
    """The exit code of an error."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, Refused):
        return USAGE if error.problem.get("status") in _BAD_REQUESTS else BROKEN
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), BROKEN)
