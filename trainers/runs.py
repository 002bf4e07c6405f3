"""Training as it is driven: stacks of our models, and functions of one's own, step by step."""

import math
import random
import re
import reprlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Protocol

import torch

from trainers.assembly import check
from trainers.config import TrainConfig
from trainers.devices import ParallelRun
from trainers.functions import TrainingFunction
from trainers.loop import StackRun
from trainers.metrics import METRIC_POINTS, StepMetrics, TrialResult, tail_start
from trainers.optimizers import registered

VALIDATION_LOSS, TRAIN_LOSS = "validation_loss", "train_loss"
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class Run(Protocol):
    """A stack in training: `advance` until `finished`, then `results`. See `StackRun`."""

    @property
    def can_be_saved(self) -> bool:
        """Whether there is a `save`, and a `load` that goes on from it."""

    @property
    def step(self) -> int:
        """Steps taken."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""

    @property
    def live(self) -> tuple[bool, ...]:
        """Which members are neither diverged nor masked."""

    @property
    def finished(self) -> bool:
        """Whether all steps are taken, or no member is live."""

    @property
    def micro_batch(self) -> int | None:
        """Sequences of each member that are computed at once; None if it is not known."""

    def advance(self) -> StepMetrics | None:
        """Goes on by a step; metrics where there are any to keep."""

    def mask(self, slot: int) -> None:
        """Freezes a member for good."""

    def result(self, slot: int) -> TrialResult | None:
        """A member's result: of a diverged one at once, else at the end; None if it was masked."""

    def results(self) -> tuple[TrialResult | None, ...]:
        """Every member's result, once finished."""

    def save(self, directory: Path) -> None:
        """Writes a checkpoint."""

    def load(self, directory: Path, slots: Sequence[int] | None = None) -> None:
        """Takes up a checkpoint."""

    def close(self) -> None:
        """Lets go of other processes; nothing may be asked of the run any more but results."""


def reset_process(threads: int) -> None:
    """Put everything of this process that numbers depend on where a stack expects it."""
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    if torch.are_deterministic_algorithms_enabled():  # The call alone imports a second of code.
        torch.use_deterministic_algorithms(False)
    torch.manual_seed(0)
    random.seed(0)
    # Not where nothing has used it yet: to ask would take memory of it from others.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats()


def start(
    configs: Sequence[TrainConfig],
    *,
    data_dir: Path,
    device: str = "cpu",
    micro_batch: int | None = None,
    devices: int = 1,
) -> Run:
    """The run of a stack, before its first step; raises ValueError if there can be none."""
    name = configs[0].optimizer
    if not isinstance(registered(name), TrainingFunction):
        if devices == 1:
            return StackRun(configs, data_dir=data_dir, device=device, micro_batch=micro_batch)
        return ParallelRun(
            configs, data_dir=data_dir, device=device, devices=devices, micro_batch=micro_batch
        )
    if devices != 1:
        raise ValueError(f"{name} trains on one device, but got devices={devices}")
    if micro_batch is not None:
        raise ValueError(f"{name} cuts its batches itself, but got micro_batch={micro_batch}")
    if len(configs) > 1:
        raise ValueError(f"{name} trains one run at a time, but got a stack of {len(configs)}")
    return FunctionRun(configs[0], data_dir=data_dir, device=device)


