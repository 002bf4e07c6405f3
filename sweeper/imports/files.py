"""Which format a source has, and what it holds."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.imports import marin, table
from sweeper.imports.found import Found, bad

CUSTOMARY = "lr"
"""The axis of a Marin file, unless another parameter of it is named."""


def read_file(path: Path, parameter: str | None, *, nameless: bool) -> Found:
    """What a CSV or JSON file holds; `InvalidRequest` with the place of what cannot be read."""
    if path.suffix.lower() == ".csv":
        return table.from_csv(path)
    content = _json(path)
    if marin.is_marin(content):
        return marin.read(content, path, parameter or CUSTOMARY, nameless=nameless)
    items = content.get("items") if isinstance(content, dict) else content
    if not isinstance(items, list):
        keys = "'items' of our own exports, or 'result' and 'best_config' of Marin"
        raise bad(path.name, f"a list of results is needed, or an object with {keys}")
    return table.from_json(items, path.name)


def together(found: Sequence[Found]) -> Found:
    """All sources as one, if they are about one hyperparameter."""
    first = found[0]
    for other in found[1:]:
        if (other.parameter, other.scale) != (first.parameter, first.scale):
            raise bad(
                other.source,
                f"one axis is needed, but {first.source} has {first.parameter!r} and this "
                f"{other.parameter!r}",
            )
    sources = list(dict.fromkeys(one.source for one in found))
    shown = ", ".join(sources)
    return replace(
        first,
        source=shown if len(shown) <= 400 else f"{sources[0]} and {len(sources) - 1} more",
        rows=tuple(row for one in found for row in one.rows),
        places=tuple(place for one in found for place in one.places),
        left_out=tuple(note for one in found for note in one.left_out),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"{path.name}, line {error.lineno}, column {error.colno}"
        raise bad(place, f"it is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise bad(path.name, str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; ValueError where the last of equal keys would silently win."""
    counts = Counter(key for key, _ in pairs)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise ValueError(f"key {twice[0]!r} occurs twice in one object")
    return dict(pairs)
