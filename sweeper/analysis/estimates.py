"""Numbers of a curve with their intervals, and the reason where there is none."""

from dataclasses import dataclass

from sweeper.analysis.edges import StableEdge


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval; None where `reason` says why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class WindowSensitivity:
    """Mean of the counted means over the declared values from `low` to `high`, minus the lowest."""

    low: float | None = None
    high: float | None = None
    values: int = 0
    loss: Estimate


@dataclass(frozen=True, kw_only=True)
class BasinEstimate:
    """The connected range within `tolerance` nats of the best loss; open sides are lower bounds."""

    tolerance: float
    low: Estimate
    high: Estimate
    width: Estimate
    low_open: bool
    high_open: bool


@dataclass(frozen=True, kw_only=True)
class ValueExcess:
    """How much higher the mean loss of a value is than that of the best one, paired by seed.

    The best value was chosen for being low, so this is a little too much.
    """

    value: float
    excess: Estimate


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """The numbers of one curve, each with a 95 % interval. Losses in nats, widths in `unit`."""

    unit: str
    seeds: int
    resamples: int
    best_value: Estimate
    best_loss: Estimate
    """Lowest mean of the values: biased low, as it was chosen for being low."""
    heldout_loss: Estimate
    """Value chosen on the other seeds, loss of the one held out: free of that bias."""
    heldout_values: tuple[float, ...]
    """What was chosen without each seed."""
    optimum_value: Estimate
    optimum_loss: Estimate
    optimum_share: float | None
    """Of the resamples whose best value has a convex parabola through it."""
    curvature: Estimate
    """Second derivative at the optimum, in nats per squared unit."""
    sensitivity: WindowSensitivity
    """Over the whole declared grid."""
    sensitivity_stated: WindowSensitivity
    """Over the window that was asked for."""
    sensitivity_centred: WindowSensitivity
    """Over a window around the best declared value, as wide as that of the curves beside it."""
    half_width: float | None
    """Of that window."""
    asymmetry: Estimate
    """In that window: mean loss above the best declared value minus mean loss below it."""
    basins: tuple[BasinEstimate, ...]
    largest_stable: StableEdge
    smallest_stable: StableEdge
    values: tuple[ValueExcess, ...]
    """One for every value of the curve."""
