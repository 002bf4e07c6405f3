"""How far a sweep is and how long it will take. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sweeper.storage.records import SweepRecord
from sweeper.trials import SweepState, TrialState

ENDED = frozenset({SweepState.DONE, SweepState.DONE_WITH_FAILURES, SweepState.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Points of a sweep by state, the finished share in percent, and a sentence of it."""

    done: int
    running: int
    queued: int
    diverged: int
    failed: int
    cancelled: int
    total: int

    @property
    def ended(self) -> int:
        """Points that will not change any more."""
        return self.done + self.failed + self.cancelled

    @property
    def percent(self) -> int:
        """Never 100 before the end."""
        return self.ended * 100 // self.total if self.total else 0

    @property
    def sentence(self) -> str:
        """All counts in words; failed and cancelled only where there are any."""
        parts = [
            f"{self.done} done",
            f"{self.running} running",
            f"{self.queued} queued",
            f"{self.diverged} diverged",
        ]
        parts += [f"{self.failed} failed"] * bool(self.failed)
        parts += [f"{self.cancelled} cancelled"] * bool(self.cancelled)
        return f"{', '.join(parts)} of {self.total}"


def progress(sweep: SweepRecord) -> Progress:
    """The counts of a sweep."""
    counts: Mapping[TrialState, int] = sweep.counts
    return Progress(
        done=counts.get(TrialState.DONE, 0),
        running=counts.get(TrialState.RUNNING, 0),
        queued=counts.get(TrialState.PENDING, 0),
        failed=counts.get(TrialState.FAILED, 0),
        cancelled=counts.get(TrialState.CANCELLED, 0),
        diverged=sweep.diverged,
        total=sweep.total,
    )


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial of a running sweep: optimizer steps behind it, all of its steps, its end if any."""

    step: int
    steps: int
    finished_at: datetime | None


def time_left_s(sweep: SweepRecord, trials: Sequence[Work], now: datetime) -> float | None:
    """Seconds until the end at the pace so far, in steps; None while there is no pace.

    Trials that were there before the sweep cost it nothing, so they set no pace.
    """
    if sweep.state is not SweepState.RUNNING:
        return None
    own = [w for w in trials if w.finished_at is None or w.finished_at >= sweep.created_at]
    behind = sum(w.steps if w.finished_at is not None else min(w.step, w.steps) for w in own)
    ahead = sum(w.steps for w in own) - behind
    if not behind or not ahead:
        return None
    return max(0.0, (now - sweep.created_at).total_seconds()) / behind * ahead
