"""Stacks to be timed by `gpu.py`: what they train on, and how fast they do."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainers.config import DataConfig, TrainConfig
from trainers.data import TRAIN, VALIDATION, dataset
from trainers.loop import StackRun
from trainers.optimizers import hyperparameters, options
from trainers.scales import SCALES
from trainers.token_files import MANIFEST, files_sha256, token_dtype

FAR_AWAY = 100_000
"""Steps of a run whose first hundreds are timed: none of them evaluates or reports."""
WARM_STEPS, MOST_STEPS, STEPS_AT_ONCE = 3, 600, 4


def random_tokens(data_dir: Path, vocabulary: int, count: int) -> DataConfig:
    """A data set of random tokens: how fast a model trains does not depend on what it reads."""
    folder = data_dir / f"random-{vocabulary}"
    if not (folder / MANIFEST).exists():
        folder.mkdir(parents=True)
        generator, kind = np.random.default_rng(0), token_dtype(vocabulary)
        parts = {
            name: generator.integers(0, vocabulary, size, kind).tobytes()
            for name, size in ((TRAIN, count), (VALIDATION, count // 4))
        }
        for name, content in parts.items():
            (folder / name).write_bytes(content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
        manifest = {
            "dtype": kind.name,
            "vocabulary": vocabulary,
            "files": hashes,
            "tokens": {name: len(content) // kind.itemsize for name, content in parts.items()},
            "sha256": files_sha256(hashes),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest))
    return dataset(data_dir, folder.name)


def config_of(
    scale: str, data: DataConfig, optimizer: str = "adamw", *, seed: int = 0, **changes: Any
) -> TrainConfig:
    """A run at a scale, its optimizer's defaults filled in; `changes` are to its fields."""
    size = SCALES[scale]
    values = {name: h.default for name, h in hyperparameters(optimizer, "warmup_cosine").items()}
    values["z_loss"] = 1e-4
    fields = {
        "steps": FAR_AWAY,
        "batch_size": size.batch_size,
        "precision": size.precision,
        "eval_sequences": size.batch_size,
        "hyperparameters": values,
    }
    return TrainConfig(
        optimizer=optimizer,
        model=size.model(data.vocabulary),
        data=data,
        options={name: option.default for name, option in options(optimizer).items()},
        seed=seed,
        **fields | changes,
    )


def wait_for(device: str) -> None:
    """Until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_per_step(step: Callable[[], object], device: str, seconds: float) -> float:
    """The mean over as many steps as take about so long, after some that warm up."""
    for _ in range(WARM_STEPS):
        step()
    count = round(seconds / timed(step, 1, device))
    return timed(step, min(max(1, count), MOST_STEPS), device)


def timed(step: Callable[[], object], count: int, device: str) -> float:
    """Seconds of each of so many steps."""
    wait_for(device)
    started = time.perf_counter()
    for _ in range(count):
        step()
    wait_for(device)
    return (time.perf_counter() - started) / count


def stack_of(configs: Sequence[TrainConfig], data_dir: Path, device: str) -> StackRun:
    """A run past its first evaluation."""
    run = StackRun(configs, data_dir=data_dir, device=device)
    run.advance()
    return run


def side_by_side(
    scale: str, processes: int, data_dir: Path, device: str, seconds: float
) -> float | None:
    """Trial-steps per second of so many processes with a trial each; None if one of them fails."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu_runs",
        scale,
        str(data_dir),
        device,
        str(seconds),
    ]
    workers = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for n in range(processes)
    ]
    try:
        ready = [worker.stdout.readline() for worker in workers]  # type: ignore[union-attr]
        if not all(ready):
            return None
        for worker in workers:
            worker.stdin.write(b"go\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        found = [worker.communicate()[0] for worker in workers]
        return sum(float(line) for line in found) if all(found) else None
    finally:
        for worker in workers:
            worker.kill()


def main() -> None:
    """One of those processes: ready, then at a word its steps per second."""
    scale, data_dir, device, seconds, seed = sys.argv[1:]
    torch.set_num_threads(1)
    data = random_tokens(Path(data_dir), 256, 0)
    run = stack_of([config_of(scale, data, seed=int(seed))], Path(data_dir), device)
    for _ in range(WARM_STEPS):
        run.advance()
    wait_for(device)
    print("ready", flush=True)
    sys.stdin.readline()
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < float(seconds):
        timed(run.advance, STEPS_AT_ONCE, device)
        steps += STEPS_AT_ONCE
    print(steps / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    main()
