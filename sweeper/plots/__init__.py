"""The door to plotly: every figure, as JSON for a page or as a page of its own."""

from collections.abc import Callable, Mapping

import plotly.graph_objects as go
import plotly.io as pio

from sweeper.plots import effective_lr, heatmap, search, stability, style, training, transfer

FIGURES: Mapping[str, Callable[..., go.Figure]] = {
    "stability": stability.figure,
    "training": training.figure,
    "effective_lr": effective_lr.figure,
    "heatmap": heatmap.figure,
    "transfer": transfer.figure,
    "search": search.figure,
}


def to_json(fig: go.Figure) -> str:
    """The JSON that `Plotly.react` draws."""
    return str(fig.to_json(validate=False))


def from_json(text: str) -> go.Figure:
    """The figure that `to_json` wrote."""
    return pio.from_json(text)


_BEFORE_PRINT = """
const drawn = document.getElementById("figure");
addEventListener("beforeprint", () => Plotly.relayout(drawn, {width: 680}));
addEventListener("afterprint", () => Plotly.relayout(drawn, {width: null, autosize: true}));
"""
"""A figure is as wide as the screen it was drawn on; paper is narrower (A4 without margins)."""


def element(fig: go.Figure) -> str:
    """The figure as a part of a page, with plotly.js and all else it needs; one to a page."""
    config = {"displaylogo": False, "responsive": True}
    drawn = fig.to_html(
        full_html=False,
        include_plotlyjs=True,
        config=config,
        div_id="figure",
        include_mathjax=False,
    )
    return f"{drawn}\n<script>{_BEFORE_PRINT}</script>"


def html(fig: go.Figure, title: str = "") -> str:
    """A page that holds the figure and all it needs: it opens anywhere, and contacts nobody."""
    theme = style.theme_named(fig.layout.meta["theme"])
    config = {"displaylogo": False, "responsive": True}
    body = fig.to_html(full_html=False, include_plotlyjs=True, config=config)
    look = f"margin: 1rem; background: {theme.page}; color: {theme.text}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{style.escape(title)}</title>\n</head>\n"
        f'<body style="{look}">\n{body}\n</body>\n</html>\n'
    )
