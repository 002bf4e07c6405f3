"""How long steps of a stack take on a device, for a few K: a glance before a long run."""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from trainers.config import TrainConfig
from trainers.loop import StackRun

STEPS = 100_000
"""Of the run that is never finished: so long that no evaluation falls into its first steps."""
WARM_UP = 2
ENOUGH_S = 0.25
"""So long a K is measured, or for as many steps, whichever is sooner."""
MOST_STEPS, FEWEST_STEPS = 20, 3
WORSE = 1.05


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Seconds that a stack of `size` took, all members together; None if it did not fit."""

    size: int
    step_s: float | None
    sequence_s: float = 0.0
    """Per held-out sequence of an evaluation."""
    peak_bytes: int | None = None
    """Of an accelerator."""


def probe(
    config: TrainConfig, sizes: Iterable[int], *, data_dir: Path, device: str = "cpu"
) -> Iterator[Reading]:
    """Measures ascending K until one does not fit or takes a trial longer than the best one.

    Seconds are of computing on a CPU, with one thread, and of the wall elsewhere.
    """
    assert not config.is_function, "training functions have no trial axis"
    torch.set_num_threads(1)
    best_s = float("inf")
    for size in sizes:
        reading = read(config, size, data_dir=data_dir, device=device)
        yield reading
        if reading.step_s is None or reading.step_s / size > WORSE * best_s:
            return
        best_s = min(best_s, reading.step_s / size)


def read(config: TrainConfig, size: int, *, data_dir: Path, device: str = "cpu") -> Reading:
    """Measures one K; the seeds of its members are their slots."""
    short = dataclasses.replace(config, steps=STEPS, eval_sequences=config.batch_size)
    configs = [dataclasses.replace(short, seed=slot) for slot in range(size)]
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        torch.cuda.reset_peak_memory_stats(device)
    try:
        run = StackRun(configs, data_dir=data_dir, device=device)
        evaluation_s = _timed(run, on_cpu=on_cpu)
        for _ in range(WARM_UP):
            run.advance()
        taken: list[float] = []
        while len(taken) < FEWEST_STEPS or (sum(taken) < ENOUGH_S and len(taken) < MOST_STEPS):
            taken.append(_timed(run, on_cpu=on_cpu))
    except torch.OutOfMemoryError:
        return Reading(size=size, step_s=None)
    return Reading(
        size=size,
        step_s=median(taken),
        sequence_s=evaluation_s / short.eval_sequences,
        peak_bytes=None if on_cpu else torch.cuda.max_memory_allocated(device),
    )


def _timed(run: StackRun, *, on_cpu: bool) -> float:
    """Seconds of one `advance`, which an accelerator has ended by then."""
    if on_cpu:
        started = time.process_time()
        run.advance()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    run.advance()
    torch.cuda.synchronize()
    return time.perf_counter() - started
