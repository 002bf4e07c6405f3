"""The planner's K against every fixed one, and what share of the machine's arithmetic it gets.

Every K is measured in turn, several rounds of it, one thread each and in seconds of computing, so
that other work on the machine disturbs all alike. A sweep of 27 trials on the cores there are is
then laid out as the planner does, by its model alone and by what a probe has measured, and with
every fixed K; its end is computed from the measured times. Prints a table per scale, and JSON on
the last line.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from sweeper.dispatch.cluster import MEMORY
from sweeper.effective import effective_config
from sweeper.planning.machine import Machine
from sweeper.planning.sizing import best_size
from sweeper.planning.speeds import Measurement, Speed, Speeds, shape_key
from sweeper.planning.stacking import finish_times, plan
from sweeper.storage.records import FreeTrial
from trainers.config import TrainConfig, stack_key, to_dict
from trainers.data import prepare_embedded
from trainers.flops import training_flops
from trainers.probe import Reading, read

SIZES: Mapping[str, Sequence[int]] = {
    "nano": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32),
    "micro": (1, 2, 3, 4, 8, 16),
}
PROBED = (1, 2, 4, 8, 16)
TRIALS = 27
MATRIX, PRODUCTS = 1024, 10
DEVICE = "this one"


def matrix_rate(queue: Any) -> None:
    """Multiply-adds of one core in fp32, twice over, per second."""
    torch.set_num_threads(1)
    a, b = torch.randn(2, MATRIX, MATRIX).unbind()
    taken = []
    for _ in range(PRODUCTS + 1):
        started = time.process_time()
        torch.mm(a, b)
        taken.append(time.process_time() - started)
    queue.put(2 * MATRIX**3 / median(taken[1:]))


def one_round(queue: Any, config: TrainConfig, sizes: Sequence[int], data_dir: Path) -> None:
    """Every K once, in a process of its own."""
    torch.set_num_threads(1)
    queue.put([read(config, size, data_dir=data_dir) for size in sizes])


def in_a_process(task: Any, *arguments: Any) -> Any:
    """What the task puts into its queue, with a worker's settings of memory."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=task, args=(queue, *arguments))
    process.start()
    found = queue.get()
    process.join()
    return found


def remembered(config: TrainConfig, rounds: Sequence[Sequence[Reading]]) -> list[Measurement]:
    """Medians over the rounds, as the planner would find them."""
    found = []
    for readings in zip(*rounds, strict=True):
        steps = [reading.step_s for reading in readings if reading.step_s is not None]
        found.append(
            Measurement(
                device=DEVICE,
                shape=shape_key(config),
                size=readings[0].size,
                step_s=median(steps),
                sequence_s=median(reading.sequence_s for reading in readings),
            )
        )
    return found


def sweep_s(truth: Speed, sizes: Sequence[int], cpus: int) -> float:
    """When the last of these stacks ends."""
    return max(finish_times([truth.stack_s(size) for size in sizes], [0.0] * cpus))


def planned_sizes(config: TrainConfig, speeds: Speeds) -> list[int]:
    """K of every stack of the sweep, as the planner lays it out."""
    plain, key = to_dict(config), stack_key(config)
    free = [
        FreeTrial(id=n, fingerprint=str(n), stack_key=key, config=plain, demand=0)
        for n in range(TRIALS)
    ]
    return [stack.size for stack in plan(free, speeds.machine, speeds)]


def fixed_sizes(size: int) -> list[int]:
    """K of every stack if no stack has more than that."""
    count = -(-TRIALS // size)
    return [high - low for low, high in pairwise(TRIALS * i // count for i in range(count + 1))]


def of_scale(
    config: TrainConfig, scale: str, data_dir: Path, rounds: int, cpus: int
) -> dict[str, Any]:
    """The figures of one scale."""
    taken = [in_a_process(one_round, config, SIZES[scale], data_dir) for _ in range(rounds)]
    machine, known = Machine(cpus=cpus, device=DEVICE), remembered(config, taken)
    truth = Speeds(machine, tuple(known)).of(config)
    probe = tuple(m for m in known if m.size in PROBED)
    per_trial = {m.size: (m.step_s or 0.0) / m.size for m in known}
    fixed = {size: sweep_s(truth, fixed_sizes(size), cpus) for size in SIZES[scale]}
    choices = {}
    for name, speeds in {"model": Speeds(machine), "probe": Speeds(machine, probe)}.items():
        size, sizes = best_size(speeds.of(config)), planned_sizes(config, speeds)
        trial_s = truth.stack_s(size) / size
        choices[name] = {
            "k": size,
            "stacks": sizes,
            "trial_over_best_k": trial_s / min(truth.stack_s(k) / k for k in SIZES[scale]),
            "sweep_over_best_fixed": sweep_s(truth, sizes, cpus) / min(fixed.values()),
        }
    return {"trial_step_s": per_trial, "fixed_sweep_s": fixed, "choices": choices}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    options = parser.parse_args()
    os.environ.update(MEMORY)
    found: dict[str, Any] = {"optimizer": options.optimizer, "rounds": options.rounds}
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        data = prepare_embedded(data_dir)
        for scale in SIZES:
            config = effective_config(
                optimizer=options.optimizer,
                scale=scale,
                architecture="standard",
                settings={},
                seed=0,
                data=data,
            )
            figures = of_scale(config, scale, data_dir, options.rounds, options.cpus)
            rate = in_a_process(matrix_rate)
            flops = training_flops(config) / config.steps
            figures["matrix_flops_per_s"] = rate
            figures["share_of_matrix_rate"] = {
                k: flops / trial_s / rate for k, trial_s in figures["trial_step_s"].items()
            }
            found[scale] = figures
            table(scale, figures)
    print(json.dumps(found))


def table(scale: str, figures: dict[str, Any]) -> None:
    """One line per K, then the planner's choices."""
    print(f"{scale:>6}   K  ms per trial-step  27 trials, s  share of matrix rate")
    for k, step_s in figures["trial_step_s"].items():
        sweep, share = figures["fixed_sweep_s"][k], figures["share_of_matrix_rate"][k]
        print(f"{k:>10}  {1e3 * step_s:>17.2f}  {sweep:>12.1f}  {share:>20.2f}")
    for name, choice in figures["choices"].items():
        print(
            f"  by {name}: K = {choice['k']}, a trial takes {choice['trial_over_best_k']:.3f} of "
            f"the best K's, the sweep {choice['sweep_over_best_fixed']:.3f} of the best fixed K's"
        )


if __name__ == "__main__":
    main()
