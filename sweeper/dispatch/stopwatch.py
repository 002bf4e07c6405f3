"""How long the steps of a stack take, told apart from its evaluations."""

from statistics import median

from sweeper.dispatch.messages import Pace
from trainers.metrics import StepMetrics

ENOUGH = 3
"""Spans to take a median of; shorter runs say nothing about their pace."""


class Stopwatch:
    """Takes the time of `advance`, from one metric step to the next.

    In between, an accelerator may not have done yet what it was asked to do; to report a metric the
    run has waited for it. The first span is left out: everything in it happens for the first time.
    """

    def __init__(self, eval_sequences: int) -> None:
        self._from_step = 0
        self._eval_sequences = eval_sequences
        self._span_s = 0.0
        self._is_warm = False
        self._steps: list[float] = []
        self._evaluations: list[tuple[int, float]] = []

    def start(self, step: int) -> None:
        """The run begins, or goes on, after this step."""
        self._from_step = step

    def note(self, metrics: StepMetrics | None, seconds: float) -> None:
        """One call of `advance` took so long and returned that."""
        self._span_s += seconds
        if metrics is None:
            return
        steps, span_s = metrics.step - self._from_step, self._span_s
        self._from_step, self._span_s = metrics.step, 0.0
        if not steps:
            return
        if not self._is_warm:
            self._is_warm = True
        elif "validation_loss" in metrics.values:
            self._evaluations.append((steps, span_s))
        else:
            self._steps.append(span_s / steps)

    @property
    def step_s(self) -> float | None:
        """Seconds of a step without an evaluation; None if there were too few."""
        return median(self._steps) if len(self._steps) >= ENOUGH else None

    @property
    def sequence_s(self) -> float:
        """Seconds of an evaluation per held-out sequence; 0 if there was none to take."""
        step_s = self.step_s
        if step_s is None or not self._evaluations:
            return 0.0
        beyond = median(span_s - steps * step_s for steps, span_s in self._evaluations)
        return max(0.0, beyond / self._eval_sequences)

    def pace(self, device: str, micro_batch: int | None, peak_bytes: int | None) -> Pace | None:
        """What is known by now of stacks like this one on the device it runs on, if anything."""
        if self.step_s is None:
            return None
        return Pace(
            device=device,
            step_s=self.step_s,
            sequence_s=self.sequence_s,
            micro_batch=micro_batch,
            peak_bytes=peak_bytes,
        )
