"""What is measured before it is planned."""

import dataclasses
from pathlib import Path

from sweeper.planning.machine import Machine
from sweeper.planning.measuring import measure
from sweeper.planning.speeds import Measurement, Speeds, shape_key
from tests.trainers.builders import tiny_config
from trainers.scales import SCALES

HERE = Machine(cpus=2, device="here")


def test_each_shape_is_measured_once_and_only_where_that_is_quick(datasets_dir: Path) -> None:
    new, known = (tiny_config(datasets_dir, name) for name in ("adamw", "sgd"))
    large = dataclasses.replace(new, model=SCALES["150m"].model(256), batch_size=256)
    remembered = Measurement(device="here", shape=shape_key(known), size=2, step_s=1.0)
    other_seed = dataclasses.replace(new, seed=4)
    asked = [new, other_seed, known, large]
    found = list(measure(asked, Speeds(HERE, (remembered,)), datasets_dir))
    assert {m.shape for m in found} == {shape_key(new)}
    assert [m.size for m in found] == [1, 2, 4, 8, 16][: len(found)]
    assert len(found) >= 2
    assert {m.device for m in found} == {"here"}
    speeds = Speeds(HERE, tuple(found))
    assert speeds.of(new).is_measured
    assert list(measure([new], speeds, datasets_dir)) == []
