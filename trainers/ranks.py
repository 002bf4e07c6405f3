"""Other processes that train a stack together with this one: what they are given and asked."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from trainers.config import TrainConfig
from trainers.loop import StackRun
from trainers.optimizers import plugins
from trainers.parallel import Ranks, join

END_S = 5.0
DONE = "done"


class RankLost(RuntimeError):
    """One of the processes that train a stack together has ended."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a rank needs to know."""

    configs: tuple[TrainConfig, ...]
    data_dir: Path
    device: str
    micro_batch: int | None
    ranks: Ranks
    rendezvous: str
    threads: int
    plugin: str | None

    def run(self) -> StackRun:
        """This rank's own run, connected with the others."""
        cuda = self.device == "cuda"
        device = f"cuda:{self.ranks.rank}" if cuda else self.device
        join(self.ranks, torch.device(device), self.rendezvous)
        return StackRun(
            self.configs,
            data_dir=self.data_dir,
            device=device,
            micro_batch=self.micro_batch,
            ranks=self.ranks,
        )


class Other:
    """Another rank, seen from rank 0."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._rank = job.ranks.rank
        self._process: SpawnProcess = context.Process(
            target=_follow, args=(theirs, job), name=f"rank-{self._rank}", daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def sentinel(self) -> int:
        """Ready once the process has ended."""
        return self._process.sentinel

    def tell(self, name: str, *arguments: object) -> None:
        """Have it call a method of its own run."""
        try:
            self._pipe.send((name, arguments))
        except OSError as error:
            raise self._lost() from error

    def hear(self) -> None:
        """Wait for its answer; raises what it has raised."""
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if answer != DONE:
            raise answer

    def blame(self, error: Exception) -> None:
        """Raises what ended this rank, if it has ended or is about to."""
        if wait([self.sentinel, self._pipe], END_S):
            try:
                self.hear()
            except Exception as cause:
                raise cause from error

    def end(self) -> None:
        """End it, in good order if it heeds that."""
        self._pipe.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _lost(self) -> RankLost:
        self._process.join(END_S)
        return RankLost(f"rank {self._rank} ended with exit code {self._process.exitcode}")


def _follow(pipe: Connection, job: Job) -> None:
    """What another rank does: what it is told, until rank 0 lets go of the pipe, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it to all; rank 0 decides.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(job.threads)
    if job.plugin is not None:
        plugins.take(job.plugin)
    try:
        pipe.send(DONE)
        run = job.run()
        pipe.send(DONE)
        while True:
            name, arguments = pipe.recv()
            getattr(run, name)(*arguments)
            pipe.send(DONE)
    except (EOFError, BrokenPipeError):
        os._exit(0)  # Nothing here is worth the seconds that a device takes to be let go of.
    except Exception as error:  # noqa: BLE001 - rank 0 raises it
        traceback.print_exc(file=sys.stderr)
        pipe.send(_portable(error))
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same, if it cannot be sent."""
    if isinstance(error, torch.OutOfMemoryError):
        return torch.OutOfMemoryError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)
