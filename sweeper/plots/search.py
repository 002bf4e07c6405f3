"""Search figure: the loss of every candidate in the order of asking, and the lowest so far."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import plotly.graph_objects as go

from sweeper.plots import style
from sweeper.plots.stability import StabilityOptions, empty
from sweeper.plots.style import SeriesStyle


class Dot(Protocol):
    """What the figure reads of a candidate."""

    @property
    def number(self) -> int:
        """In the order of asking, from 0."""

    @property
    def text(self) -> str:
        """Its values, in words."""

    @property
    def trial_ids(self) -> Sequence[str]:
        """Its trials: a click opens the first one."""

    @property
    def loss(self) -> float | None:
        """In nats; None while there is none."""


class Line(Protocol):
    """What the figure reads of a variant that is searched."""

    @property
    def label(self) -> str:
        """Of the curve."""

    @property
    def scale(self) -> str:
        """Of the model."""

    @property
    def candidates(self) -> Sequence[Dot]:
        """In the order of asking."""


_SUBTITLE = (
    "lines: the lowest so far; a run that diverges or ends above its initial loss counts as that"
)


def figure(found: Sequence[Line], *, options: StabilityOptions) -> go.Figure:
    """One mark per candidate and one falling line per variant; a note while there is no loss."""
    theme = style.theme_named(options.theme)
    fig = go.Figure(layout=style.base_layout(options.theme))
    for i, line in enumerate(found):
        told = [dot for dot in line.candidates if dot.loss is not None]
        if told:
            fig.add_traces([*_traces(line, told, style.series_style(theme, i))])
    if not fig.data:
        return empty("no candidate has a loss yet", options)
    look = style.axis_look(theme)
    fig.update_xaxes(**look, title_text="candidate, in the order of asking")
    fig.update_yaxes(**look, title_text="final validation loss (nats)")
    fig.update_layout(
        title={
            "text": style.escape(options.title),
            "subtitle": {"text": _SUBTITLE, "font": {"color": theme.faint_text}},
            "x": 0,
            "xref": "paper",
        },
        legend={"orientation": "v", "y": 1, "yanchor": "top", "x": 1.02},
        margin={"l": 70, "r": 20, "t": 80, "b": 60},
        height=460,
    )
    return fig


def _traces(line: Line, told: Sequence[Dot], look: SeriesStyle) -> Iterator[go.Scatter]:
    name = style.escape(f"{line.label}, {line.scale}")
    numbers, losses = [dot.number for dot in told], [float(dot.loss or 0) for dot in told]
    yield go.Scatter(
        x=numbers,
        y=[min(losses[: i + 1]) for i in range(len(losses))],
        mode="lines",
        line={"color": look.color, "width": 1.5, "dash": look.dash, "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    yield go.Scatter(
        x=numbers,
        y=losses,
        name=name,
        legendgroup=name,
        mode="markers",
        marker={"color": look.color, "symbol": look.symbol, "size": 8},
        customdata=[[dot.trial_ids[0], style.escape(dot.text)] for dot in told],
        hovertemplate=f"<b>{name}</b><br>candidate %{{x}}: %{{y:.4f}} nats"
        "<br>%{customdata[1]}<extra></extra>",
    )
