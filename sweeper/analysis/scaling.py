"""Loss against size or tokens, as power laws, and what a better optimizer is worth in tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.analysis.pooling import Array

_EXPONENTS = (1e-3, 4.0)
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """loss = scale * x^-exponent + floor, by least squares; `error` is the root mean square."""

    scale: float
    exponent: float
    floor: float
    error: float
    points: int

    def loss(self, x: float) -> float:
        """The loss at x."""
        return self.scale * math.exp(-self.exponent * math.log(x)) + self.floor

    def inverse(self, loss: float) -> float | None:
        """The x of a loss; None at or below the floor, which no x reaches."""
        if loss <= self.floor:
            return None
        return float(((loss - self.floor) / self.scale) ** (-1 / self.exponent))


def power_law(x: Sequence[float], losses: Sequence[float]) -> PowerLaw | None:
    """The law through at least three distinct x; None for fewer, or where losses do not fall.

    For each exponent the best scale and floor are linear least squares; what is left has one
    minimum along the exponent, found on a grid and by golden section. So there is no starting
    point on which the answer could depend.
    """
    if len(set(x)) < 3 or len(set(losses)) < 2:
        return None
    size, loss = np.array(x, dtype=float), np.array(losses, dtype=float)
    unit = float(np.exp(np.log(size).mean()))
    grid = np.geomspace(*_EXPONENTS, 200)
    errors = [_linear(size / unit, loss, exponent)[2] for exponent in grid]
    middle = int(np.argmin(errors))
    low, high = grid[max(0, middle - 1)], grid[min(len(grid) - 1, middle + 1)]
    exponent = _golden_section(size / unit, loss, float(low), float(high))
    scale, floor, error = _linear(size / unit, loss, exponent)
    if scale <= 0 or middle in (0, len(grid) - 1):
        return None
    return PowerLaw(
        scale=scale * unit**exponent, exponent=exponent, floor=floor, error=error, points=len(x)
    )


def speed_up(baseline: PowerLaw, tokens: float, loss: float) -> float | None:
    """Tokens that the baseline would need for the loss, over those that were used.

    The speed-up of arXiv 2509.02046, section 3.3; None where the baseline never gets there.
    """
    effective = baseline.inverse(loss)
    return None if effective is None else effective / tokens


def _linear(x: Array, losses: Array, exponent: float) -> tuple[float, float, float]:
    """Scale, floor and root mean square error for a given exponent."""
    falling = x**-exponent
    centred = falling - falling.mean()
    scale = float(centred @ losses / (centred @ centred))
    floor = float(losses.mean() - scale * falling.mean())
    with np.errstate(over="ignore"):  # Of imported losses; an infinite error is no least one.
        error = math.sqrt(float(((losses - scale * falling - floor) ** 2).mean()))
    return scale, floor, error


def _golden_section(x: Array, losses: Array, low: float, high: float) -> float:
    """The exponent between the two with the least error."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    while high - low > 1e-10 * high:
        if _linear(x, losses, left)[2] < _linear(x, losses, right)[2]:
            high, right = right, left
            left = high - _GOLDEN * (high - low)
        else:
            low, left = left, right
            right = low + _GOLDEN * (high - low)
    return (low + high) / 2
