"""What a sweep asked for, in the few words that a list has room for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.pages import words


def axes(spec: Mapping[str, Any]) -> str:
    """The swept hyperparameters: `lr`, or `lr, momentum`."""
    if spec.get("search"):
        return ", ".join(spec["search"]["over"])
    found = [spec[key]["parameter"] for key in ("axis", "second_axis") if spec.get(key)]
    return ", ".join(found)


def axis_range(spec: Mapping[str, Any]) -> str:
    """Lowest and highest value of the first axis, own ones of optimizers included, and its zero."""
    if spec.get("search"):
        return f"search of {spec['search']['trials']}"
    grids = [spec["axis"], *(o for o in spec["optimizers"] if isinstance(o, Mapping))]
    values = [number for grid in grids for number in _numbers(grid, "values", "low", "high")]
    if values:
        return ("0, " if spec["axis"].get("zero") else "") + _from_to(values)
    multiples = [number for grid in grids for number in _numbers(grid, "multiples")]
    return f"{_from_to(multiples)} times the centre"


def _numbers(grid: Mapping[str, Any], *parts: str) -> list[float]:
    given = [grid[part] for part in parts if grid.get(part) is not None]
    return [n for part in given for n in (part if isinstance(part, list) else [part])]


def _from_to(numbers: Sequence[float]) -> str:
    return f"{words.value(min(numbers))} {words.DASH} {words.value(max(numbers))}"
