from itertools import pairwise

import pytest

from trainers.metrics import evaluation_steps, is_metric_step, tail_start

STUDY = {
    25_000: [100, 300, 500, 900, 1700, 2900, 4900, 8500, 14600, 25000],
    50_000: [300, 600, 1100, 1900, 3400, 5800, 9900, 17000, 29200, 50000],
    100_000: [700, 1300, 2300, 3900, 6800, 11600, 19900, 34100, 58400, 100000],
    200_000: [1500, 2700, 4600, 7900, 13600, 23300, 39900, 68200, 116800, 200000],
}


@pytest.mark.parametrize("steps", STUDY)
def test_evaluation_steps_are_the_studys(steps: int) -> None:
    assert sorted(evaluation_steps(steps)) == STUDY[steps]


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 300, 999, 12_345])
def test_the_ends_and_all_evaluations_are_metric_steps(steps: int) -> None:
    reported = [step for step in range(1, steps + 1) if is_metric_step(step, steps)]
    assert {1, steps} | evaluation_steps(steps) <= set(reported)
    assert len(reported) <= 215
    assert max([b - a for a, b in pairwise(reported)], default=0) <= max(1, steps // 100)


def test_the_tail_is_a_twentieth_but_never_empty() -> None:
    assert [steps - tail_start(steps) for steps in (1, 10, 100, 1000)] == [1, 1, 5, 50]
