"""The outcomes of single seeds, one by one and as a table of losses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.analysis.pooling import Array


@dataclass(frozen=True, kw_only=True)
class SeedLoss:
    """What one seed of a value has given so far; `outcome` is None until its trial is done."""

    seed: int
    trial_id: str
    state: str
    outcome: str | None
    final_loss: float | None
    initial_loss: float | None
    diverged_at_step: int | None = None

    @property
    def counted_loss(self) -> float | None:
        """min(final, initial); the initial loss of a diverged trial; None while there is none."""
        if self.outcome == "diverged":
            return self.initial_loss
        if self.final_loss is None or self.initial_loss is None:
            return self.final_loss
        return min(self.final_loss, self.initial_loss)

    @property
    def above_initial(self) -> bool:
        """Whether training ended finite, but worse than it began."""
        finite = self.final_loss is not None and self.initial_loss is not None
        return finite and self.counted_loss != self.final_loss


def is_stable(seeds: Sequence[SeedLoss]) -> bool:
    """Whether all seeds of a value are finished, finite and not above the initial loss."""
    return all(loss.outcome == "finite" and not loss.above_initial for loss in seeds)


def loss_table(values: Sequence[Sequence[SeedLoss]]) -> Array:
    """Counted losses (V, S) of values by ascending seeds; NaN where a seed has none."""
    columns = sorted({loss.seed for seeds in values for loss in seeds})
    place = {seed: i for i, seed in enumerate(columns)}
    table = np.full((len(values), len(columns)), np.nan)
    for i, seeds in enumerate(values):
        for loss in seeds:
            counted = loss.counted_loss if loss.outcome is not None else None
            if counted is not None:
                table[i, place[loss.seed]] = counted
    return table
