"""The hyperparameter axis of a figure: where values are drawn, and how ticks are written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sweeper.plots import style

TITLES = {
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "eps": "epsilon",
    "batch_size": "batch size (sequences)",
    "warmup_fraction": "warmup (share of the steps)",
    "lr_floor": "learning-rate floor (share of the peak)",
    "grad_clip": "clipping norm",
    "z_loss": "z-loss weight",
}
_MAX_LABELS = 8


@dataclass(frozen=True, kw_only=True)
class ValueAxis:
    """An axis as plotly wants it. On a `one_minus_log` axis, 1 - value is drawn, reversed.

    `zero_at` is where zero stands on a log axis, left of a break at `break_at`. The range is in
    decades where the type is `log`.
    """

    type: Literal["log", "linear"]
    name: str
    title: str
    range: tuple[float, float]
    tickvals: tuple[float, ...]
    ticktext: tuple[str, ...]
    reversed: bool = False
    zero_at: float | None = None
    break_at: float | None = None

    def place(self, value: float) -> float:
        """The coordinate at which plotly draws the value."""
        if self.reversed:
            return 1 - value
        return self.zero_at if value == 0 and self.zero_at is not None else value


def value_axis(values: Sequence[float], axis_scale: str, parameter: str) -> ValueAxis:
    """The axis on which all the values are seen; at least one value."""
    name = TITLES.get(parameter, style.escape(parameter.replace("_", " ")))
    distinct = sorted(set(values))
    assert distinct, "an axis without values"
    if axis_scale == "one_minus_log":
        return _one_minus_log(distinct, name)
    if axis_scale == "log" and distinct[-1] > 0:
        return _log(distinct, name)
    return _linear(distinct, name)


def _log(values: Sequence[float], name: str) -> ValueAxis:
    positive = [value for value in values if value > 0]
    low, high = math.log10(positive[0]), math.log10(positive[-1])
    span = high - low
    gap = max(0.12 * span, 0.4) if len(positive) < len(values) else 0.0
    pad = max(0.05 * span, 0.1)
    shown = positive if len(positive) <= 5 else _decades(low, high) or _thinned(positive)
    labels = [style.exponential(value) for value in shown]
    if gap:
        shown, labels = [10 ** (low - gap), *shown], ["0", *labels]
    return ValueAxis(
        type="log",
        name=name,
        title=name,
        range=(low - gap - pad, high + pad),
        tickvals=tuple(shown),
        ticktext=tuple(labels),
        zero_at=10 ** (low - gap) if gap else None,
        break_at=10 ** (low - gap / 2) if gap else None,
    )


def _decades(low: float, high: float) -> list[float]:
    """The powers of ten in the range, or every second or third; nothing if below three."""
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(exponents) < 3:
        return []
    return [10.0**exponent for exponent in exponents[:: 1 + len(exponents) // (_MAX_LABELS + 1)]]


def _one_minus_log(values: Sequence[float], name: str) -> ValueAxis:
    low, high = math.log10(1 - values[-1]), math.log10(1 - values[0])
    pad = max(0.05 * (high - low), 0.05)
    shown = _thinned(values)
    return ValueAxis(
        type="log",
        name=name,
        title=f"{name}, log scale of 1 \N{MINUS SIGN} {name}",
        range=(high + pad, low - pad),
        tickvals=tuple(1 - value for value in shown),
        ticktext=tuple(f"{value:.6g}" for value in shown),
        reversed=True,
    )


def _linear(values: Sequence[float], name: str) -> ValueAxis:
    span = values[-1] - values[0]
    pad = 0.05 * span or 0.1 * abs(values[0]) or 0.1
    low, high = values[0] - pad, values[-1] + pad
    shown = style.ticks(low, high)
    return ValueAxis(
        type="linear",
        name=name,
        title=name,
        range=(low, high),
        tickvals=shown,
        ticktext=tuple(style.short(value) for value in shown),
    )


def _thinned(values: Sequence[float]) -> list[float]:
    return list(values[:: 1 + (len(values) - 1) // _MAX_LABELS])
