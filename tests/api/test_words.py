"""Numbers, times, states and progress as pages write them."""

import dataclasses
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from api.pages import words
from api.pages.progress import Progress, Work, time_left_s
from sweeper.storage.store import Store
from sweeper.trials import SweepState, TrialState
from tests.api import played


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"),
        (3.16e-3, "3.16e-3"),
        (1e-15, "1e-15"),
        (0.95, "0.95"),
        (0.999, "0.999"),
        (31.6, "31.6"),
        (25000, "2.5e4"),
        (None, words.DASH),
    ],
)
def test_values_are_written_as_the_study_does(number: float | None, written: str) -> None:
    assert words.value(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.04, "0.04 s"),
        (0.43, "0.4 s"),
        (59, "59 s"),
        (61, "1 min 01 s"),
        (3660, "1 h 01 min"),
        (None, words.DASH),
    ],
)
def test_lengths_of_time_have_two_units(seconds: float | None, written: str) -> None:
    assert words.duration(seconds) == written


@pytest.mark.parametrize("state", [*SweepState, *TrialState, "diverged"])
def test_every_state_has_a_shape_and_a_word(state: str) -> None:
    icon, word = words.sign(state)
    assert icon.strip()
    assert word.isascii()


def test_the_percentage_is_whole_only_at_the_end() -> None:
    almost = Progress(done=999, running=1, queued=0, diverged=0, failed=0, cancelled=0, total=1000)
    assert almost.percent == 99
    assert dataclasses.replace(almost, done=1000, running=0).percent == 100


def test_time_left_follows_the_pace_of_its_own_points(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    epoch = store.queue.take_over(store.queue.dispatcher(), played.OWNER)
    claimed = played.claim(store, epoch)
    assert claimed is not None
    played.finish(store, epoch, claimed, most=2)
    sweep = store.sweeps.get(sweep_id)
    at = sweep.created_at
    older = Work(step=0, steps=100, finished_at=at - timedelta(hours=1))
    ended = Work(step=0, steps=100, finished_at=at + timedelta(seconds=5))
    halfway = Work(step=50, steps=100, finished_at=None)
    waiting = Work(step=0, steps=100, finished_at=None)
    now = at + timedelta(seconds=15)
    assert time_left_s(sweep, [older, ended, halfway, waiting], now) == 15.0
    assert time_left_s(sweep, [older, waiting], now) is None
    assert time_left_s(sweep, [ended], now) is None
    assert "left</span>" in client.get(f"/sweeps/{sweep_id}").text
