"""What every command shares: the two streams, JSON, tables, and an exit code for each error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from sweeper.client import Refused, Unreachable
from sweeper.errors import (
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
    InvalidRequest: USAGE,
    KeyReused: USAGE,
    NeedsConfirmation: USAGE,
    SchemaMismatch: USAGE,
    NotFound: NOT_FOUND,
    Unavailable: UNREACHABLE,
    Unreachable: UNREACHABLE,
}
PIPED_WIDTH = 500
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
    """A table on stdout; columns are as wide as their content where nobody watches."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    # Piped output must not be broken at 80 columns.
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    Console(highlight=False, markup=False, width=width).print(table)


def number(value: float | None, digits: int = 4) -> str:
    """A number as a reader wants it, a dash for none."""
    return "-" if value is None else f"{value:.{digits}g}"


def report(error: SweeperError) -> int:
    """Say in one line on stderr what is wrong, and give the exit code."""
    text = " ".join(str(error).split())
    sys.stderr.write(f"sweeper: {text}\n")
    return exit_code(error)


def exit_code(error: SweeperError) -> int:
    """The exit code of an error."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, Refused):
        return USAGE if error.problem.get("status") in _BAD_REQUESTS else BROKEN
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), BROKEN)
