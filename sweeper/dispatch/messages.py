"""What crosses between dispatcher and worker: plain values, as JSON text."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import MetricKind


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How often a worker does what, in seconds."""

    checkpoint_s: float = 20.0
    report_s: float = 2.0
    """Every report takes its time from the cores that train: see `benchmarks/sweep.py`."""
    progress_limit_s: float = 600.0
    """A step that takes longer is hung; the worker ends itself."""
    grace_s: float = 30.0
    """The dispatcher's end waits so long for running stacks to bring their checkpoints home."""


def timing_from_environment(environment: Mapping[str, str] = os.environ) -> Timing:
    """What `SWEEPER_CHECKPOINT_S` and the like say; ValueError unless it is a time above zero."""
    given = {
        name: _seconds(variable, environment[variable])
        for name in Timing.__dataclass_fields__
        if (variable := f"SWEEPER_{name.upper()}") in environment
    }
    return Timing(**given)


def _seconds(variable: str, text: str) -> float:
    rule = f"{variable} > 0 must hold, in seconds, but got {text!r}"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(rule) from None
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(rule)
    return value


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that a worker needs to train a stack. Paths are absolute."""

    stack_id: int
    attempt: int
    configs: tuple[Mapping[str, Any], ...]
    live: tuple[bool, ...]
    threads: int
    device: str
    devices: int
    """How many of them, of one machine, share every batch; `threads` are those of each."""
    data_dir: str
    hung_dir: str
    """Where the watchdog says that it had to end this worker."""
    checkpoints: str
    """Folder or URL of all checkpoints."""
    keeps: bool
    """Whether the last checkpoint stays when the stack has finished."""
    checkpoint: str | None
    checkpoint_slots: tuple[int, ...]
    control: str
    """Name of the control actor."""
    timing: Timing
    micro_batch: int | None = None
    """Sequences at once with which such a stack has run before; None to find out."""
    plugin: str | None = None
    """Source of the file that defines the optimizer, if it is not built in."""

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))


def work_from_json(text: str) -> Work:
    """The inverse of `Work.to_json`."""
    plain = json.loads(text)
    for name in ("configs", "live", "checkpoint_slots"):
        plain[name] = tuple(plain[name])
    return Work(**plain | {"timing": Timing(**plain["timing"])})


class Progress(StrEnum):
    """Where a worker stands with its stack. After the last three, its last words, it is done."""

    STARTED = "started"
    RUNNING = "running"
    FINISHED = "finished"
    RETURNED = "returned"
    FAILED = "failed"


LAST_WORDS = frozenset({Progress.FINISHED, Progress.RETURNED, Progress.FAILED})


@dataclass(frozen=True)
class Row:
    """One measured number of one slot."""

    slot: int
    key: str
    step: int
    value: float | None
    kind: MetricKind = MetricKind.FINITE
    detail: str | None = None
    """JSON, where `kind` says so."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a step took on a device, as `sweeper.planning.speeds.Measurement` has it."""

    device: str
    step_s: float | None
    sequence_s: float = 0.0
    micro_batch: int | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a worker says, every few seconds (`Timing`). `results` maps slots to results."""

    stack_id: int
    attempt: int
    progress: Progress
    step: int
    steps: int
    host: str
    pid: int
    pid_space: str = ""
    """Within which the pid names the worker."""
    rows: tuple[Row, ...] = ()
    results: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    checkpoint: str | None = None
    """The name of the newest whole checkpoint."""
    checkpoint_step: int = 0
    reason: str = ""
    """Why the stack is returned."""
    failure: Failure | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    pace: Pace | None = None
    """With a checkpoint and the last words, once there were steps enough."""

    def to_json(self) -> str:
        """One line of text."""
        rows = [(r.slot, r.key, r.step, r.value, r.kind, r.detail) for r in self.rows]
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        failure = asdict(self.failure) if self.failure else None
        pace = asdict(self.pace) if self.pace else None
        parts = {"rows": rows, "failure": failure, "pace": pace}
        return json.dumps(plain | parts, allow_nan=False)


def report_from_json(text: str) -> Report:
    """The inverse of `Report.to_json`."""
    plain = json.loads(text)
    plain["rows"] = tuple(
        Row(slot, key, step, value, MetricKind(kind), detail)
        for slot, key, step, value, kind, detail in plain["rows"]
    )
    plain["results"] = {int(slot): result for slot, result in plain["results"].items()}
    plain["progress"] = Progress(plain["progress"])
    if failure := plain["failure"]:
        plain["failure"] = Failure(**failure | {"kind": FailureKind(failure["kind"])})
    if pace := plain["pace"]:
        plain["pace"] = Pace(**pace)
    return Report(**plain)


def measured(slot: int, key: str, step: int, value: float) -> Row:
    """A row of any float: what is not finite keeps its kind and no number."""
    if math.isfinite(value):
        return Row(slot, key, step, value)
    kind = (
        MetricKind.NAN
        if math.isnan(value)
        else MetricKind.POSITIVE_INFINITY
        if value > 0
        else MetricKind.NEGATIVE_INFINITY
    )
    return Row(slot, key, step, None, kind)
