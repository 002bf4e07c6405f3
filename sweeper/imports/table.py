"""Results in rows: CSV with documented columns, and the JSON that `export` writes."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sweeper.imports.found import Found, Row, bad

NUMBERS = (
    *("value", "final_loss", "best_loss", "train_loss", "initial_loss", "last_finite_loss"),
    *("diverged_at_step", "busy_s"),
)
WHOLE = ("seed", "diverged_at_step")
TEXTS = ("label", "optimizer", "scale", "architecture", "origin", "outcome")
JSON_TEXTS = ("config", "provenance", "hyperparameters")
AXIS = ("parameter", "axis_scale")
IDS = ("trial_id", "id")
COLUMNS = frozenset((*NUMBERS, *WHOLE, *TEXTS, *JSON_TEXTS, *AXIS, *IDS, "state"))
UNREAD = frozenset({"variant", "finished_at", "failure"})
"""Of our own exports: what an import gets anew, or has no use for."""

UNFINISHED = frozenset({"pending", "running", "failed", "cancelled"})
NOT_FINITE = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})


def from_csv(path: Path) -> Found:
    """Rows of a CSV file with a header (RFC 4180), as `export` writes it or with fewer columns."""
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    cells, places = [], []
    for row in reader:
        place = f"{path.name}, line {reader.line_num}"
        if None in row or None in row.values():
            raise bad(place, f"{len(reader.fieldnames or ())} columns are needed, as in the header")
        cells.append({name: _cell(name, text) for name, text in row.items()})
        places.append(place)
    return _found(path.name, tuple(reader.fieldnames or ()), cells, places)


def from_json(items: Sequence[Any], source: str) -> Found:
    """Rows of the JSON that `export` writes: a list of objects with the same keys."""
    cells, places, names = [], [], dict[str, None]()
    for i, item in enumerate(items):
        place = f"{source}, /items/{i}"
        if not isinstance(item, dict):
            raise bad(place, f"an object is needed, but got {item!r:.80}")
        names |= dict.fromkeys(item)
        cells.append({name: _parsed(name, cell) for name, cell in item.items()})
        places.append(place)
    return _found(source, tuple(names), cells, places)


def _found(source: str, names: Sequence[str], cells: Sequence[Row], places: Sequence[str]) -> Found:
    if any(row.get("origin") == "search" for row in cells):
        raise bad(source, "candidates of a search have no axis, so they cannot be imported")
    axis = {name: _one(name, cells, places) for name in AXIS}
    kept = [i for i, row in enumerate(cells) if _is_finished(row, places[i])]
    left_out = []
    if len(kept) < len(cells):
        left_out.append(f"{len(cells) - len(kept)} points without a result")
    if unknown := [name for name in names if name not in COLUMNS | UNREAD]:
        left_out.append(f"unknown columns {', '.join(unknown)}")
    return Found(
        source=source,
        rows=tuple(_row(cells[i]) for i in kept),
        places=tuple(places[i] for i in kept),
        left_out=tuple(left_out),
        parameter=axis["parameter"],
        scale=axis["axis_scale"],
    )


def _one(name: str, cells: Sequence[Row], places: Sequence[str]) -> str | None:
    """What all rows have in a column of the axis."""
    for row, place in zip(cells, places, strict=True):
        if row.get(name) != cells[0].get(name):
            first, other = cells[0].get(name), row.get(name)
            raise bad(f"{place}, {name}", f"one axis is needed, but got {first!r} and {other!r}")
    return cells[0].get(name) if cells else None


def _is_finished(row: Row, place: str) -> bool:
    state = row.get("state")
    if state is not None and state != "done" and state not in UNFINISHED:
        known = ", ".join(("done", *sorted(UNFINISHED)))
        raise bad(f"{place}, state", f"must be one of {known}, but got {state!r}")
    return state not in UNFINISHED


def _row(cells: Row) -> Row:
    """A row of the neutral form: empty cells are left out, but an empty id is told."""
    row = {name: cells[name] for name in cells if name in (*NUMBERS, *WHOLE, *TEXTS)}
    row = {name: cell for name, cell in row.items() if cell is not None}
    if named := [name for name in IDS if name in cells]:
        row["id"] = cells[named[0]]
    row |= {name: cells[name] for name in ("config", "provenance") if cells.get(name) is not None}
    if "config" not in row and cells.get("hyperparameters") is not None:
        row["config"] = {"hyperparameters": cells["hyperparameters"]}
    return dict(_with_outcome(row))


def _with_outcome(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Where no outcome is given, the loss tells it: a number is finite, NaN or infinity is not."""
    loss = row.get("final_loss")
    diverged = isinstance(loss, float) and not math.isfinite(loss)
    if "outcome" not in row and "final_loss" in row:
        yield "outcome", "diverged" if diverged else "finite"
    yield from (
        (name, cell) for name, cell in row.items() if not (name == "final_loss" and diverged)
    )


def _cell(name: str, text: str) -> Any:
    """A cell of a CSV file as the column has it; what is none of its kind stays a text."""
    if text == "":
        return None
    if name in WHOLE and text.removeprefix("-").removesuffix(".0").isdigit():
        return int(text.removesuffix(".0"))
    if name in NUMBERS or name in WHOLE:
        return _number(text)
    # `export` writes a quote before what a spreadsheet would run.
    plain = text[1:] if text[0] == "'" and text[1:2] in "=+-@\t\r" else text
    return _parsed(name, plain)


def _number(text: str) -> Any:
    if text.strip().lower() in NOT_FINITE:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return text


def _parsed(name: str, cell: Any) -> Any:
    """JSON that is written as a text; what is none stays a text, which the form then refuses."""
    if name not in JSON_TEXTS or not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell
