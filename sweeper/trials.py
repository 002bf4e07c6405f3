"""From a sweep to its points and trials; states, and the identity of a trial. All of it pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sweeper.digits import written
from trainers.config import TRAINER_VERSION, TrainConfig, canonical_json, to_dict


class TrialState(StrEnum):
    """Where a trial stands. The last three never change again."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How a done trial ended. Both are results."""

    FINITE = "finite"
    DIVERGED = "diverged"


class Origin(StrEnum):
    """Why a point exists: declared at submission, or added later."""

    GRID = "grid"
    EXTEND = "extend"
    REFINE = "refine"
    SEARCH = "search"


class Intent(StrEnum):
    """What the user wants of a sweep."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class SweepState(StrEnum):
    """Where a sweep stands, derived from its intent and its points."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    DONE_WITH_FAILURES = "done_with_failures"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One curve: an optimizer at a scale, with what it overrides."""

    label: str
    optimizer: str
    scale: str
    architecture: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


def second_label(label: str, parameter: str, value: float) -> str:
    """The label of a variant at one value of the second axis."""
    return f"{label}, {parameter}={written(value)}"


def label_without(label: str, parameter: str, value: float) -> str:
    """The inverse of `second_label`."""
    return label.removesuffix(second_label("", parameter, value))


@dataclass(frozen=True, kw_only=True)
class PlannedPoint:
    """A point of a sweep; `variant` is the position of its variant in the expansion."""

    variant: int
    value: float
    seed: int
    fingerprint: str
    origin: Origin = Origin.GRID


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A training run that some point needs."""

    fingerprint: str
    stack_key: str
    config: TrainConfig


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """All of a sweep: no two trials share a fingerprint, every point's fingerprint is a trial's."""

    variants: tuple[Variant, ...]
    points: tuple[PlannedPoint, ...]
    trials: tuple[PlannedTrial, ...]


def sweep_state(
    intent: Intent, counts: Mapping[TrialState, int], *, rounds_open: bool = False
) -> SweepState:
    """The state that the intent and the counts over points give.

    A sweep with `rounds_open` may still get points of its own accord, and has not ended.
    """
    if intent is Intent.CANCELLED:
        return SweepState.CANCELLED
    if counts.get(TrialState.PENDING) or counts.get(TrialState.RUNNING) or rounds_open:
        if intent is Intent.PAUSED:
            return SweepState.PAUSED
        started = any(counts.get(s) for s in TrialState if s is not TrialState.PENDING)
        return SweepState.RUNNING if started else SweepState.QUEUED
    if counts.get(TrialState.FAILED) or counts.get(TrialState.CANCELLED):
        return SweepState.DONE_WITH_FAILURES
    return SweepState.DONE


def fingerprint(config: TrainConfig) -> str:
    """The identity of a run: 64 hex digits over all that can change its loss."""
    # The salt is always empty; without it every trial that is stored would lose its identity.
    identity = {"trainer": TRAINER_VERSION, "salt": "", "config": to_dict(config)}
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()
