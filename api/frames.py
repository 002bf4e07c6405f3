"""Rows of a DataFrame as plain values."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd


def rows(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One dictionary per row; None for NaN, infinity and missing cells."""
    columns = [str(column) for column in frame.columns]
    for row in frame.itertuples(index=False, name=None):
        yield {column: plain(cell) for column, cell in zip(columns, row, strict=True)}


def plain(cell: Any) -> Any:
    """A cell as Python knows it."""
    if cell is None or cell is pd.NaT or cell is pd.NA:
        return None
    value = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(value, float) and not math.isfinite(value) else value
