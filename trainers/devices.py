"""A stack on several devices as one `Run`: this process is rank 0, and starts the others."""

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import torch

from trainers.config import TrainConfig
from trainers.metrics import StepMetrics, TrialResult
from trainers.optimizers import plugins
from trainers.parallel import BACKENDS, Ranks, leave
from trainers.ranks import Job, Other

GRACE_S = 10.0
"""So long after a rank has died this process may take to notice by itself."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class ParallelRun:
    """A stack on `devices` devices of this machine, each with a part of every batch. See `Run`.

    What is asked of it, the other ranks are told to do too; only this one measures time, and saves.
    Numbers are those of a run on one device but for rounding, and the same bits again with as many
    devices. When another rank dies, the call that is under way raises `RankLost`, or what that rank
    has raised; where a device keeps it from noticing, the process ends after ten seconds. When this
    one dies, so do the others. One at a time in a process.
    """

    can_be_saved = True

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        *,
        data_dir: Path,
        device: str,
        devices: int,
        micro_batch: int | None = None,
    ) -> None:
        _check(configs, device, devices)
        self._folder = Path(tempfile.mkdtemp(prefix="trainers-ranks-"))
        self._closed = threading.Event()
        jobs = [
            Job(
                configs=tuple(configs),
                data_dir=data_dir,
                device=device,
                micro_batch=micro_batch,
                ranks=Ranks(rank, devices),
                rendezvous=str(self._folder / "rendezvous"),
                threads=torch.get_num_threads(),
                plugin=plugins.source_of(configs[0].optimizer),
            )
            for rank in range(devices)
        ]
        self._others = [Other(job) for job in jobs[1:]]
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()
        try:
            self._hear()  # They have imported what they need; now all can meet.
            self._own = self._with_others(jobs[0].run)
        except BaseException:
            self.close()
            raise

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self._own.step

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self._own.steps

    @property
    def live(self) -> tuple[bool, ...]:
        """Which members are neither diverged nor masked."""
        return self._own.live

    @property
    def finished(self) -> bool:
        """Whether all steps are taken, or no member is live."""
        return self._own.finished

    @property
    def micro_batch(self) -> int:
        """Sequences of each trial that this device computes at once."""
        return self._own.micro_batch

    @property
    def waited_s(self) -> float:
        """Seconds that this process has waited for batches of the training text."""
        return self._own.waited_s

    def advance(self) -> StepMetrics | None:
        """Takes one optimizer step; metrics at metric steps."""
        self._tell("advance")
        return self._with_others(self._own.advance)

    def mask(self, slot: int) -> None:
        """Freezes a member for good."""
        self._tell("mask", slot)
        self._with_others(lambda: self._own.mask(slot))

    def result(self, slot: int) -> TrialResult | None:
        """A member's result: of a diverged one at once, else at the end; None if it was masked."""
        return self._own.result(slot)

    def results(self) -> tuple[TrialResult | None, ...]:
        """Every member's result, once finished."""
        return self._own.results()

    def save(self, directory: Path) -> None:
        """Writes a checkpoint, which a run on any number of devices can take up."""
        self._own.save(directory)

    def load(self, directory: Path, slots: Sequence[int] | None = None) -> None:
        """Takes up a checkpoint."""
        self._tell("load", directory, slots)
        self._with_others(lambda: self._own.load(directory, slots))

    def close(self) -> None:
        """Ends the other processes."""
        if self._closed.is_set():
            return
        self._closed.set()
        for other in self._others:
            other.end()
        leave()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, name: str, *arguments: object) -> None:
        for other in self._others:
            other.tell(name, *arguments)

    def _hear(self) -> None:
        """Wait until the others have done what they were told; raises what they have raised."""
        for other in self._others:
            other.hear()

    def _with_others(self, do: Callable[[], T]) -> T:
        """Do this rank's part of it. Why it failed may be known to another rank alone."""
        try:
            result = do()
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            for other in self._others:
                other.blame(error)
            raise
        self._hear()
        return result

    def _watch(self) -> None:
        """End the process if a rank has died, and this one still waits for it in its device."""
        wait([other.sentinel for other in self._others])
        if not self._closed.wait(GRACE_S):
            _log.critical("a rank has ended, and this one is still waiting for it: ending now")
            os._exit(1)


def _check(configs: Sequence[TrainConfig], device: str, devices: int) -> None:
    if device not in BACKENDS:
        raise ValueError(f"device must be one of {', '.join(BACKENDS)}, but got {device!r}")
    if devices < 2:
        raise ValueError(f"devices >= 2 must hold, but got devices={devices}")
    if configs and configs[0].batch_size < devices:
        batch = configs[0].batch_size
        raise ValueError(
            f"devices <= batch_size must hold, but got devices={devices}, batch_size={batch}"
        )
    there = torch.cuda.device_count() if device == "cuda" else devices
    if devices > there:
        raise ValueError(f"devices={devices} were asked for, but there are {there} here")
