"""Estimates of curves that are made from a few numbers."""

import math
from typing import Any

import numpy as np

from sweeper.analysis import windows
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.estimates import Estimates
from sweeper.analysis.estimating import estimates
from sweeper.analysis.stability import stability
from tests.analysis.frames import Loss, points

GRID = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
Losses = dict[float, list[Loss]]


def curve_of(losses: Losses, **frame: Any) -> Curve:
    (curve,) = stability_curves(points(losses, **frame))
    return curve


def found(losses: Losses, *, stated: Any = None, resamples: int = 200, **frame: Any) -> Estimates:
    curve = curve_of(losses, **frame)
    return estimates(
        curve,
        stability(curve),
        stated=stated,
        half_width=windows.half_width([curve]),
        resamples=resamples,
    )


def bowl(seeds: int = 3, noise: float = 0.01, seed: int = 0) -> Losses:
    """A parabola in decades with its bottom at 10^-1.8, and seeds that differ."""
    random = np.random.default_rng(seed)
    effects = random.normal(size=seeds)
    return {
        value: [
            3 + 0.1 * (math.log10(value) + 1.8) ** 2 + noise * float(effects[i] + random.normal())
            for i in range(seeds)
        ]
        for value in GRID
    }
