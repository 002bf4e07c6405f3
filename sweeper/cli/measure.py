"""Measuring on this machine what a plan would else have from a model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.cli import home as homes
from sweeper.cli.output import say

if TYPE_CHECKING:
    from trainers.config import TrainConfig


def measure(data: Path, database: str | None, body: dict[str, Any]) -> None:
    """Measure the stacks of a sweep that have not run here yet, and remember what they take."""
    # What trains is slow to import, and other commands do without.
    from sweeper.dispatch import devices
    from sweeper.planning.machine import Machine
    from sweeper.planning.measuring import measure as measured
    from sweeper.planning.speeds import Speeds, shape_key
    from sweeper.service import Service
    from sweeper.spec import parse
    from sweeper.storage.store import open_store
    from sweeper.submission import whole_expansion

    home = homes.prepare(data)
    gpus, cpus = devices.gpus(), os.cpu_count() or 1
    machine = Machine(cpus=cpus, device=devices.cpu_name())
    if gpus:
        name, memory_bytes = min(gpus, key=lambda gpu: gpu[1])
        machine = Machine(cpus=cpus, gpus=len(gpus), gpu_memory_bytes=memory_bytes, device=name)
    with open_store(homes.database_url(home, database)) as store:
        datasets_dir = home / "datasets"
        known_data = Service(store, datasets_dir).datasets()
        trials = whole_expansion(parse(body), known_data, datasets_dir).trials
        one_of_each = list({trial.stack_key: trial.config for trial in trials}.values())
        kinds = {shape_key(config): _in_words(config) for config in one_of_each}
        known = store.queue.speeds(shape_key(config) for config in one_of_each)
        for found in measured(one_of_each, Speeds(machine, known), datasets_dir):
            store.queue.note_speed(found)
            took = "too large" if found.step_s is None else f"{1e3 * found.step_s:.3g} ms a step"
            say(f"{kinds[found.shape]}, K = {found.size}: {took}")


def _in_words(config: "TrainConfig") -> str:
    model = config.model
    return f"{config.optimizer}, {model.layers} layers {model.width} wide"
