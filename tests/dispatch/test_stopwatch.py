"""The time of steps, told apart from evaluations."""

from collections.abc import Sequence

import pytest

from sweeper.dispatch.stopwatch import Stopwatch
from trainers.metrics import StepMetrics

STEP_S, EVALUATION_S = 0.5, 3.0


def timed(evaluated: Sequence[int], *, steps: int, every: int = 2, start: int = 0) -> Stopwatch:
    stopwatch = Stopwatch(eval_sequences=6)
    stopwatch.start(start)
    for step in range(start + 1, steps + 1):
        seconds = STEP_S + EVALUATION_S * (step in evaluated) + (100.0 if step < start + 3 else 0)
        keys = {"validation_loss": (1.0,)} if step in evaluated else {"train_loss": (1.0,)}
        is_told = step % every == 0 or step in evaluated
        stopwatch.note(StepMetrics(step, keys) if is_told else None, seconds)
    return stopwatch


def test_steps_and_evaluations_are_told_apart_and_the_first_span_is_left_out() -> None:
    pace = timed([4, 9, 16], steps=20).pace("a device", 8, None)
    assert pace is not None
    assert (pace.device, pace.step_s, pace.micro_batch) == ("a device", STEP_S, 8)
    assert pace.sequence_s == pytest.approx(EVALUATION_S / 6)


def test_the_evaluation_of_untrained_models_belongs_to_no_step() -> None:
    stopwatch = Stopwatch(eval_sequences=6)
    stopwatch.start(0)
    stopwatch.note(StepMetrics(0, {"validation_loss": (1.0,)}), 9.0)
    for step in range(1, 6):
        stopwatch.note(StepMetrics(step, {"train_loss": (1.0,)}), STEP_S)
    assert stopwatch.step_s == STEP_S


def test_a_run_that_goes_on_counts_from_where_it_was() -> None:
    assert timed([], steps=80, start=60).step_s == STEP_S


def test_too_few_steps_say_nothing() -> None:
    assert timed([2], steps=5).pace("a device", 8, None) is None
