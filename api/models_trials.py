"""What the routes answer of trials, in JSON."""

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from api.models import Out
from sweeper.trials import Outcome, TrialState


class TrialRow(Out):
    """One point of a sweep and the trial it waits for or has."""

    trial_id: str
    label: str
    optimizer: str
    scale: str
    architecture: str
    value: float
    seed: int
    origin: str
    state: TrialState
    outcome: Outcome | None
    final_loss: float | None
    best_loss: float | None
    train_loss: float | None
    initial_loss: float | None
    diverged_at_step: int | None
    finished_at: datetime | None


class AttemptOut(Out):
    """One run of a stack with this trial in it."""

    stack_id: int
    attempt: int
    tune_trial_id: str
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    failure: str | None
    failure_message: str | None
    next_step: str | None


class SweepReferenceOut(Out):
    """A sweep that has a point on a trial."""

    id: str
    name: str
    label: str
    value: float
    seed: int


class StackOut(Out):
    """What trained a trial: members by slot, null for those that are not there any more."""

    id: int
    slot: int
    threads: int
    members: list[str | None]
    part_of: int | None = Field(description="the stack it was split from")


class TrialOut(Out):
    """A trial: its configuration, its outcome, its attempts and the sweeps that share it."""

    id: str
    fingerprint: str
    state: TrialState
    outcome: Outcome | None
    step: int
    final_loss: float | None
    best_loss: float | None
    train_loss: float | None
    initial_loss: float | None
    last_finite_loss: float | None
    diverged_at_step: int | None
    busy_s: float | None
    failure: str | None
    failure_message: str | None
    created_at: datetime
    finished_at: datetime | None
    replaces: str | None
    config: dict[str, Any]
    provenance: dict[str, Any]
    stack: StackOut | None
    attempts: list[AttemptOut]
    sweeps: list[SweepReferenceOut]


def _parsed(detail: object) -> object:
    return json.loads(detail) if isinstance(detail, str) else None


class MetricOut(Out):
    """One measurement; `kind` says nan, inf, -inf or json where `value` is null.

    `detail` is the value where `kind` is json: of `effective_lr` seven quantiles by role.
    """

    key: str
    step: int
    value: float | None
    kind: str
    detail: Annotated[Any, BeforeValidator(_parsed)] = None


class LogOut(Out):
    """The last lines that a trial wrote."""

    trial_id: str
    log: str
