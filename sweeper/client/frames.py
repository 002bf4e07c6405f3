"""Answers of the service as pandas frames."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sweeper.client.connection import Json

if TYPE_CHECKING:
    from pandas import DataFrame

VARIANT = ("label", "optimizer", "scale", "architecture")


def curves_frame(curves: Sequence[Json]) -> "DataFrame":
    """One row per curve and value: the curve's columns, then mean, interval and counts.

    NaN stands where there is no number; `interval_reason` says why there is no interval.
    """
    return _frame(
        {key: curve[key] for key in (*VARIANT, "parameter", "axis_scale")}
        | {key: cell for key, cell in point.items() if key != "trials"}
        for curve in curves
        for point in curve["points"]
    )


def stability_frame(curves: Sequence[Json]) -> "DataFrame":
    """One row per curve: best value and loss, optimum, sensitivity, basin, and their reasons."""
    return _frame(
        {key: curve[key] for key in (*VARIANT, "parameter")} | curve["stability"]
        for curve in curves
    )


def _frame(rows: Iterable[Json]) -> "DataFrame":
    """The rows, with NaN in a column of numbers also where it has none at all."""
    import pandas

    frame = pandas.DataFrame.from_records(list(rows))
    empty = [name for name in frame if frame[name].isna().all() and not _is_text(str(name))]
    return frame.astype(dict.fromkeys(empty, float))


def _is_text(name: str) -> bool:
    return name == "edge" or name.endswith(("reason", "unit"))
