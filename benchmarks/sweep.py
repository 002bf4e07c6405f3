"""The demo's sweep through the service, through plain Ray Tune, and with no orchestration at all.

Same trials, same machine, alternating, and all with the settings of memory that the service gives
its workers. Prints a table, and JSON on the last line. Walls are from the submission to the last
result, with the service and both Ray clusters already up.
"""

import argparse
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.warm_service import finish, service
from sweeper.planning.machine import Machine
from sweeper.planning.stacking import plan
from sweeper.service import Service
from sweeper.storage.records import FreeTrial
from sweeper.storage.store import Store
from trainers.config import from_dict, stack_key


def through_service(store: Store, home: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Wall, losses and configurations, in the order of the points."""
    started = pd.Timestamp.now("UTC")
    sweep_id = Service(store, home / "datasets").submit(body | {"fresh": True}).sweep_id
    finish(store, sweep_id)
    points = store.results.points(sweep_id)
    losses = [None if math.isnan(loss) else loss for loss in points["final_loss"].astype(float)]
    configs = [json.loads(text) for text in points["config"]]
    return {
        "wall_s": (points["finished_at"].max() - started).total_seconds(),
        "losses": losses,
        "configs": configs,
        "busy_s": float(points["busy_s"].sum()),
        "training_s": training_s(store, points),
    }


def training_s(store: Store, points: pd.DataFrame) -> float:
    """From the start of the first stack on a worker to the last result."""
    attempts = [a for trial in set(points["trial_id"]) for a in store.results.trial(trial).attempts]
    started = min(attempt.started_at for attempt in attempts)
    return float((points["finished_at"].max() - started).total_seconds())


def through_plain_tune(home: Path, configs: Sequence[dict[str, Any]], cpus: int) -> dict[str, Any]:
    """Wall and losses of the same trials in `benchmarks/plain.py`."""
    asked = {"configs": configs, "cpus": cpus, "data_dir": str(home / "datasets")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plain"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def without_orchestration(home: Path, configs: Sequence[dict[str, Any]], cpus: int) -> float:
    """Wall of the planner's stacks in bare processes, from the first step to the last."""
    free = [
        FreeTrial(
            id=n, fingerprint=str(n), stack_key=stack_key(from_dict(plain)), config=plain, demand=0
        )
        for n, plain in enumerate(configs)
    ]
    context = multiprocessing.get_context("spawn")
    waiting, barrier = context.Queue(), context.Barrier(cpus + 1)
    for stack in plan(free, Machine(cpus=cpus)):
        waiting.put([configs[n] for n in stack.trial_ids])
    for _ in range(cpus):
        waiting.put(None)
    workers = [
        context.Process(target=train_all, args=(waiting, barrier, home / "datasets"))
        for _ in range(cpus)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.monotonic()
    for worker in workers:
        worker.join()
    return time.monotonic() - started


def train_all(waiting: Any, barrier: Any, data_dir: Path) -> None:
    """One bare worker."""
    import torch

    from trainers.loop import StackRun

    torch.set_num_threads(1)
    barrier.wait()
    while (configs := waiting.get()) is not None:
        run = StackRun([from_dict(plain) for plain in configs], data_dir=data_dir)
        while not run.finished:
            run.advance()


def largest_difference(a: Sequence[float | None], b: Sequence[float | None]) -> float:
    """Between losses that are finite in both."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return max((abs(x - y) for x, y in pairs), default=math.nan)


def up_to_best(configs: Sequence[dict[str, Any]], losses: Sequence[float | None]) -> list[bool]:
    """Which trials have a learning rate no larger than the best one of their optimizer.

    Beyond it training is chaotic: the order of a sum decides which loss comes out.
    """
    best: dict[str, tuple[float, float]] = {}
    for plain, loss in zip(configs, losses, strict=True):
        found = (math.inf if loss is None else loss, plain["hyperparameters"]["lr"])
        best[plain["optimizer"]] = min(found, best.get(plain["optimizer"], found))
    return [p["hyperparameters"]["lr"] <= best[p["optimizer"]][1] for p in configs]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2, help="even: the cores then end together")
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    import yaml

    import sweeper
    from sweeper.dispatch.cluster import MEMORY

    os.environ.update(MEMORY)
    preset = Path(sweeper.__file__).with_name("presets") / "demo.yaml"
    changes = {"base": {"steps": options.steps}, "seeds": list(range(options.seeds))}
    body = yaml.safe_load(preset.read_text())["sweep"] | changes
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with service(home, options.cpus) as store:
            for _ in range(options.rounds):
                ours = through_service(store, home, body)
                plain = through_plain_tune(home, ours["configs"], options.cpus)
                limit_s = without_orchestration(home, ours["configs"], options.cpus)
                rounds.append(summary(ours, plain, limit_s, options.cpus))
                table(rounds[-1])
    print(json.dumps({"trials": len(ours["losses"]), "cpus": options.cpus, "rounds": rounds}))


def summary(
    ours: dict[str, Any], plain: dict[str, Any], limit_s: float, cpus: int
) -> dict[str, float]:
    """The figures of one round."""
    calm = up_to_best(ours["configs"], ours["losses"])
    calm_losses = [
        [loss for loss, is_calm in zip(run["losses"], calm, strict=True) if is_calm]
        for run in (ours, plain)
    ]
    return {
        "service_s": ours["wall_s"],
        "plain_tune_s": plain["wall_s"],
        "ratio": plain["wall_s"] / ours["wall_s"],
        "limit_s": limit_s,
        "share_of_limit": limit_s / ours["wall_s"],
        "device_busy_share": ours["busy_s"] / (cpus * ours["wall_s"]),
        "device_busy_share_after_start": ours["busy_s"] / (cpus * ours["training_s"]),
        "largest_loss_difference_up_to_best_lr": largest_difference(*calm_losses),
        "largest_loss_difference": largest_difference(ours["losses"], plain["losses"]),
        "diverged_service": ours["losses"].count(None),
        "diverged_plain_tune": plain["losses"].count(None),
    }


def table(figures: dict[str, float]) -> None:
    """One line per figure."""
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):>38}  {value:.4g}")


if __name__ == "__main__":
    main()
