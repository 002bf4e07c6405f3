"""From Ray Tune's hooks to the writer: what each hook means for a stack."""

import logging
import socket
import time
from pathlib import Path
from typing import Any

from ray.tune import Callback

from sweeper.dispatch.messages import LAST_WORDS, report_from_json
from sweeper.dispatch.running import Running, RunningStacks
from sweeper.dispatch.trainable import REPORT_KEY
from sweeper.dispatch.watchdog import hung_file, take_traceback
from sweeper.dispatch.writer import Ended, Said, Writer
from sweeper.failures import Failure, FailureKind

NODE_SIGNS = ("node has died", "node died", "NodeDied")
MEMORY_SIGNS = ("OutOfMemory", "memory monitor", "OOM")

_log = logging.getLogger(__name__)


class Bridge(Callback):
    """Hands reports and ends to the writer. Hooks run in Tune's loop: quick, and never raising.

    Tune calls them with keywords only, so they take the few that they need.
    """

    def __init__(
        self, running: RunningStacks, writer: Writer, hung_dir: Path, progress_limit_s: float
    ) -> None:
        self._running = running
        self._writer = writer
        self._hung_dir = hung_dir
        self._progress_limit_s = progress_limit_s

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles callbacks when a Tuner is built; nothing is ever read from it.

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        """A worker reported."""
        try:
            report = report_from_json(result[REPORT_KEY])
            running = self._running.heard(trial.trial_id, report)
            if running is not None:
                running.had_last_word = report.progress in LAST_WORDS
                self._writer.put(Said(running.claim, trial.trial_id, report))
        except Exception:  # noqa: BLE001 - it would end the Tuner
            _log.exception("a report of %s was not understood", trial.trial_id)

    def on_trial_complete(self, *, trial: Any, **_: Any) -> None:  # type: ignore[override]
        """The function in the worker returned."""
        running = self._running.end(trial.trial_id)
        if running is not None and not running.had_last_word:
            self._writer.put(Ended(running.claim, None, "ended without a last word"))

    def on_trial_error(self, *, trial: Any, **_: Any) -> None:  # type: ignore[override]
        """The worker's process ended, or the function raised."""
        running = self._running.end(trial.trial_id)
        if running is None or running.had_last_word:
            return
        try:
            claim = running.claim
            hung = hung_file(self._hung_dir, claim.stack_id, claim.attempt)
            failure = lost(
                running,
                str(trial.get_error() or ""),
                traceback=take_traceback(hung),
                is_silent=running.silent_s(time.monotonic()) >= self._progress_limit_s,
            )
        except Exception:  # noqa: BLE001 - it would end the Tuner
            _log.exception("the end of %s was not understood", trial.trial_id)
            failure = Failure(kind=FailureKind.WORKER_LOST, message="the worker ended")
        self._writer.put(Ended(running.claim, failure))


def lost(running: Running, text: str, *, traceback: str | None, is_silent: bool) -> Failure:
    """How an attempt failed that ended without a last word, of which Ray says `text`.

    `traceback` is its watchdog's. One on another disk tells nothing, but only a watchdog ends a
    worker that had started and then was silent for as long as it may be.
    """
    where = f"at step {running.step} on {running.host or socket.gethostname()}"
    if traceback is not None or running.was_hung or is_silent:
        message = f"no progress within the limit {where}"
        return Failure(kind=FailureKind.HUNG, message=message, traceback=traceback or text)
    return Failure(kind=_kind(text), message=f"the worker ended {where}", traceback=text)


def _kind(text: str) -> FailureKind:
    """What ended a worker, from what Ray says about it."""
    if any(sign in text for sign in MEMORY_SIGNS):
        return FailureKind.OOM_HOST
    if any(sign in text for sign in NODE_SIGNS):
        return FailureKind.NODE_LOST
    return FailureKind.WORKER_LOST
