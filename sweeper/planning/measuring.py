"""Measures the pace of stacks that have not run yet on this device, before they are planned."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeper.planning.machine import Machine
from sweeper.planning.sizing import stack_cap
from sweeper.planning.speeds import Measurement, Speeds, shape_key
from trainers.config import TrainConfig
from trainers.probe import probe

SIZES = tuple(2**n for n in range(8))
LONGEST_STEP_S = 10.0
"""A trial whose step takes longer by the model is left to the model: measuring it takes minutes."""


def measure(
    configs: Iterable[TrainConfig], speeds: Speeds, data_dir: Path
) -> Iterator[Measurement]:
    """What short stacks of every shape take that is not known yet, for K = 1, 2, 4 and so on."""
    shapes = {shape_key(config): config for config in configs if not config.is_function}
    machine = speeds.machine
    for shape, config in shapes.items():
        speed = speeds.of(config)
        if speed.is_measured or speed.stack_s(1) > config.steps * LONGEST_STEP_S:
            continue
        sizes = [size for size in SIZES if size <= stack_cap(speed)]
        for reading in probe(config, sizes, data_dir=data_dir, device=_torch_device(machine)):
            yield Measurement(
                device=machine.device,
                shape=shape,
                size=reading.size,
                step_s=reading.step_s,
                sequence_s=reading.sequence_s,
                peak_bytes=reading.peak_bytes,
            )


def _torch_device(machine: Machine) -> str:
    return "cuda" if machine.gpus else "cpu"