class FunctionRun:
    """A training function at work, for one trial: a step is whatever lies between two yields.

    torch's and Python's own random numbers are seeded with the trial's seed before it begins. What
    a function holds cannot be saved.
    """

    can_be_saved = False

    def __init__(self, config: TrainConfig, *, data_dir: Path, device: str = "cpu") -> None:
        check([config])
        function = registered(config.optimizer)
        assert isinstance(function, TrainingFunction)
        self._config = config
        self._device = torch.device(device)
        # As in a stack: the numbers must not depend on what this process has trained before.
        torch.set_flush_denormal(True)
        torch.manual_seed(config.seed)
        random.seed(config.seed)
        self._measurements = function.measurements(config, data_dir=data_dir, device=device)
        self._step, self._kept_at = -1, 0
        self._is_live = True
        self._diverged_at: int | None = None
        self._validation: list[float] = []
        self._last_train_loss: float | None = None
        self._tail: list[float] = []
        self._busy_s = 0.0

    @property
    def step(self) -> int:
        """The last step that was yielded."""
        return max(0, self._step)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self._config.steps

    @property
    def live(self) -> tuple[bool, ...]:
        """Whether the only member is neither diverged nor masked."""
        return (self._is_live,)

    @property
    def finished(self) -> bool:
        """Whether the last step was yielded, or the member is not live."""
        return self._step >= self.steps or not self._is_live

    @property
    def micro_batch(self) -> None:
        """A function cuts its batches itself."""
        return

    def advance(self) -> StepMetrics | None:
        """Goes on to the next yield; metrics with every validation loss, else a hundred times.

        Raises ValueError if what is yielded is not what `Measurements` says, and whatever the
        function raises.
        """
        assert not self.finished, "the run is finished"
        started = self._clock()
        yielded = next(self._measurements, None)
        self._busy_s += self._clock() - started
        if yielded is None:
            raise ValueError(f"{self._config.optimizer} ended at step {self._step} of {self.steps}")
        step, values = _measured(yielded, self._step, self.steps)
        self._note(step, values)
        due = step - self._kept_at >= max(1, self.steps // METRIC_POINTS)
        if not due and VALIDATION_LOSS not in values and self._is_live:
            return None
        self._kept_at = step
        return StepMetrics(step, {name: (value,) for name, value in values.items()})

    def mask(self, slot: int) -> None:
        """Ends the function where it is."""
        assert slot == 0, "a training function has one member"
        self._is_live = False
        self._measurements = iter(())  # A generator that nobody holds runs its `finally` clauses.

    def result(self, slot: int) -> TrialResult | None:
        """The result: of a diverged run at once, else at the end; None if it was masked."""
        assert slot == 0, "a training function has one member"
        diverged = self._diverged_at is not None
        if not diverged and not (self._is_live and self.finished):
            return None
        initial, *later = self._validation
        return TrialResult(
            outcome="diverged" if diverged else "finite",
            final_loss=None if diverged else later[-1],
            initial_loss=initial,
            best_loss=min(later, default=None),
            train_loss=fmean(self._tail) if self._tail and not diverged else None,
            last_finite_loss=self._last_train_loss,
            diverged_at_step=self._diverged_at,
            busy_s=self._busy_s,
        )

    def results(self) -> tuple[TrialResult | None, ...]:
        """The only member's result, once finished."""
        assert self.finished, "the run is not finished"
        return (self.result(0),)

    def save(self, directory: Path) -> None:
        """There is no such thing."""
        raise AssertionError(f"a training function cannot be saved to {directory}")

    def load(self, directory: Path, slots: Sequence[int] | None = None) -> None:
        """There is no such thing."""
        raise AssertionError(f"a training function cannot go on from {directory}, {slots}")

    def close(self) -> None:
        """Nothing: a generator that nobody holds ends by itself."""

    def _clock(self) -> float:
        return time.process_time() if self._device.type == "cpu" else time.perf_counter()

    def _note(self, step: int, values: Mapping[str, float]) -> None:
        self._step = step
        losses = {name: values[name] for name in (TRAIN_LOSS, VALIDATION_LOSS) if name in values}
        if not all(math.isfinite(loss) for loss in losses.values()):
            self._diverged_at = step
            self.mask(0)
            return
        if TRAIN_LOSS in losses:
            self._last_train_loss = losses[TRAIN_LOSS]
            if step > tail_start(self.steps):
                self._tail.append(losses[TRAIN_LOSS])
        if VALIDATION_LOSS in losses:
            self._validation.append(losses[VALIDATION_LOSS])


def _measured(yielded: object, before: int, steps: int) -> tuple[int, dict[str, float]]:
    """What was yielded after the step `before`, if it is what `Measurements` says."""
    match yielded:
        case (int(step), Mapping() as given):
            values = {name: float(value) for name, value in given.items()}
        case _:
            shown = reprlib.repr(yielded)
            raise ValueError(f"what is yielded must be (step, {{name: number}}), but got {shown}")
    if wrong := [name for name in values if not _NAME.fullmatch(name)]:
        raise ValueError(f"a metric's name must match {_NAME.pattern}, but got {wrong[0]!r}")
    if before < 0 and step != 0:
        raise ValueError(f"the first step must be 0, but got {step}")
    if not before < step <= steps:
        raise ValueError(f"steps must ascend to {steps}, but got {step} after {before}")
    if step in (0, steps) and VALIDATION_LOSS not in values:
        told = ", ".join(values) or "nothing"
        raise ValueError(f"step {step} must tell {VALIDATION_LOSS}, but tells {told}")
    if step == 0 and not math.isfinite(values[VALIDATION_LOSS]):
        raise ValueError(f"`{VALIDATION_LOSS}` must be finite at step 0, but is no number")
    return step, values
