"""How much worse each value is than the best one, seed by seed.

Shapes: `V` values, `S` seeds.
"""

import numpy as np

from sweeper.analysis.pooling import Array, Mask, PooledInterval, pooled_intervals


def mean_excesses(losses: Array, best: int) -> Array:
    """Mean differences (V) of losses (V, S) to the best value, over the seeds that both have.

    NaN where there is no such seed.
    """
    differences = losses - losses[best]
    counts = np.isfinite(differences).sum(axis=1)
    return np.asarray(np.nansum(differences, axis=1) / np.where(counts, counts, np.nan))


def excess_intervals(losses: Array, stable: Mask, best: int) -> list[PooledInterval | None]:
    """Intervals of the mean differences to the best value, paired by seed, as `pooled_intervals`.

    What a seed does to all values alike falls out. The best value itself has a difference of zero
    and shares no variance. None for it, and where fewer than two seeds have both losses.
    """
    others = stable.copy()
    others[best] = False
    found = pooled_intervals(losses - losses[best], others)
    found[best] = None
    return found
