"""Transfer figure: the best value against the size of the model, one line per label."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from sweeper.analysis import axes
from sweeper.analysis.compare import Comparison
from sweeper.analysis.transfer import Transfer
from sweeper.plots import style
from sweeper.plots.axes import ValueAxis, value_axis
from sweeper.plots.stability import StabilityOptions, empty
from sweeper.plots.style import SeriesStyle, Theme, ThemeName

_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "k"), (1, ""))


@dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """What a reader can choose."""

    title: str = ""
    theme: ThemeName = "light"


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A best value at a size, with its interval if there is one; `low` and `high` are places."""

    size: float
    value: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class TransferLine:
    """One label: what was measured, what was left out of the fit, the fit, the prediction."""

    name: str
    dots: tuple[Dot, ...]
    outside: tuple[Dot, ...]
    fit: tuple[tuple[float, float], ...]
    """Sizes and values, from the smallest size to that of the prediction."""
    prediction: Dot | None


def transfer_info(found: Comparison) -> tuple[TransferLine, ...]:
    """What the figure of a comparison shows; all texts are escaped."""
    return tuple(_line(transfer, found.axis_scale) for transfer in found.transfers)


def figure(found: Comparison, *, options: TransferOptions | None = None) -> go.Figure:
    """The transfer figure of a comparison; without two scales of one label, a note that says so."""
    chosen = options or TransferOptions()
    lines = transfer_info(found)
    dots = [d for line in lines for d in (*line.dots, *line.outside)]
    if not dots:
        shown = StabilityOptions(title=chosen.title, theme=chosen.theme)
        return empty("no label has a best value at two scales", shown)
    theme = style.theme_named(chosen.theme)
    y = value_axis(_values(lines), found.axis_scale, found.parameter)
    fig = go.Figure(layout=style.base_layout(chosen.theme))
    for i, line in enumerate(lines):
        for trace in _traces(line, y, style.series_style(theme, i)):
            fig.add_trace(trace)
    _lay_out(fig, y, theme, chosen)
    return fig


def _line(transfer: Transfer, axis_scale: str) -> TransferLine:
    dots = [
        (
            optimum.used,
            Dot(
                size=optimum.parameters,
                value=optimum.value,
                low=optimum.low,
                high=optimum.high,
                text=_text(transfer.label, optimum.scale, optimum.value, optimum.low, optimum.high)
                + (f"<br>not fitted: {style.escape(optimum.reason)}" if optimum.reason else ""),
            ),
        )
        for optimum in transfer.optima
        if optimum.parameters is not None and optimum.value is not None
    ]
    predicted = transfer.prediction
    return TransferLine(
        name=style.escape(transfer.label),
        dots=tuple(dot for used, dot in dots if used),
        outside=tuple(dot for used, dot in dots if not used),
        fit=_fit(transfer, axis_scale),
        prediction=None
        if predicted is None
        else Dot(
            size=predicted.parameters,
            value=predicted.value,
            low=predicted.low,
            high=predicted.high,
            text="predicted: "
            + _text(
                transfer.label, predicted.scale, predicted.value, predicted.low, predicted.high
            ),
        ),
    )


def _text(label: str, scale: str, value: float, low: float | None, high: float | None) -> str:
    text = f"<b>{style.escape(label)}</b>, {style.escape(scale)}<br>{style.short(value)}"
    if low is None or high is None:
        return text
    return f"{text}<br>95 % interval {style.short(low)} to {style.short(high)}"


def _fit(transfer: Transfer, axis_scale: str) -> tuple[tuple[float, float], ...]:
    slope, start = transfer.exponent.value, transfer.at_one
    if slope is None or start is None:
        return ()
    sizes = [o.parameters for o in transfer.optima if o.used and o.parameters]
    sizes += [transfer.prediction.parameters] if transfer.prediction else []
    return tuple(
        (size, axes.value_at(start + slope * math.log10(size), axis_scale)) for size in sizes
    )


def _values(lines: Sequence[TransferLine]) -> list[float]:
    """All that has to be seen; a prediction's interval may be wide without bound, and is not."""
    dots = [d for line in lines for d in (*line.dots, *line.outside)]
    ends = [end for d in dots for end in (d.value, d.low, d.high) if end is not None]
    return ends + [line.prediction.value for line in lines if line.prediction is not None]


