"""Training figure: the losses of one trial against the step."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from sweeper.plots import style
from sweeper.plots.style import ThemeName

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"train_loss": "training loss", "validation_loss": "validation loss"}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What a reader can choose."""

    title: str = ""
    theme: ThemeName = "light"


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """One loss against the step; None where it was not finite."""

    name: str
    steps: tuple[int, ...]
    losses: tuple[float | None, ...]


def training_info(metrics: "pd.DataFrame") -> tuple[LossCurve, ...]:
    """Training and validation loss from the columns `key, step, value` of a trial's metrics."""
    curves = []
    for key, name in _NAMES.items():
        rows = metrics[metrics["key"] == key].sort_values("step")
        if len(rows):
            steps = tuple(int(step) for step in rows["step"])
            losses = tuple(_finite(value) for value in rows["value"])
            curves.append(LossCurve(name=name, steps=steps, losses=losses))
    return tuple(curves)


def figure(metrics: "pd.DataFrame", *, options: TrainingOptions | None = None) -> go.Figure:
    """The losses of a trial while it trained; without metrics, axes and a note."""
    chosen = options or TrainingOptions()
    theme = style.theme_named(chosen.theme)
    curves = training_info(metrics)
    fig = go.Figure(layout=style.base_layout(chosen.theme))
    for i, curve in enumerate(curves):
        look = style.series_style(theme, i)
        validation = curve.name == _NAMES["validation_loss"]
        fig.add_trace(
            go.Scatter(
                x=list(curve.steps),
                y=list(curve.losses),
                name=curve.name,
                mode="lines+markers" if validation else "lines",
                line={"color": look.color, "width": 2 if validation else 1.3},
                marker={"symbol": look.symbol, "size": 7},
                hovertemplate="step %{x}<br>%{y:.4f} nats<extra>%{fullData.name}</extra>",
            )
        )
    look_of_axis = style.axis_look(theme)
    fig.update_xaxes(**look_of_axis, title_text="step", rangemode="tozero")
    fig.update_yaxes(**look_of_axis, title_text="loss (nats)")
    fig.update_layout(
        title={"text": style.escape(chosen.title), "x": 0, "xref": "paper"},
        legend={"x": 1, "xanchor": "right", "y": 1},
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        height=420,
    )
    if not curves:
        fig.add_annotation(
            text="no metrics yet", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False
        )
    return fig


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None
