import math

import pytest
import torch

from trainers.records import Records

NAN = math.nan


def test_a_member_ends_finite() -> None:
    records = Records(1, steps=40)
    records.add_initial([5.0])
    for step in range(1, 41):
        records.add_training(step, [4.0 if step < 39 else step / 10])
    records.add_validation(20, [3.0])
    assert records.result(0, finished=False, busy_s=1.0) is None
    records.add_validation(40, [3.5])
    result = records.result(0, finished=True, busy_s=1.0)
    assert result is not None
    assert (result.outcome, result.final_loss, result.best_loss) == ("finite", 3.5, 3.0)
    assert result.train_loss == pytest.approx(3.95)
    assert (result.initial_loss, result.last_finite_loss) == (5.0, 4.0)


@pytest.mark.parametrize("loss", [NAN, math.inf, -math.inf])
def test_a_training_loss_that_is_no_number_is_final(loss: float) -> None:
    records = Records(2, steps=40)
    records.add_initial([5.0, 5.0])
    records.add_training(1, [4.0, 4.0])
    records.add_training(2, [loss, 3.0])
    records.add_training(3, [2.0, 2.0])
    records.add_validation(3, [2.0, 2.0])
    assert records.live == (False, True)
    result = records.result(0, finished=False, busy_s=0.0)
    assert result is not None
    assert (result.outcome, result.diverged_at_step, result.last_finite_loss) == (
        "diverged",
        2,
        4.0,
    )
    assert (result.final_loss, result.best_loss, result.train_loss) == (None, None, None)
    assert records.result(1, finished=False, busy_s=0.0) is None


def test_a_validation_loss_that_is_no_number_is_a_divergence() -> None:
    records = Records(1, steps=4)
    records.add_validation(2, [3.0])
    records.add_validation(4, [NAN])
    result = records.result(0, finished=True, busy_s=0.0)
    assert result is not None
    assert (result.outcome, result.diverged_at_step, result.best_loss) == ("diverged", 4, 3.0)


def test_a_masked_member_has_no_result() -> None:
    records = Records(2, steps=1)
    records.mask(1)
    records.add_validation(1, [3.0, NAN])
    assert records.result(1, finished=True, busy_s=0.0) is None


def test_tensors_restore_everything() -> None:
    records, copy = Records(2, steps=2), Records(2, steps=2)
    records.add_initial([0.1, 0.2])
    records.add_training(1, [0.3, NAN])
    copy.restore(records.tensors())
    for each in (records, copy):
        each.add_training(2, [1 / 3, 1.0])
        each.add_validation(2, [0.7, 1.0])
    assert copy.live == records.live == (True, False)
    for slot in range(2):
        results = [r.result(slot, finished=True, busy_s=0.0) for r in (records, copy)]
        assert results[0] == results[1]
    assert copy.tensors()["tail_sum"].dtype == torch.float64
