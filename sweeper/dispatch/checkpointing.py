"""The checkpoints of one attempt: written while the run waits, sent off while it goes on."""

import logging
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from sweeper.dispatch.checkpoint_store import KEPT, attempt_name, open_checkpoints
from sweeper.dispatch.messages import Work
from sweeper.dispatch.objects import SCRATCH
from sweeper.dispatch.scratch import scratch_folder
from sweeper.storage.records import Checkpoint
from trainers.runs import Run

T = TypeVar("T")

LOOK_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sending:
    checkpoint: Checkpoint
    done: Future[None]


class Checkpointing:
    """Loads and saves for one attempt; one thread, besides the one that it sends from.

    `newest` is the last checkpoint that is whole. One that the disk or the store prevents, be it
    full, gone or silent, costs itself, not the training. `alive` is called while it waits for bytes
    that move.
    """

    def __init__(self, work: Work, alive: Callable[[], None]) -> None:
        self._work = work
        self._alive = alive
        self._moves = 0
        self._store = open_checkpoints(work.checkpoints, self._moved)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._sending: _Sending | None = None
        self._written: str | None = None
        self.newest: Checkpoint | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def load(self, run: Run, name: str, slots: tuple[int, ...]) -> None:
        """Have the run go on from a checkpoint; raises what `fetch` and `Run.load` raise."""
        scratch = scratch_folder(SCRATCH)
        try:
            path = self._result(self._thread.submit(self._store.fetch, name, scratch))
            run.load(path, slots)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def save(self, run: Run) -> bool:
        """Save unless the last one is still on its way; whether it did."""
        self.look()
        if self._sending is not None:
            return False
        self._write(run, self._name(run))
        return True

    def save_at_once(self, run: Run) -> None:
        """Save, and wait until that is whole, as before a stack is given back."""
        self._settle()
        self._write(run, self._name(run))
        self._settle()

    def keep(self, run: Run) -> str | None:
        """Save where nothing is removed, and wait; where that is, None if it failed."""
        self._settle()
        name = f"{KEPT}/{self._name(run)}"
        self._write(run, name)
        self._settle()
        is_whole = self.newest is not None and self.newest.path == name
        return self._store.address(name) if is_whole else None

    def look(self) -> None:
        """Note whether what was sent has arrived."""
        if self._sending is None or not self._sending.done.done():
            return
        sent, self._sending = self._sending, None
        try:
            sent.done.result()
        except Exception:  # noqa: BLE001 - each protocol has errors of its own
            _log.exception("a checkpoint could not be sent")
        else:
            self.newest = sent.checkpoint

    def _name(self, run: Run) -> str:
        return f"{attempt_name(self._work.stack_id, self._work.attempt)}/{run.step}"

    def _write(self, run: Run, name: str) -> None:
        if name == self._written or not run.can_be_saved:
            return
        try:
            send = self._store.write(name, run.save)
        except OSError:
            _log.exception("a checkpoint could not be written")
            return
        self._written, checkpoint = name, Checkpoint(step=run.step, path=name)
        if send is None:
            self.newest = checkpoint
        else:
            self._sending = _Sending(checkpoint, self._thread.submit(send))

    def _settle(self) -> None:
        if self._sending is not None:
            self._wait(self._sending.done)
            self.look()

    def _result(self, future: Future[T]) -> T:
        self._wait(future)
        return future.result()

    def _wait(self, future: Future[T]) -> None:
        """Wait as long as there is progress; the watchdog ends what stands still."""
        seen = self._moves
        while not wait([future], LOOK_S).done:
            if self._moves != seen:
                seen = self._moves
                self._alive()

    def _moved(self) -> None:
        self._moves += 1
