"""Effective learning rates of one trial: the median of every role, and the logits' spread."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from sweeper.plots import style
from sweeper.plots.style import ThemeName

if TYPE_CHECKING:
    import pandas as pd

KEY = "effective_lr"
SPREAD_ROLE = "last_layer"
LOWEST, LOW, MEDIAN, HIGH, HIGHEST = 0, 1, 3, 5, 6
"""Places among the quantiles 0, .05, .25, .5, .75, .95, 1 that a row holds."""


@dataclass(frozen=True, kw_only=True)
class EffectiveLrOptions:
    """What a reader can choose."""

    title: str = ""
    theme: ThemeName = "light"


@dataclass(frozen=True, kw_only=True)
class RoleCurve:
    """Quantiles of a role's effective learning rates against the step; None if not finite."""

    role: str
    steps: tuple[int, ...]
    quantiles: tuple[tuple[float | None, ...], ...]

    def at(self, place: int) -> list[float | None]:
        """One quantile at every step."""
        return [row[place] for row in self.quantiles]


def effective_lr_info(metrics: "pd.DataFrame") -> tuple[RoleCurve, ...]:
    """One curve per role, from the columns `key, step, detail` of a trial's metrics."""
    # A training function may have a metric of that name, and then there is a number instead.
    told_at = (metrics["key"] == KEY) & metrics["detail"].notna()
    rows = metrics[told_at].sort_values("step")
    told = [(int(s), json.loads(d)) for s, d in zip(rows["step"], rows["detail"], strict=True)]
    roles = dict.fromkeys(role for _, table in told for role in table)
    return tuple(
        RoleCurve(
            role=role,
            steps=tuple(step for step, _ in told),
            quantiles=tuple(tuple(table[role]) for _, table in told),
        )
        for role in roles
    )


def figure(metrics: "pd.DataFrame", *, options: EffectiveLrOptions | None = None) -> go.Figure:
    """`lr / (sqrt(v) + eps)` while a trial trained; without any, axes and a note."""
    chosen = options or EffectiveLrOptions()
    theme = style.theme_named(chosen.theme)
    curves = effective_lr_info(metrics)
    fig = go.Figure(layout=style.base_layout(chosen.theme))
    for i, curve in enumerate(curves):
        look = style.series_style(theme, i)
        if curve.role == SPREAD_ROLE:
            _add_spread(fig, curve, look.color)
        fig.add_trace(
            go.Scatter(
                x=list(curve.steps),
                y=curve.at(MEDIAN),
                name=curve.role.replace("_", " "),
                mode="lines",
                line={"color": look.color, "width": 2, "dash": look.dash},
                hovertemplate="step %{x}<br>median %{y:.3g}<extra>%{fullData.name}</extra>",
            )
        )
    look_of_axis = style.axis_look(theme)
    fig.update_xaxes(**look_of_axis, title_text="step", rangemode="tozero")
    fig.update_yaxes(**look_of_axis, title_text="effective learning rate", type="log")
    fig.update_layout(
        title={"text": style.escape(chosen.title), "x": 0, "xref": "paper"},
        margin={"l": 80, "r": 20, "t": 60, "b": 60},
        height=420,
        uirevision=KEY,
    )
    if not curves:
        note = "no effective learning rates: not trained yet, or the optimizer is not adaptive"
        fig.add_annotation(text=note, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return fig


def _add_spread(fig: go.Figure, curve: RoleCurve, color: str) -> None:
    """Bands from the lowest to the highest block, and over nine tenths of them."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    for low, high, opacity in ((LOWEST, HIGHEST, 0.12), (LOW, HIGH, 0.2)):
        for place, fill in ((low, None), (high, "tonexty")):
            fig.add_trace(
                go.Scatter(
                    x=list(curve.steps),
                    y=curve.at(place),
                    mode="lines",
                    line={"color": color, "width": 0},
                    fill=fill,
                    fillcolor=f"rgba({red}, {green}, {blue}, {opacity})",
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
