"""Colours, marker shapes and texts that all figures share, in a light and a dark theme."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

ThemeName = Literal["light", "dark"]

SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "star",
    "hexagon",
)
DASHES = ("solid", "8px,3px", "3px,3px", "10px,3px,3px,3px", "14px,3px")


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of one theme; the paper is transparent, `page` is what a page of its own has."""

    page: str
    text: str
    faint_text: str
    grid: str
    band: str
    series: tuple[str, ...]


THEMES: Mapping[str, Theme] = {
    "light": Theme(
        page="#ffffff",
        text="#1f2328",
        faint_text="#59636e",
        grid="#e4e7eb",
        band="rgba(120, 60, 60, 0.07)",
        series=("#0072b2", "#d55e00", "#009e73", "#b8559a", "#b07800", "#3a96c8", "#6b6b6b"),
    ),
    "dark": Theme(
        page="#14171c",
        text="#e6e9ee",
        faint_text="#9aa4b0",
        grid="#2c323a",
        band="rgba(255, 150, 150, 0.09)",
        series=("#4fa8e0", "#f2874f", "#33c79d", "#e39bc6", "#f0b840", "#93d4f7", "#b4b8be"),
    ),
}
"""Series after Okabe and Ito (Color Universal Design), darker or lighter to stand off the page."""


@dataclass(frozen=True, kw_only=True)
class SeriesStyle:
    """How one series looks: never told apart by colour alone."""

    color: str
    symbol: str
    dash: str


def theme_named(name: str) -> Theme:
    """The theme; ValueError for an unknown one."""
    if name not in THEMES:
        raise ValueError(f"unknown theme '{name}'; known: {', '.join(THEMES)}")
    return THEMES[name]


def series_style(theme: Theme, index: int) -> SeriesStyle:
    """The style of the series at a position in the legend; styles repeat only after 280 series."""
    return SeriesStyle(
        color=theme.series[index % len(theme.series)],
        symbol=SYMBOLS[index % len(SYMBOLS)],
        dash=DASHES[index % len(DASHES)],
    )


def escape(text: str) -> str:
    """The text itself: plotly reads `<` and `&` in any text as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(value: float) -> str:
    """Three significant digits as the study writes them: `3.16e-3`, `0.95`, `1e-15`, `10`."""
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return f"{value:.6g}" if value == 0 or abs(value) < 1 else f"{value:.4g}"
    return exponential(value)


def exponential(value: float) -> str:
    """Three significant digits with an exponent: `1e-1`, `3.16e0`; zero is `0`."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def ticks(low: float, high: float, count: int = 6) -> tuple[float, ...]:
    """About `count` round numbers within the range."""
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # The digits below the step are round-off of the product.
    digits = 3 - math.floor(math.log10(step))
    return tuple(round(i * step, digits) for i in range(first, last + 1))


def base_layout(theme_name: ThemeName) -> dict[str, Any]:
    """The layout every figure starts from: transparent, so that the page shows through."""
    theme = theme_named(theme_name)
    return {
        "template": go.layout.Template(),
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "font": {"color": theme.text, "size": 13, "family": "Helvetica, Arial, sans-serif"},
        "hoverlabel": {"align": "left"},
        "hovermode": "closest",
        "modebar": {
            "bgcolor": "rgba(0, 0, 0, 0)",
            "color": theme.faint_text,
            "activecolor": theme.text,
        },
        "meta": {"theme": theme_name},
        # a redraw with newer results keeps the zoom and the curves a reader has hidden
        "uirevision": "kept",
    }


def axis_look(theme: Theme) -> dict[str, Any]:
    """Lines, ticks and grid of one axis."""
    return {
        "showline": True,
        "linecolor": theme.faint_text,
        "ticks": "outside",
        "tickcolor": theme.faint_text,
        "ticklen": 4,
        "gridcolor": theme.grid,
        "zeroline": False,
        "title": {"font": {"size": 14}, "standoff": 8},
    }
