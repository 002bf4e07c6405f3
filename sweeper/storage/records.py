"""What the store takes and hands out: frozen values, no database objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sweeper.trials import Intent, Outcome, SweepState, TrialState, Variant

T = TypeVar("T")


class EventKind(StrEnum):
    """What happened to a sweep."""

    SUBMITTED = "submitted"
    IMPORTED = "imported"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    RESUMED = "resumed"
    RETRIED = "retried"
    EXTENDED = "extended"
    REFINED = "refined"
    ASKED = "asked"
    SETTLED = "settled"
    EDITED = "edited"
    STARTED = "started"
    TRIAL_DONE = "trial_done"
    TRIAL_FAILED = "trial_failed"
    RETURNED = "returned"
    SPLIT = "split"


class MetricKind(StrEnum):
    """What a metric value is; all but `finite` are stored without a number, `json` as a text."""

    FINITE = "finite"
    NAN = "nan"
    POSITIVE_INFINITY = "inf"
    NEGATIVE_INFINITY = "-inf"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class IdempotentRequest:
    """Who sent which key with which body (its SHA-256). `caller` is '' without a login."""

    caller: str
    key: str
    body_sha256: str


@dataclass(frozen=True, kw_only=True)
class Submission:
    """An accepted sweep: how many trials it needs, how many of them are new and shared."""

    sweep_id: str
    total: int
    new: int
    shared: int
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Best:
    """The lowest final loss of a sweep so far, and where it is."""

    label: str
    value: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """A sweep. `counts` and `total` count points; a claimed, unstarted trial counts as pending."""

    id: str
    name: str
    spec: Mapping[str, Any]
    parameter: str
    axis_scale: str
    priority: int
    intent: Intent
    state: SweepState
    created_at: datetime
    counts: Mapping[TrialState, int]
    total: int
    diverged: int
    variants: tuple[Variant, ...]
    best: Best | None
    rounds_open: bool = False
    """Whether bracketing or refinement may still add points."""
    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False

    @property
    def is_search(self) -> bool:
        """Whether it has candidates in place of an axis."""
        return bool(self.spec.get("search"))

    @property
    def imported_from(self) -> str | None:
        """Where its results come from; None if it was trained here."""
        return self.spec.get("imported_from")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list; `next` is the cursor of the part after it, None at the end."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a sweep. Ids ascend in the order of the commits."""

    id: int
    kind: EventKind
    message: str
    data: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A dispatcher's process: `started` is its start time as the system gives it."""

    host: str
    pid: int
    started: float
    pid_space: str = ""
    """Within which its pid names one process: hosts and containers may be of one name."""


@dataclass(frozen=True, kw_only=True)
class DispatcherRow:
    """Who acts. A still (epoch, beat) is seen by comparing two of these."""

    epoch: int
    beat: int
    owner: Owner


@dataclass(frozen=True, kw_only=True)
class FreeTrial:
    """A trial that waits for a stack."""

    id: int
    fingerprint: str
    stack_key: str
    config: Mapping[str, Any]
    demand: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """A slot of a stack. Without `live` its trial has ended: keep the slot, masked."""

    trial_id: int
    fingerprint: str
    config: Mapping[str, Any]
    live: bool


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A whole checkpoint: its folder, relative to the checkpoint folder, and its step."""

    step: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A stack to run. `checkpoint` is where it goes on from, None for from scratch.

    `checkpoint_slots[i]` is the slot that member i has in that checkpoint: i itself, unless the
    stack was split from another one.
    """

    stack_id: int
    attempt: int
    epoch: int
    members: tuple[Member, ...]
    threads: int
    checkpoint: str | None = None
    checkpoint_step: int = 0
    checkpoint_slots: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One measurement; `value` is None unless `kind` is finite, `detail` unless it is json."""

    trial_id: int
    key: str
    step: int
    value: float | None
    kind: MetricKind = MetricKind.FINITE
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class ControlRow:
    """What a running stack has to know: slots to mask, and whether nobody wants it now."""

    stack_id: int
    attempt: int
    cancelled_slots: tuple[int, ...]
    paused: bool


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One run of a stack with this trial in it."""

    stack_id: int
    attempt: int
    epoch: int
    tune_trial_id: str
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    failure: str | None
    failure_message: str | None
    next_step: str | None
    traceback: str | None
    log_tail: str | None


@dataclass(frozen=True, kw_only=True)
class SweepReference:
    """A sweep that has a point on a trial."""

    id: str
    name: str
    label: str
    value: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class StackShape:
    """What trained a trial: all that its bits depend on besides its configuration.

    `members[slot]` is the trial's own id; None stands for a trial that is not there any more.
    """

    id: int
    slot: int
    threads: int
    members: tuple[str | None, ...]
    part_of: int | None
    """The stack it was split from, and whose checkpoint it went on from."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A trial with all that is known of it.

    `step` is the last one its stack reported, or the one at which the trial diverged.
    """

    id: str
    fingerprint: str
    config: Mapping[str, Any]
    state: TrialState
    outcome: Outcome | None
    final_loss: float | None
    best_loss: float | None
    train_loss: float | None
    initial_loss: float | None
    last_finite_loss: float | None
    diverged_at_step: int | None
    busy_s: float | None
    provenance: Mapping[str, Any]
    failure: str | None
    failure_message: str | None
    created_at: datetime
    finished_at: datetime | None
    step: int
    replaces: str | None
    stack: StackShape | None = None
    attempts: tuple[AttemptRecord, ...] = field(default=())
    sweeps: tuple[SweepReference, ...] = field(default=())
