"""Heat map: final loss over two hyperparameters, one map per optimizer, with its ridge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sweeper.analysis.heatmap import HeatMap
from sweeper.plots import style
from sweeper.plots.heatmap_info import LEAST_EXCESS, HeatMapInfo, Mark, heat_map_info
from sweeper.plots.style import ThemeName

MAPS_PER_ROW = 3
WRITTEN_CELLS = 9
"""Columns up to which cells hold their loss: more are too narrow for it."""
BELOW = "\N{NO-BREAK SPACE}<br>%{text}"
"""Losses stand in the lower half of their cells: the ridge goes through the middle."""
INK, CASING = "#111111", "#ffffff"
"""Of marks over cells: on any colour of the scale, and on the page of either theme, one is seen."""
SUBTITLE = (
    "line: best of each row, interpolated where its neighbours allow, open where it is at an edge; "
    "frame: best of the map; crosses: diverged"
)
EXCESSES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class HeatMapOptions:
    """What a reader can choose."""

    title: str = ""
    theme: ThemeName = "light"


def figure(heat_maps: Sequence[HeatMap], *, options: HeatMapOptions | None = None) -> go.Figure:
    """The heat maps of a sweep; the first item of every cell's customdata is its trial id, if one.

    Colours, which are told apart without red and green, are of the excess over each map's best
    loss, in decades. Without maps, an empty figure that says so.
    """
    chosen = options or HeatMapOptions()
    if not heat_maps:
        return _empty(chosen)
    infos = [heat_map_info(heat_map) for heat_map in heat_maps]
    columns = min(len(infos), MAPS_PER_ROW)
    rows = -(-len(infos) // columns)
    fig = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[info.title for info in infos],
        horizontal_spacing=0.12 / columns,
        vertical_spacing=0.3 / rows,
    )
    for i, info in enumerate(infos):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for trace in _traces(info):
            fig.add_trace(trace, **place)
        _lay_out_map(fig, info, chosen, first=i % columns == 0, **place)
    _lay_out(fig, infos, chosen, rows)
    return fig


def _empty(options: HeatMapOptions) -> go.Figure:
    fig = go.Figure(layout=style.base_layout(options.theme))
    fig.add_annotation(
        text="no second axis, or no points yet",
        **{"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False},
    )
    fig.update_layout(title={"text": style.escape(options.title)}, height=240)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return fig


def _traces(info: HeatMapInfo) -> list[Any]:
    traces = [_cells(info)]
    if any(mark is not None for mark in info.ridge):
        traces += [
            _line(info.ridge, {"color": CASING, "width": 3}, "lines"),
            _line(info.ridge, {"color": INK, "width": 1}, "lines+markers").update(
                marker={"color": INK, "size": 8, "line": {"color": CASING, "width": 1.5}},
            ),
        ]
    edges = {"symbol": "circle", "size": 8, "color": CASING, "line": {"color": INK, "width": 2}}
    crosses = {"symbol": "x", "size": 9, "color": INK, "line": {"color": CASING, "width": 1}}
    marked = ((info.at_edge, edges), (info.diverged, crosses))
    traces += [_marks(marks, marker) for marks, marker in marked if marks]
    return traces if info.best is None else [*traces, *_frame(info.best)]


def _frame(best: Mark) -> list[go.Scatter]:
    """Around the cell rather than on it, where its loss is written."""
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5))
    around = [Mark(x=best.x + dx, y=best.y + dy, text=best.text) for dx, dy in corners]
    looks = ({"color": CASING, "width": 6}, {"color": INK, "width": 3})
    return [
        _line(around, look, "lines").update(hoverinfo="skip", hovertemplate=None) for look in looks
    ]


def _cells(info: HeatMapInfo) -> go.Heatmap:
    written = len(info.columns) <= WRITTEN_CELLS
    ids = zip(info.trial_ids, info.texts, strict=True)
    return go.Heatmap(
        z=[list(row) for row in info.shades],
        customdata=[[[trial, text] for trial, text in zip(*row, strict=True)] for row in ids],
        text=[list(row) for row in info.losses],
        texttemplate=BELOW if written else None,
        hovertemplate="%{customdata[1]}<extra></extra>",
        coloraxis="coloraxis",
        xgap=2,
        ygap=2,
        name="loss",
        hoverongaps=False,
    )


def _line(marks: Sequence[Mark | None], line: dict[str, Any], mode: str) -> go.Scatter:
    return go.Scatter(
        x=[None if mark is None else mark.x for mark in marks],
        y=[None if mark is None else mark.y for mark in marks],
        customdata=[None if mark is None else ["", mark.text] for mark in marks],
        mode=mode,
        line=line,
        hovertemplate="%{customdata[1]}<extra></extra>",
    )


def _marks(marks: Sequence[Mark], marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[mark.x for mark in marks],
        y=[mark.y for mark in marks],
        customdata=[["", mark.text] for mark in marks],
        mode="markers",
        marker=marker,
        hovertemplate="%{customdata[1]}<extra></extra>",
    )


def _lay_out_map(
    fig: go.Figure, info: HeatMapInfo, options: HeatMapOptions, *, first: bool, row: int, col: int
) -> None:
    look = style.axis_look(style.theme_named(options.theme)) | {"showgrid": False}
    fig.update_xaxes(
        **look,
        **_ticks(info.columns),
        title_text=info.x_title,
        range=(-0.5, len(info.columns) - 0.5),
        row=row,
        col=col,
    )
    fig.update_yaxes(
        **look,
        **_ticks(info.rows),
        title_text=info.y_title if first else None,
        range=(-0.5, len(info.rows) - 0.5),
        row=row,
        col=col,
    )


def _ticks(labels: Sequence[str], most: int = 12) -> dict[str, Any]:
    """A label under every cell, or under every second or third."""
    every = -(-len(labels) // most)
    return {
        "tickvals": list(range(0, len(labels), every)),
        "ticktext": list(labels[::every]),
    }


def _lay_out(
    fig: go.Figure, infos: Sequence[HeatMapInfo], options: HeatMapOptions, rows: int
) -> None:
    theme = style.theme_named(options.theme)
    tallest = max(len(info.rows) for info in infos)
    fig.update_layout(
        **style.base_layout(options.theme),
        title={
            "text": style.escape(options.title),
            "subtitle": {"text": _subtitle(infos), "font": {"color": theme.faint_text}},
            **{"x": 0, "y": 1, "yanchor": "top", "pad": {"t": 18}, "xref": "paper"},
        },
        coloraxis=_color_axis(infos),
        showlegend=False,
        margin={"l": 70, "r": 20, "t": 105, "b": 60},
        height=190 + rows * max(220, min(40 * tallest + 80, 640)),
    )
    fig.update_annotations(font={"size": 14})


def _subtitle(infos: Sequence[HeatMapInfo]) -> str:
    above = any(info.above_initial for info in infos)
    return f"{SUBTITLE}; arrows: above the initial loss" if above else SUBTITLE


def _color_axis(infos: Sequence[HeatMapInfo]) -> dict[str, Any]:
    low, high = math.log10(LEAST_EXCESS), max(*(info.top for info in infos), math.log10(0.1))
    shown = [excess for excess in EXCESSES if low <= math.log10(excess) <= high]
    return {
        "colorscale": "Cividis",
        "reversescale": True,
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "title": {"text": "nats above<br>the best", "font": {"size": 12}},
            "tickvals": [math.log10(excess) for excess in shown],
            "ticktext": [f"{'≤ ' if excess == LEAST_EXCESS else ''}{excess:g}" for excess in shown],
            "outlinewidth": 0,
            "thickness": 14,
        },
    }
