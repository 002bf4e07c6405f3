import pytest
import torch

from trainers.config import ScheduleName
from trainers.schedules import (
    SCHEDULES,
    Schedule,
    constant,
    frozen_steps,
    multiplier,
    warmup_constant,
    warmup_cosine,
    warmup_stable_decay,
)


def at(
    schedule: Schedule, step: int, steps: int, *, floor: float = 0.1, warmup: float = 0.1
) -> float:
    values = {"lr_floor": [floor, 0.5], "warmup_fraction": [warmup, 0.3]}
    tensors = {name: torch.tensor(v, dtype=torch.double) for name, v in values.items()}
    return schedule(step, steps, tensors)[0].item()


STUDY = {
    1: 0.10036,
    1250: 0.55,
    2499: 0.99964,
    2500: 1.0,
    8125: 0.868198,
    13750: 0.55,
    19375: 0.231802,
    25000: 0.1,
}


@pytest.mark.parametrize(("step", "expected"), STUDY.items())
def test_warmup_cosine_is_the_studys(step: int, expected: float) -> None:
    assert at(warmup_cosine, step, 25_000) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("schedule", [warmup_cosine, warmup_stable_decay])
def test_without_a_warmup_a_run_starts_near_its_peak(schedule: Schedule) -> None:
    assert at(schedule, 1, 1000, warmup=0.0) == pytest.approx(1.0, abs=1e-5)


def test_warmup_stable_decay_has_three_pieces() -> None:
    steps = (1, 50, 100, 500, 800, 900, 1000)
    found = [at(warmup_stable_decay, step, 1000) for step in steps]
    assert found == pytest.approx([0.109, 0.55, 1.0, 1.0, 1.0, 0.55, 0.1])


def test_a_long_warmup_shortens_the_decay() -> None:
    found = [at(warmup_stable_decay, step, 1000, warmup=0.9) for step in (450, 900, 950, 1000)]
    assert found == pytest.approx([0.55, 1.0, 0.55, 0.1])


def test_constant_is_one_for_every_trial() -> None:
    assert constant(7, 10, {"lr": torch.tensor([1.0, 2.0])}).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_trials_have_their_own_warmup_and_floor(schedule: Schedule) -> None:
    values = {
        "lr": torch.ones(2),
        "lr_floor": torch.tensor([0.1, 0.5], dtype=torch.double),
        "warmup_fraction": torch.tensor([0.1, 0.5], dtype=torch.double),
    }
    for step in (1, 30, 77, 100):
        together = schedule(step, 100, values)
        for k in range(2):
            alone = schedule(step, 100, {name: v[k : k + 1] for name, v in values.items()})
            assert together[k].item() == alone[0].item()


def test_warmup_constant_starts_at_zero_and_stays_at_its_peak() -> None:
    found = [at(warmup_constant, step, 1000) for step in (1, 50, 100, 101, 1000)]
    assert found == pytest.approx([0.01, 0.5, 1.0, 1.0, 1.0])
    assert at(warmup_constant, 1, 1000, warmup=0.0) == 1.0


FROZEN = {999: 0.0, 1000: 0.1, 2250: 0.55, 3500: 1.0, 14750: 0.55, 26000: 0.1}


@pytest.mark.parametrize(("step", "expected"), FROZEN.items())
def test_a_frozen_start_puts_the_schedule_off(step: int, expected: float) -> None:
    """The study's run of 26,000 steps whose first 1,000 leave the weights where they are."""
    values = {"lr_floor": 0.1, "warmup_fraction": 0.1, "freeze_fraction": 1000 / 26_000}
    tensors = {name: torch.tensor([v, v], dtype=torch.double) for name, v in values.items()}
    tensors["freeze_fraction"][1] = 0.0
    frozen, free = multiplier("warmup_cosine", step, 26_000, tensors).tolist()
    assert frozen == pytest.approx(expected, abs=5e-7)
    assert free == at(warmup_cosine, step, 26_000)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.95, 1 - 1e-12])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1 - 1e-12])
def test_a_frozen_start_of_any_length_goes_with_any_warmup(
    name: ScheduleName, fraction: float, warmup: float
) -> None:
    values = {"lr_floor": 0.1, "warmup_fraction": warmup, "freeze_fraction": fraction}
    tensors = {key: torch.tensor([v], dtype=torch.double) for key, v in values.items()}
    found = torch.cat([multiplier(name, step, 20, tensors) for step in range(1, 21)])
    frozen = int(frozen_steps(fraction, 20))
    assert not found[: max(0, frozen - 1)].any()
    assert ((found >= 0) & (found <= 1)).all()
    if warmup == 0.0:
        assert found[max(0, frozen - 1)].item() == pytest.approx(1.0, abs=0.01)


def test_frozen_steps_are_whole() -> None:
    assert frozen_steps(0.15, 10) == 1.0
    assert all(frozen_steps(k / 26_000, 26_000) == k for k in range(0, 26_000, 7))
    assert frozen_steps(torch.tensor([0.0, 0.3], dtype=torch.double), 10).tolist() == [0.0, 3.0]


def test_one_step_at_least_is_not_frozen() -> None:
    almost = 1 - 1e-12
    assert frozen_steps(almost, 10) == 9.0
    assert frozen_steps(torch.tensor([almost, 0.0], dtype=torch.double), 10).tolist() == [9.0, 0.0]
