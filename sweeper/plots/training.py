"""Training figure: the losses of one trial against the step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from operator import itemgetter
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from sweeper.plots import style
from sweeper.plots.style import ThemeName

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"train_loss": "training loss", "validation_loss": "validation loss"}


HIGHEST = 1.5
"""Losses are drawn up to so many times the first one: a run that blows up shows where it begins."""


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
    fig.update_yaxes(**look_of_axis, title_text="loss (nats)", range=loss_range(curves))
    fig.update_layout(
        title={
            "text": style.escape(chosen.title),
            "subtitle": {"text": _subtitle(curves), "font": {"color": theme.faint_text}},
            "x": 0,
            "xref": "paper",
        },
        legend={"x": 1, "xanchor": "right", "y": 1},
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        height=420,
    )
    if (step := first_not_finite(curves)) is not None:
        fig.add_vline(x=step, line={"color": theme.faint_text, "width": 1, "dash": "dot"})
    if not curves:
        fig.add_annotation(
            text="no metrics yet", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False
        )
    return fig


def loss_range(curves: Sequence[LossCurve]) -> tuple[float, float] | None:
    """What is drawn of losses that rise far above the first one; None if they do not."""
    by_step = [pair for c in curves for pair in zip(c.steps, c.losses, strict=True)]
    finite = [loss for _, loss in sorted(by_step, key=itemgetter(0)) if loss is not None]
    if not finite or max(finite) <= HIGHEST * abs(finite[0]):
        return None
    low, high = min(finite), HIGHEST * abs(finite[0])
    return low - 0.05 * (high - low), high


def first_not_finite(curves: Sequence[LossCurve]) -> int | None:
    """The step of the first loss that is no number, or infinite; None if there is none."""
    pairs = [pair for c in curves for pair in zip(c.steps, c.losses, strict=True)]
    return min((step for step, loss in pairs if loss is None), default=None)


def _subtitle(curves: Sequence[LossCurve]) -> str:
    notes = []
    if loss_range(curves) is not None:
        highest = max(loss for c in curves for loss in c.losses if loss is not None)
        notes.append(
            f"drawn up to {HIGHEST:g} times the first loss; the highest is {style.short(highest)}"
        )
    if (step := first_not_finite(curves)) is not None:
        notes.append(f"dotted line: the first loss that is not finite, at step {step}")
    return "; ".join(notes)


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None
