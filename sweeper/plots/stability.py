"""Stability figure: final loss against one hyperparameter, one line per variant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability
from sweeper.plots import style
from sweeper.plots.stability_info import Line, Mark, StabilityInfo, stability_info
from sweeper.plots.style import SeriesStyle, Theme, ThemeName

_FACETS_PER_ROW = 3


@dataclass(frozen=True, kw_only=True)
class StabilityOptions:
    """What a reader can turn on and off."""

    title: str = ""
    theme: ThemeName = "light"
    seeds: bool = True
    """A dot for every seed, where there are several."""
    intervals: bool = True
    basins: bool = True
    """A broad stroke under the line, within the tolerance of the best value."""
    diverged: bool = True
    """The band above the losses; without it, diverged values are gaps."""


def figure(
    curves: Sequence[Curve],
    stabilities: Sequence[Stability],
    *,
    options: StabilityOptions | None = None,
) -> go.Figure:
    """The stability figure of a sweep. The first item of every mark's customdata is its trial id.

    Without curves, an empty figure that says so.
    """
    chosen = options or StabilityOptions()
    if not curves:
        return empty("no points yet", chosen)
    info = stability_info(curves, stabilities)
    theme = style.theme_named(chosen.theme)
    rows, columns = _grid(len(info.facets))
    fig = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes=True,
        subplot_titles=info.facets,
        horizontal_spacing=0.03,
        vertical_spacing=0.28 / rows,
    )
    for line in info.lines:
        place = {"row": line.facet // columns + 1, "col": line.facet % columns + 1}
        for trace in _traces(line, info, theme, chosen):
            fig.add_trace(trace, **place)
    _lay_out(fig, info, theme, chosen)
    return fig


def empty(message: str, options: StabilityOptions) -> go.Figure:
    """A figure with nothing but a message."""
    fig = go.Figure(layout=style.base_layout(options.theme))
    fig.add_annotation(
        text=style.escape(message), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False
    )
    fig.update_layout(title={"text": style.escape(options.title)})
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return fig


def _grid(num_facets: int) -> tuple[int, int]:
    columns = 2 if num_facets == 4 else min(num_facets, _FACETS_PER_ROW)
    return -(-num_facets // columns), columns


def _traces(
    line: Line, info: StabilityInfo, theme: Theme, options: StabilityOptions
) -> list[go.Scatter]:
    look = style.series_style(theme, line.style)
    first = next(other for other in info.lines if other.style == line.style)
    common = {"legendgroup": str(line.style), "name": line.label}
    traces = []
    if options.intervals:
        traces += [_interval_trace(run, look) for run in line.interval]
    if options.diverged:
        traces += [_connector(pair, look) for pair in line.to_diverged]
    if options.basins and len(line.basin) > 1:
        traces.append(_basin_trace(line, look))
    traces.append(_mean_trace(line, look, shown=line is first))
    if options.seeds and line.dots:
        traces.append(_marks(line.dots, {"size": 5, "color": look.color, "opacity": 0.55}))
    if line.best is not None:
        traces.append(_best_trace(line.best, look))
    if options.diverged and line.diverged:
        traces.append(
            _marks(line.diverged, {"symbol": "x-thin", "size": 9, "line": _stroke(look, 2.2)})
        )
    for trace in traces:
        trace.update(common)
    return traces


def _mean_trace(line: Line, look: SeriesStyle, *, shown: bool) -> go.Scatter:
    marks = line.mean
    return go.Scatter(
        x=[None if mark is None else mark.x for mark in marks],
        y=[None if mark is None else mark.y for mark in marks],
        customdata=[None if mark is None else _custom(mark) for mark in marks],
        mode="lines" if line.inert else "lines+markers",
        line={"color": look.color, "width": 2, "dash": look.dash},
        marker={
            "color": look.color,
            "opacity": 1,
            "line": {"width": 0},
            "size": [14 if mark is not None and mark.clipped else 8 for mark in marks],
            "symbol": [
                "arrow-up" if mark is not None and mark.clipped else look.symbol for mark in marks
            ],
        },
        hovertemplate="%{customdata[1]}<extra></extra>",
        showlegend=shown,
    )


def _marks(marks: Sequence[Mark], marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[mark.x for mark in marks],
        y=[mark.y for mark in marks],
        customdata=[_custom(mark) for mark in marks],
        mode="markers",
        marker=marker,
        hovertemplate="%{customdata[1]}<extra></extra>",
        showlegend=False,
    )


def _best_trace(mark: Mark, look: SeriesStyle) -> go.Scatter:
    ring = {"symbol": "circle-open", "size": 17, "color": look.color, "line": {"width": 1.8}}
    return _marks([mark], ring).update(hoverinfo="skip", hovertemplate=None)


def _interval_trace(run: Sequence[tuple[float, float, float]], look: SeriesStyle) -> go.Scatter:
    there, back = list(run), list(reversed(run))
    red, green, blue = (int(look.color[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        x=[x for x, _, _ in there + back],
        y=[low for _, low, _ in there] + [high for _, _, high in back],
        mode="lines",
        fill="toself",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.16)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _basin_trace(line: Line, look: SeriesStyle) -> go.Scatter:
    return go.Scatter(
        x=[x for x, _ in line.basin],
        y=[y for _, y in line.basin],
        mode="lines",
        line={"color": look.color, "width": 10},
        opacity=0.28,
        hoverinfo="skip",
        showlegend=False,
    )


def _connector(pair: tuple[Mark, Mark], look: SeriesStyle) -> go.Scatter:
    return go.Scatter(
        x=[mark.x for mark in pair],
        y=[mark.y for mark in pair],
        mode="lines",
        line={"color": look.color, "width": 1, "dash": "dot"},
        opacity=0.55,
        hoverinfo="skip",
        showlegend=False,
    )


def _custom(mark: Mark) -> list[str | float]:
    return [mark.trial_id, mark.text, mark.value]


def _stroke(look: SeriesStyle, width: float) -> dict[str, Any]:
    return {"color": look.color, "width": width}


def _lay_out(fig: go.Figure, info: StabilityInfo, theme: Theme, options: StabilityOptions) -> None:
    rows, _ = _grid(len(info.facets))
    top = info.y.top if options.diverged else info.y.high
    fig.update_layout(
        **style.base_layout(options.theme),
        title={
            "text": style.escape(options.title),
            "subtitle": {"text": _subtitle(info, options), "font": {"color": theme.faint_text}},
            "x": 0,
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 18},
            "xref": "paper",
        },
        legend={"orientation": "v", "y": 1, "yanchor": "top", "x": 1.02},
        margin={"l": 70, "r": 20, "t": 105, "b": 60},
        height=165 + 360 * rows,
    )
    fig.update_xaxes(
        **style.axis_look(theme),
        type=info.x.type,
        range=info.x.range,
        tickvals=info.x.tickvals,
        ticktext=info.x.ticktext,
        title_text=info.x.title,
        minor={
            "tickvals": sorted({mark.x for line in info.lines for mark in line.mean if mark}),
            "ticks": "outside",
            "ticklen": 2,
            "tickcolor": theme.faint_text,
        },
    )
    fig.update_yaxes(**style.axis_look(theme), range=(info.y.low, top), tickvals=info.y.tickvals)
    fig.update_yaxes(title_text="final validation loss (nats)", col=1)
    fig.update_annotations(font={"size": 14})
    if options.diverged and info.y.top > info.y.high:
        _add_band(fig, info, theme)
    if info.x.break_at is not None:
        fig.add_vline(
            x=info.x.break_at, line={"color": theme.faint_text, "width": 1, "dash": "dot"}
        )


def _add_band(fig: go.Figure, info: StabilityInfo, theme: Theme) -> None:
    fig.add_hrect(
        y0=info.y.high, y1=info.y.top, fillcolor=theme.band, line={"width": 0}, layer="below"
    )
    fig.add_annotation(
        text="diverged",
        x=0,
        xref="x domain",
        xanchor="left",
        xshift=4,
        y=info.y.top,
        yref="y",
        yanchor="top",
        showarrow=False,
        font={"size": 11, "color": theme.faint_text},
    )


def _subtitle(info: StabilityInfo, options: StabilityOptions) -> str:
    finished = "" if info.finished == info.total else f"{info.finished} of "
    parts = [f"{finished}{info.total} points finished", "rings: best value"]
    if options.basins and any(len(line.basin) > 1 for line in info.lines):
        parts.append(f"broad strokes: within {info.tolerance:g} nats of it")
    if any(line.inert for line in info.lines):
        parts.append(f"lines without marks: not affected by {info.x.name}")
    if info.clipped:
        parts.append(f"arrows: {info.y.arrows}")
    return "; ".join(parts)
