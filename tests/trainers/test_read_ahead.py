import threading
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.builders import tiny_config
from trainers import read_ahead
from trainers.data import Batches
from trainers.loop import StackRun
from trainers.read_ahead import Batch, ReadAhead


def test_any_order_of_steps_gives_what_direct_reading_gives() -> None:
    tokens = [np.arange(1000, dtype=np.uint16)]
    direct = Batches(tokens, [4, 9], batch_size=3, window=10)
    ahead = ReadAhead(Batches(tokens, [4, 9], batch_size=3, window=10).batch)
    for step in (1, 2, 2, 3, 4, 3, 200, 65, 64, 1):
        assert np.array_equal(ahead.batch(step), direct.batch(step))


def test_the_next_batch_is_read_while_the_present_one_is_in_use() -> None:
    read: list[int] = []
    third = threading.Event()

    def reading(step: int) -> Batch:
        read.append(step)
        if step == 3:
            third.set()
        return np.full((1, 1, 1), step)

    ahead = ReadAhead(reading)
    assert [ahead.batch(step).item() for step in (1, 2)] == [1, 2]
    assert third.wait(10)
    assert read == [1, 2, 3]


def test_an_error_of_reading_comes_to_whoever_asks_for_that_batch() -> None:
    def reading(step: int) -> Batch:
        if step == 2:
            raise OSError("the disk is gone")
        return np.zeros((1, 1, 1), np.int64)

    ahead = ReadAhead(reading)
    ahead.batch(1)
    with pytest.raises(OSError, match="the disk is gone"):
        ahead.batch(2)


def test_a_run_that_reads_ahead_is_the_same_run(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def final_loss() -> float | None:
        # Sophia looks at the next batch before its step.
        run = StackRun([tiny_config(data_dir, "sophia")], data_dir=data_dir)
        while not run.finished:
            run.advance()
        assert 0 < run.waited_s < 60
        (result,) = run.results()
        assert result is not None
        return result.final_loss

    direct = final_loss()
    monkeypatch.setattr(read_ahead, "reader", lambda read, device: ReadAhead(read).batch)
    assert final_loss() == direct
