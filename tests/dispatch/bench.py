"""A searcher without Ray."""

import time
from dataclasses import replace
from pathlib import Path

from sweeper.dispatch.capacity import Capacity
from sweeper.dispatch.folders import Folder
from sweeper.dispatch.messages import Timing
from sweeper.dispatch.running import RunningStacks
from sweeper.dispatch.searcher import StackSearcher
from sweeper.dispatch.stop import Stop
from sweeper.dispatch.supply import Supply
from sweeper.dispatch.writer import Ended, Writer
from sweeper.storage.store import Store
from tests.storage import builders

HERE = Capacity(1, 0, 0, "a device")


class Bench:
    """A searcher and a writer with nothing behind them but a store."""

    def __init__(self, store: Store, folder: Path, cpus: int, *, idle_exit: bool) -> None:
        self.store, self.stop, self.running = store, Stop(), RunningStacks()
        self.epoch = builders.take_over(store)
        self.writer = Writer(store.queue, self.epoch, Folder(folder), self.stop)
        self.supply = Supply(
            store=store.queue,
            epoch=self.epoch,
            running=self.running,
            writer=self.writer,
            stop=self.stop,
            capacity=lambda: replace(HERE, cpus=cpus),
            data_dir=folder,
            checkpoints=str(folder),
            keeps=False,
            control="control",
            timing=Timing(),
            idle_exit=idle_exit,
            advance=self._advance,
        )
        self.searcher = StackSearcher(self.supply)
        self.advanced = 0
        self.more: list[float] = []

    def _advance(self) -> None:
        """A round of each value that is left, one at a time."""
        self.advanced += 1
        if self.more:
            builders.submit(self.store, builders.expansion(values=[self.more.pop()]))


def returned(bench: Bench, tune_trial_id: str) -> None:
    running = bench.running.end(tune_trial_id)
    assert running is not None
    bench.writer.put(Ended(running.claim, None, "drained"))
    while not bench.writer.is_idle():
        time.sleep(0.01)
