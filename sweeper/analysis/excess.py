"""How much worse each value is than the best one, seed by seed.

Shapes: `V` values, `S` seeds.
"""

from sweeper.analysis.pooling import Array, Mask, PooledInterval, pooled_intervals


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
