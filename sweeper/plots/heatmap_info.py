"""What a heat map shows, as plain numbers and texts: columns and rows of equal cells. No plotly."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.analysis import axes
from sweeper.analysis.heatmap import Cell, HeatMap, RidgePoint, Row
from sweeper.plots import style
from sweeper.plots.axes import TITLES

LEAST_EXCESS = 0.01
"""Nats above the best that look like none: differences below it are noise at any scale."""

ABOVE = " \N{UPWARDS ARROW}"
"""Behind a loss above the initial one."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark over the cells: column and row, both from 0, between two where interpolated."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class HeatMapInfo:
    """One map as it is drawn, row by row; texts are escaped."""

    title: str
    x_title: str
    y_title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    shades: tuple[tuple[float | None, ...], ...]
    """Decades of the excess over the map's best loss, from `LEAST_EXCESS` up."""
    top: float
    """The highest shade of a loss that is not above the initial one: a few of these would leave
    one colour for all others."""
    losses: tuple[tuple[str, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    trial_ids: tuple[tuple[str, ...], ...]
    diverged: tuple[Mark, ...]
    ridge: tuple[Mark | None, ...]
    at_edge: tuple[Mark, ...]
    best: Mark | None

    @property
    def above_initial(self) -> bool:
        """Whether any loss is above the initial one."""
        return any(loss.endswith(ABOVE) for row in self.losses for loss in row)


def heat_map_info(heat_map: HeatMap) -> HeatMapInfo:
    """The map, drawn with equal cells, so that every value has its column however they lie."""
    values = heat_map.values
    grid = [[row.at(value) for value in values] for row in heat_map.rows]
    lowest = min((c.loss for row in grid for c in row if c and c.loss is not None), default=0.0)
    calm = [c for row in grid for c in row if c is not None and not c.above_initial]
    ridge = [_ridge_mark(heat_map, values, y) for y in range(len(grid))]
    return HeatMapInfo(
        title=style.escape(_title(heat_map)),
        x_title=_axis_title(heat_map.parameter),
        y_title=_axis_title(heat_map.second_parameter),
        columns=tuple(style.short(value) for value in values),
        rows=tuple(style.short(row.second) for row in heat_map.rows),
        shades=tuple(tuple(_shade(cell, lowest) for cell in row) for row in grid),
        top=max([s for c in calm if (s := _shade(c, lowest)) is not None], default=-1.0),
        losses=tuple(tuple(_loss(cell) for cell in row) for row in grid),
        texts=tuple(
            tuple(_hover(heat_map, row, cell) for cell in cells)
            for row, cells in zip(heat_map.rows, grid, strict=True)
        ),
        trial_ids=tuple(tuple(_only_trial(cell) for cell in row) for row in grid),
        diverged=tuple(_diverged(heat_map, grid)),
        ridge=tuple(ridge),
        at_edge=tuple(
            mark for mark, row in zip(ridge, heat_map.rows, strict=True) if mark and row.ridge.edge
        ),
        best=_best_mark(heat_map, values),
    )


def _title(heat_map: HeatMap) -> str:
    plain = [] if heat_map.architecture in ("standard", "") else [heat_map.architecture]
    shown = [part for part in plain if part not in heat_map.label]
    return ", ".join([heat_map.label, heat_map.scale, *shown])


def _axis_title(parameter: str) -> str:
    return TITLES.get(parameter, style.escape(parameter.replace("_", " ")))


def _shade(cell: Cell | None, lowest: float) -> float | None:
    if cell is None or cell.loss is None:
        return None
    return math.log10(max(cell.loss - lowest, LEAST_EXCESS))


def _loss(cell: Cell | None) -> str:
    if cell is None or cell.loss is None:
        return ""
    return f"{cell.loss:.2f}{ABOVE if cell.above_initial else ''}"


def _only_trial(cell: Cell | None) -> str:
    return cell.trial_ids[0] if cell is not None and len(cell.trial_ids) == 1 else ""


def _hover(heat_map: HeatMap, row: Row, cell: Cell | None) -> str:
    if cell is None:
        return ""
    notes = [
        f"<b>{style.escape(heat_map.label)}</b>",
        f"{style.escape(heat_map.parameter)} {style.short(cell.value)}",
        f"{style.escape(heat_map.second_parameter)} {style.short(row.second)}",
        "no loss" if cell.loss is None else f"mean loss {cell.loss:.4f} nats",
        f"{cell.seeds} of {cell.total} seeds finished",
    ]
    counts = {
        "diverged": cell.diverged,
        "failed or cancelled": cell.failed,
        "above the initial loss": cell.above_initial,
    }
    notes += [f"{n} of {cell.total} {what}" for what, n in counts.items() if n]
    return "<br>".join(notes)


def _diverged(heat_map: HeatMap, grid: Sequence[Sequence[Cell | None]]) -> list[Mark]:
    return [
        Mark(x=x, y=y, text=_hover(heat_map, heat_map.rows[y], cell))
        for y, row in enumerate(grid)
        for x, cell in enumerate(row)
        if cell is not None and cell.diverged
    ]


def _ridge_mark(heat_map: HeatMap, values: Sequence[float], y: int) -> Mark | None:
    ridge = heat_map.rows[y].ridge
    if ridge.value is None:
        return None
    x = column(values, heat_map.axis_scale, ridge.value)
    return Mark(x=x, y=y, text=_ridge_text(heat_map, ridge))


def _ridge_text(heat_map: HeatMap, ridge: RidgePoint) -> str:
    assert ridge.value is not None
    assert ridge.loss is not None
    how = "interpolated" if ridge.interpolated else f"of the grid: {ridge.reason}"
    value = style.short(float(f"{ridge.value:.2e}"))
    return (
        f"best {style.escape(heat_map.parameter)} at {style.escape(heat_map.second_parameter)} "
        f"{style.short(ridge.second)}: {value}<br>loss {ridge.loss:.4f} nats<br>{how}"
    )


def _best_mark(heat_map: HeatMap, values: Sequence[float]) -> Mark | None:
    best = heat_map.best
    if best is None:
        return None
    seconds = [row.second for row in heat_map.rows]
    place = {"x": values.index(best.value), "y": seconds.index(best.second)}
    return Mark(**place, text=f"best of the map: {best.loss:.4f} nats")


def column(values: Sequence[float], axis_scale: str, value: float) -> float:
    """Where a value stands among columns of equal width, measured on the axis's scale."""
    right = bisect.bisect_left(values, value)
    if right < len(values) and values[right] == value:
        return right
    right = min(max(right, 1), len(values) - 1)
    ends = [axes.position(v, axis_scale) for v in (values[right - 1], value, values[right])]
    low, place, high = ends
    assert low is not None
    assert place is not None
    assert high is not None
    return right - 1 + (place - low) / (high - low)