def _traces(line: TransferLine, y: ValueAxis, look: SeriesStyle) -> list[go.Scatter]:
    fit = go.Scatter(
        x=[size for size, _ in line.fit],
        y=[y.place(value) for _, value in line.fit],
        mode="lines",
        line={"color": look.color, "width": 1.5, "dash": look.dash},
        hoverinfo="skip",
        showlegend=False,
    )
    traces = [fit] if line.fit else []
    traces.append(_dots(line.dots, y, look, look.symbol, shown=True))
    if line.outside:
        traces.append(_dots(line.outside, y, look, "x-thin-open"))
    if line.prediction is not None:
        traces.append(_dots([line.prediction], y, look, f"{look.symbol}-open"))
    for trace in traces:
        trace.update(legendgroup=line.name, name=line.name)
    return traces


def _dots(
    dots: Sequence[Dot], y: ValueAxis, look: SeriesStyle, symbol: str, *, shown: bool = False
) -> go.Scatter:
    places = [y.place(dot.value) for dot in dots]
    ends = [_ends(dot, y) for dot in dots]
    return go.Scatter(
        x=[dot.size for dot in dots],
        y=places,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [high - place for (_, high), place in zip(ends, places, strict=True)],
            "arrayminus": [place - low for (low, _), place in zip(ends, places, strict=True)],
            "color": look.color,
            "thickness": 1.2,
        },
        mode="markers",
        marker={
            "color": look.color,
            "symbol": symbol,
            "size": 9,
            "line": {"width": 1.6, "color": look.color},
        },
        customdata=[[dot.text] for dot in dots],
        hovertemplate="%{customdata[0]}<extra></extra>",
        showlegend=shown,
    )


def _ends(dot: Dot, y: ValueAxis) -> tuple[float, float]:
    """The drawn ends of the interval, lower one first: a reversed axis turns them around."""
    if dot.low is None or dot.high is None:
        place = y.place(dot.value)
        return place, place
    low, high = sorted((y.place(dot.low), y.place(dot.high)))
    return low, high


def _ticks(y: ValueAxis) -> tuple[list[float], list[str]]:
    """Round numbers where two are seen: best values lie anywhere, those of a grid do not."""
    low, high = sorted(y.range)
    places = [
        digit * 10.0**exponent
        for exponent in range(math.floor(low), math.ceil(high) + 1)
        for digit in ((1, 2, 5) if high - low < 3 else (1,))
        if low <= math.log10(digit) + exponent <= high
    ]
    if y.type == "linear" or len(places) < 2:
        return list(y.tickvals), list(y.ticktext)
    return places, [style.short(1 - place if y.reversed else place) for place in places]


def _size_ticks(fig: go.Figure) -> dict[str, Any]:
    """Powers of ten, and within two decades also twos and fives."""
    sizes = [size for trace in fig.data for size in trace.x]
    digits = (1,) if max(sizes) > 100 * min(sizes) else (1, 2, 5)
    first, last = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    ticks = [digit * 10**power for power in range(first, last + 1) for digit in digits]
    return {"tickvals": ticks, "ticktext": [_size(tick) for tick in ticks]}


def _size(parameters: int) -> str:
    unit, name = next((u, n) for u, n in _UNITS if parameters >= u)
    return f"{parameters / unit:g}{name}"


def _lay_out(fig: go.Figure, y: ValueAxis, theme: Theme, options: TransferOptions) -> None:
    look: dict[str, Any] = style.axis_look(theme)
    fig.update_xaxes(
        **look, **_size_ticks(fig), type="log", title_text="parameters without token tables"
    )
    tickvals, ticktext = _ticks(y)
    fig.update_yaxes(
        **look,
        type=y.type,
        range=y.range,
        tickvals=tickvals,
        ticktext=ticktext,
        title_text=f"best {y.name}",
    )
    fig.update_layout(
        title={
            "text": style.escape(options.title),
            "subtitle": {
                "text": "bars: 95 % intervals; lines: fits; open marks: predicted",
                "font": {"color": theme.faint_text},
            },
            "x": 0,
            "xref": "paper",
        },
        legend={"orientation": "v", "y": 1, "yanchor": "top", "x": 1.02},
        margin={"l": 80, "r": 20, "t": 80, "b": 60},
        height=460,
    )
