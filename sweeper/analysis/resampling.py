"""Curves as they might have come out: a residual bootstrap over seeds.

Shapes: `R` resamples, `V` values, `S` seeds.
"""

from dataclasses import dataclass

import numpy as np

from sweeper.analysis.pooling import REACH, Array, Mask, Places, window

RESAMPLES = 2000


def has_spread(losses: Array, stable: Mask) -> bool:
    """Whether there is something to draw from: two seeds, among stable values if there are any."""
    return len(_seeds(losses[stable] if stable.any() else losses)) > 1


def _seeds(losses: Array) -> Places:
    """Those (of S) that any of the values has."""
    return np.flatnonzero(np.isfinite(losses).any(axis=0))


def resampled_means(
    losses: Array, stable: Mask, *, resamples: int = RESAMPLES, seed: int = 0
) -> Array:
    """Means (R, V) of curves drawn anew; NaN for values without a loss. Needs `has_spread`.

    A loss of a stable value is its mean, plus an effect of its seed that all values share, plus a
    residual. Effects are drawn from those of the seeds. Residuals are drawn from those of all
    stable values, in units of the local deviation: that of the value and its neighbours. Each
    resample draws the scale of both anew, as few seeds do not tell it: root(nu / chi^2(nu)). A
    value that is not stable is drawn from its own seeds, with replacement. What is drawn from is
    sorted, so that names of seeds do not matter.
    """
    random = np.random.default_rng(seed)
    counts = np.isfinite(losses).sum(axis=1)
    means = np.full((resamples, len(losses)), np.nan)
    if stable.any():
        known = losses[stable]
        means[:, stable] = _stable_means(known[:, _seeds(known)], resamples, random)
    for i in np.flatnonzero(~stable & (counts > 0)):
        own = np.sort(losses[i][np.isfinite(losses[i])])
        means[:, i] = random.choice(own, (resamples, len(own))).mean(axis=1)
    return means


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Losses (V, S) as means and deviations (V), and in units of these: effects (S), residuals."""

    means: Array
    deviations: Array
    effects: Array
    residuals: Array


def _stable_means(losses: Array, resamples: int, random: np.random.Generator) -> Array:
    layout = _layout(losses)
    values, seeds = losses.shape
    counts = np.isfinite(losses).sum(axis=1)
    drawn = random.choice(layout.effects, (resamples, seeds)).mean(axis=1)
    units = np.repeat((drawn * _scales(seeds - 1, resamples, random))[:, None], values, axis=1)
    shared = min(values, 2 * REACH + 1) - 1
    if shared:
        most = int(counts.max())
        # Small integers are drawn and looked up in half the time of large ones.
        shape = (resamples, values, most)
        which = random.integers(len(layout.residuals), size=shape, dtype=np.uint16)
        residuals = layout.residuals[which].mean(axis=2) * np.sqrt(most / counts)
        units += residuals * _scales(shared * (seeds - 1), resamples, random)[:, None]
    return np.asarray(layout.means + layout.deviations * units)


def _scales(freedom: int, resamples: int, random: np.random.Generator) -> Array:
    return np.asarray(np.sqrt(freedom / random.chisquare(freedom, resamples)))


def _layout(losses: Array) -> _Layout:
    values, seeds = losses.shape
    means = np.nanmean(losses, axis=1)
    around = losses - means[:, None]
    deviations = _local_deviations(around)
    units = around / np.where(deviations > 0, deviations, 1)[:, None]
    effects = np.nanmean(units, axis=0)
    residuals = np.sort((units - effects)[np.isfinite(units)])
    correction = np.sqrt(seeds / (seeds - 1))
    return _Layout(
        means=means,
        deviations=deviations,
        effects=np.sort(effects - effects.mean()) * correction,
        residuals=(residuals - residuals.mean())
        * correction
        * np.sqrt(values / max(values - 1, 1)),
    )


def _local_deviations(residuals: Array) -> Array:
    """Of each value together with its neighbours (V), from the squares of residuals (V, S)."""
    counts = np.isfinite(residuals).sum(axis=1)
    squares = np.nansum(residuals**2, axis=1)
    everywhere = np.ones(len(residuals), dtype=bool)
    near = [window(everywhere, i) for i in range(len(residuals))]
    return np.sqrt([squares[i].sum() / max(counts[i].sum(), 1) for i in near])
