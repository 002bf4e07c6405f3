"""The loss axis of the stability figure: what is drawn, and what is above. No plotly."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.analysis.curves import Curve
from sweeper.plots import style

BAND_ROW = 0.05
"""Height of one row of the band for diverged trials, as a share of the losses' range."""
PART = 0.2
"""How much of the way from the lowest to the initial loss is drawn at least, where a curve rises
above that: or else what little the others differ by would fill the figure."""
FAR = 10
"""Without an initial loss: a loss is not drawn that is further above the lower three quarters of
all losses than so many times their range."""


@dataclass(frozen=True, kw_only=True)
class LossAxis:
    """Losses from `low` to `high`; the band for diverged trials is above, up to `top`."""

    low: float
    high: float
    top: float
    tickvals: tuple[float, ...]
    arrows: str
    """What a loss above `high` is."""


def loss_axis(curves: Sequence[Curve], num_rows: int) -> LossAxis:
    """Limits of the finite losses, those above the initial loss left out.

    Results from elsewhere have no initial loss: of these, what is far above the others is left out.
    """
    initial = [curve.initial_loss for curve in curves if curve.initial_loss is not None]
    losses = _calm(curves) or initial or [0.0, 1.0]
    bounds = [end for curve in curves for end in _interval_ends(curve)]
    low = min(losses)
    high = max([*losses, *(low + PART * (passed - low) for passed in _passed(curves))])
    span = high - low or 0.2
    # an interval of two seeds can be wider than everything else together: it stretches a little
    room = 0.04 * span if high > low else 0.5 * span
    low = max(min([low, *bounds]), low - 0.1 * span) - room
    high = min(max([high, *bounds]), high + 0.1 * span) + room
    top = high + (num_rows + 0.5 * bool(num_rows)) * BAND_ROW * (high - low)
    known = len(initial) == len(curves)
    return LossAxis(
        low=low,
        high=high,
        top=top,
        tickvals=style.ticks(low, high),
        arrows="above the initial loss" if known else "higher than drawn",
    )


def _calm(curves: Sequence[Curve]) -> list[float]:
    """The losses of all seeds that are not above the initial one."""
    judged: list[float] = []
    others: list[float] = []
    for curve in curves:
        seeds = [seed for group in curve.losses for seed in group if not seed.above_initial]
        losses = [seed.final_loss for seed in seeds if seed.final_loss is not None]
        (others if curve.initial_loss is None else judged).extend(losses)
    return judged + _near(others)


def _near(losses: list[float]) -> list[float]:
    ordered = sorted(losses)
    if not ordered:
        return []
    usual = ordered[3 * (len(ordered) - 1) // 4]
    limit = usual + FAR * (usual - ordered[0])
    return [loss for loss in ordered if loss <= limit or usual == ordered[0]]


def _passed(curves: Sequence[Curve]) -> list[float]:
    """The initial losses of the curves that rise above them."""
    flagged = [curve.initial_loss for curve in curves if any(curve.above_initial)]
    return [loss for loss in flagged if loss is not None]


def _interval_ends(curve: Curve) -> list[float]:
    return [end for end in (*curve.loss_low, *curve.loss_high) if end is not None]
