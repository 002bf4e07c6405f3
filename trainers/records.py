"""What is known of each member of a stack so far: its losses, and whether it has diverged."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainers.metrics import TrialResult, tail_start

NAN = float("nan")
KINDS = ("initial", "final", "best", "last_finite", "tail_sum", "diverged_at")


class Records:
    """Numbers of a run by slot; NaN where there is none yet.

    Only live members are written to. One that shows a loss that is no number stops being live.
    """

    def __init__(self, count: int, steps: int) -> None:
        self._steps = steps
        self._values = {kind: [NAN] * count for kind in KINDS} | {"tail_sum": [0.0] * count}
        self._live = [True] * count

    @property
    def live(self) -> tuple[bool, ...]:
        """Which members are neither diverged nor masked."""
        return tuple(self._live)

    def mask(self, slot: int) -> None:
        """Ends a member's record where it is."""
        self._live[slot] = False

    def add_initial(self, losses: Sequence[float]) -> None:
        """Validation losses of the untrained models."""
        self._values["initial"] = list(losses)

    def add_training(self, step: int, losses: Sequence[float]) -> None:
        """Training losses of a step."""
        for slot, loss in self._judged(step, losses):
            self._values["last_finite"][slot] = loss
            if step > tail_start(self._steps):
                self._values["tail_sum"][slot] += loss

    def add_validation(self, step: int, losses: Sequence[float]) -> None:
        """Validation losses after a step."""
        for slot, loss in self._judged(step, losses):
            best = self._values["best"][slot]
            self._values["best"][slot] = loss if math.isnan(best) else min(best, loss)
            self._values["final"][slot] = loss

    def result(self, slot: int, *, finished: bool, busy_s: float) -> TrialResult | None:
        """A member's result: of a diverged one at once, else at the end; None if it was masked."""
        record = {kind: values[slot] for kind, values in self._values.items()}
        diverged = not math.isnan(record["diverged_at"])
        if not diverged and not (finished and self._live[slot]):
            return None
        tail = record["tail_sum"] / (self._steps - tail_start(self._steps))
        return TrialResult(
            outcome="diverged" if diverged else "finite",
            final_loss=None if diverged else record["final"],
            initial_loss=record["initial"],
            best_loss=_known(record["best"]),
            train_loss=None if diverged else tail,
            last_finite_loss=_known(record["last_finite"]),
            diverged_at_step=int(record["diverged_at"]) if diverged else None,
            busy_s=busy_s,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything, for a checkpoint."""
        values = {k: torch.tensor(v, dtype=torch.float64) for k, v in self._values.items()}
        return values | {"live": torch.tensor(self._live)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self._values = {kind: tensors[kind].tolist() for kind in KINDS}
        self._live = tensors["live"].tolist()

    def _judged(self, step: int, losses: Sequence[float]) -> list[tuple[int, float]]:
        """Losses of live members by slot; those that show no number are recorded as diverged."""
        live = [(slot, loss) for slot, loss in enumerate(losses) if self._live[slot]]
        for slot, loss in live:
            if not math.isfinite(loss):
                self._values["diverged_at"][slot] = step
                self.mask(slot)
        return [(slot, loss) for slot, loss in live if self._live[slot]]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
