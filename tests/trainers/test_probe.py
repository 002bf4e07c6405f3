"""Short measurements of stacks."""

import dataclasses
from pathlib import Path

import pytest

from tests.trainers.builders import tiny_config
from trainers import probe
from trainers.probe import Reading


def test_every_size_is_measured_until_a_trial_takes_longer(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {1: 1.0, 2: 1.2, 4: 2.0, 8: 9.0, 16: 9.0}
    monkeypatch.setattr(probe, "read", lambda _, size, **__: Reading(size=size, step_s=taken[size]))
    found = list(probe.probe(tiny_config(data_dir), taken, data_dir=data_dir))
    assert [reading.size for reading in found] == [1, 2, 4, 8]


def test_nothing_is_tried_beyond_what_does_not_fit(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        probe, "read", lambda _, size, **__: Reading(size=size, step_s=None if size > 1 else 1.0)
    )
    found = list(probe.probe(tiny_config(data_dir), [1, 2, 4], data_dir=data_dir))
    assert [reading.step_s for reading in found] == [1.0, None]


def test_a_real_stack_is_measured_however_short_its_run(data_dir: Path) -> None:
    config = dataclasses.replace(tiny_config(data_dir), steps=1)
    one, two = (probe.read(config, size, data_dir=data_dir) for size in (1, 2))
    assert (one.size, two.size, two.peak_bytes) == (1, 2, None)
    assert one.step_s is not None
    assert one.step_s > 0
    assert one.sequence_s > 0
