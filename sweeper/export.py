"""Results as files for other tools: CSV, Parquet and JSON from the frame of a sweep's points."""

import io
import json
import math
from typing import Any

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a text cell that begins so (OWASP, CSV injection)."""


def to_csv(frame: pd.DataFrame) -> str:
    """Comma-separated text with a header (RFC 4180); texts like formulas start with a quote.

    Numbers are written with all their digits and never changed.
    """
    texts = {
        column: frame[column].map(_as_text)
        for column in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[column])
    }
    return frame.assign(**texts).to_csv(index=False, lineterminator="\r\n")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """A Parquet file with the types of the frame."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def to_json(frame: pd.DataFrame) -> str:
    """A list of one object per row; null where there is no number. No digit is lost."""
    columns = list(frame.columns)
    rows = frame.itertuples(index=False, name=None)
    return json.dumps(
        [
            {column: _as_json(cell) for column, cell in zip(columns, row, strict=True)}
            for row in rows
        ],
        allow_nan=False,
    )


def _as_text(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def _as_json(cell: Any) -> Any:
    """A JSON value: times in ISO 8601, nothing for NaN, infinity and missing cells."""
    if cell is None or cell is pd.NaT or cell is pd.NA:
        return None
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    plain = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
