"""From Ray Tune's callbacks to the database: one queue, one thread, nothing lost."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from sweeper.dispatch.checkpoint_store import CheckpointStore
from sweeper.dispatch.cleaning import Cleaner
from sweeper.dispatch.devices import cpu_name
from sweeper.dispatch.failpoints import hit
from sweeper.dispatch.messages import LAST_WORDS, Pace, Progress, Report
from sweeper.errors import Fenced, StorageFull, Unavailable
from sweeper.failures import Failure, FailureKind
from sweeper.planning.speeds import Measurement, shape_key
from sweeper.storage.queue import Queue
from sweeper.storage.records import Checkpoint, Claim, MetricRow
from trainers.config import from_dict
from trainers.metrics import TrialResult

T = TypeVar("T")

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0

_log = logging.getLogger(__name__)


class Stopping(Protocol):
    """What the writer needs of the dispatcher's stop flag."""

    def fenced(self) -> None:
        """Another dispatcher acts: stop at once."""

    def wait(self, seconds: float) -> bool:
        """Wait; true if the process has to end now."""


@dataclass(frozen=True)
class Said:
    """A report of a worker, with the claim it belongs to and Ray's id of the trial."""

    claim: Claim
    tune_trial_id: str
    report: Report


@dataclass(frozen=True)
class Ended:
    """An attempt that ended without a last word: with a failure, or just given back."""

    claim: Claim
    failure: Failure | None
    reason: str = ""


class Writer:
    """Writes what it is given, in order, in a thread of its own.

    A database that does not answer is asked again until it does; nothing is dropped but what the
    database refuses as superseded. `close` waits until everything is written.
    """

    def __init__(
        self, store: Queue, epoch: int, checkpoints: CheckpointStore, stop: Stopping
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._cleaner = Cleaner(checkpoints, store)
        self._stop = stop
        self._queue: queue.SimpleQueue[Said | Ended | None] = queue.SimpleQueue()
        self._open = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def put(self, item: Said | Ended) -> None:
        """Have it written soon."""
        with self._lock:
            self._open += 1
        self._queue.put(item)

    def is_idle(self) -> bool:
        """Whether everything given is written."""
        with self._lock:
            return self._open == 0

    def close(self) -> None:
        """Write the rest and end the thread; then clean up what there is time for."""
        self._queue.put(None)
        self._thread.join()
        self._cleaner.close()

    def tidy(self) -> None:
        """Have the checkpoints of stacks that are closed or gone removed soon."""
        self._cleaner.remove_unused()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(item)
            except Fenced:
                _log.warning("another dispatcher acts: results are no longer written")
                self._stop.fenced()
            except Exception as error:  # noqa: BLE001 - the items after it have to be written
                _log.exception("stack %d: not written", item.claim.stack_id)
                self._fail_unwritten(item, error)
            with self._lock:
                self._open -= 1

    def _fail_unwritten(self, item: Said | Ended, error: Exception) -> None:
        """Nobody hears of a stack again after its last word, and the next one may be no better."""
        if isinstance(item, Said) and item.report.progress not in LAST_WORDS:
            return
        message = f"its end could not be written: {type(error).__name__}: {error}"
        try:
            self._fail(item.claim, Failure(kind=FailureKind.USER_ERROR, message=message))
        except Fenced:
            self._stop.fenced()
        except Exception:  # noqa: BLE001 - the thread has to go on; a restart returns the stack
            _log.exception("stack %d: not returned", item.claim.stack_id)

    def _write(self, item: Said | Ended) -> None:
        if isinstance(item, Said):
            self._write_report(item)
        elif item.failure is not None:
            if item.failure.kind is FailureKind.OOM_HOST:
                self._remember(item.claim, Pace(device=cpu_name(), step_s=None))
            self._fail(item.claim, item.failure)
        else:
            self._give_back(item.claim, item.reason)

    def _write_report(self, item: Said) -> None:
        claim, report = item.claim, item.report
        if report.progress is Progress.STARTED:
            start = (self._epoch, claim, item.tune_trial_id, report.host, report.pid)
            self._ask(lambda: self._store.start(*start))
            return
        if report.pace is not None:
            self._remember(claim, report.pace)
        hit("before_accept", step=report.step)
        self._record(claim, report)
        for slot, result in report.results.items():
            self._accept(claim, slot, result, report.provenance)
        self._finish(claim, report)

    def _record(self, claim: Claim, report: Report) -> None:
        rows = [
            MetricRow(
                trial_id=claim.members[row.slot].trial_id,
                key=row.key,
                step=row.step,
                value=row.value,
                kind=row.kind,
                detail=row.detail,
            )
            for row in report.rows
        ]
        checkpoint = None
        if report.checkpoint is not None:
            checkpoint = Checkpoint(step=report.checkpoint_step, path=report.checkpoint)
        if not rows and checkpoint is None:
            return
        running = (self._epoch, claim.stack_id, claim.attempt)
        if self._ask(lambda: self._store.record(*running, rows, checkpoint)) and checkpoint:
            self._cleaner.prune(claim.stack_id, checkpoint.path)

    def _remember(self, claim: Claim, pace: Pace) -> None:
        measurement = Measurement(
            shape=shape_key(from_dict(claim.members[0].config)),
            size=len(claim.members),
            threads=claim.threads,
            **asdict(pace),
        )
        self._ask(lambda: self._store.note_speed(measurement))

    def _accept(
        self, claim: Claim, slot: int, result: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> None:
        trial_id = claim.members[slot].trial_id
        running = (self._epoch, claim.stack_id, claim.attempt)
        value = TrialResult(**result)
        whole = dict(provenance) | _provenance_of_member(claim, slot)
        if not self._ask(lambda: self._store.accept(*running, trial_id, value, whole)):
            _log.info("result of trial %d dropped: it has ended or is superseded", trial_id)

    def _finish(self, claim: Claim, report: Report) -> None:
        running = (self._epoch, claim.stack_id, claim.attempt)
        if report.progress is Progress.FINISHED:
            if self._ask(lambda: self._store.close(*running)):
                self.tidy()
            else:
                self._give_back(claim, "finished without a result for every member")
        elif report.progress is Progress.RETURNED:
            self._give_back(claim, report.reason)
        elif report.failure is not None:
            self._fail(claim, report.failure)

    def _give_back(self, claim: Claim, reason: str) -> None:
        running = (self._epoch, claim.stack_id, claim.attempt)
        self._ask(lambda: self._store.give_back(*running, reason))

    def _fail(self, claim: Claim, failure: Failure) -> None:
        _log.warning("stack %d: %s: %s", claim.stack_id, failure.kind, failure.message)
        running = (self._epoch, claim.stack_id, claim.attempt)
        self._ask(lambda: self._store.fail(*running, failure))
        self.tidy()

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The database's answer, however long it takes; None if the process must end first."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return question()
            except (Unavailable, StorageFull) as error:
                _log.warning("the database does not answer, trying again: %s", error)
            if self._stop.wait(wait_s):
                return None
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _provenance_of_member(claim: Claim, slot: int) -> dict[str, Any]:
    """What differs between the members of a stack, with the content of the data set."""
    config = claim.members[slot].config
    return {"slot": slot, "seed": config["seed"], "data_sha256": config["data"]["sha256"]}
