"""What the routes answer, in JSON. NaN and infinities become null; extra fields may be added."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sweeper.analysis.estimates import Estimates
from sweeper.analysis.seeds import SeedLoss
from sweeper.analysis.stability import Stability
from sweeper.storage import records
from sweeper.trials import Intent, SweepState, TrialState, Variant

T = TypeVar("T")


class Out(BaseModel):
    """A value that can be read off a record of the same fields."""

    model_config = ConfigDict(from_attributes=True)


class Listing(Out, Generic[T]):
    """A list, or a part of one: `next` is the cursor of the following part."""

    items: list[T]
    next: str | None = None


class PointCounts(Out):
    """Points of a sweep by the state of their trials; `diverged` are among `done`."""

    total: int
    pending: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    diverged: int = 0


class BestOut(Out):
    """The lowest final loss so far, and where it is."""

    label: str
    value: float
    loss: float


class VariantOut(Out):
    """One curve: an optimizer at a scale, with what it overrides."""

    label: str
    optimizer: str
    scale: str
    architecture: str
    overrides: dict[str, Any]


class SweepOut(Out):
    """A sweep and how far it is."""

    id: str
    name: str
    state: SweepState
    intent: Intent
    parameter: str
    axis_scale: str
    priority: int
    created_at: datetime
    points: PointCounts
    variants: list[VariantOut]
    best: BestOut | None
    spec: dict[str, Any]
    rounds_open: bool = Field(description="whether it may still get points of its own accord")
    note: str
    tags: list[str]
    archived: bool
    imported_from: str | None = Field(description="where it was trained, if not here")

    @classmethod
    def of(cls, sweep: records.SweepRecord) -> Self:
        """The public form of a stored sweep."""
        counts = {state.value: sweep.counts.get(state, 0) for state in TrialState}
        return cls(
            id=sweep.id,
            name=sweep.name,
            state=sweep.state,
            intent=sweep.intent,
            parameter=sweep.parameter,
            axis_scale=sweep.axis_scale,
            priority=sweep.priority,
            created_at=sweep.created_at,
            points=PointCounts(total=sweep.total, diverged=sweep.diverged, **counts),
            variants=[variant_out(variant) for variant in sweep.variants],
            best=None if sweep.best is None else BestOut.model_validate(sweep.best),
            spec=dict(sweep.spec),
            rounds_open=sweep.rounds_open,
            note=sweep.note,
            tags=list(sweep.tags),
            archived=sweep.archived,
            imported_from=sweep.imported_from,
        )


class TrialCounts(Out):
    """Trials of a submission; `shared` ones exist already and are not trained again."""

    total: int
    new: int
    shared: int


class SubmissionOut(Out):
    """An accepted sweep."""

    id: str
    state: SweepState
    trials: TrialCounts


class RetryOut(Out):
    """How many failed or cancelled trials were replaced by new ones."""

    id: str
    retried: int


class EventOut(Out):
    """Something that happened to a sweep; ids ascend."""

    id: int
    kind: str
    message: str
    data: dict[str, Any]
    created_at: datetime


class CurvePoint(Out):
    """One value of a curve: mean, interval and counts over its seeds."""

    value: float
    loss_mean: float | None
    loss_low: float | None
    loss_high: float | None
    seeds: int
    diverged: int
    total: int
    pending: int
    failed: int
    above_initial: int
    finite_mean: float | None
    interval_reason: str | None
    declared: bool
    spread: float | None = Field(description="standard deviation over seeds, nats")
    diverged_fraction: float | None
    interval_freedom: float | None = Field(description="degrees of freedom of the interval")
    interval_values: int = Field(description="values whose variances the interval has in common")
    trials: list[SeedLoss]


class CurveOut(Out):
    """Final loss against the swept hyperparameter, for one variant."""

    variant: int
    label: str
    optimizer: str
    scale: str
    architecture: str
    parameter: str
    axis_scale: str
    initial_loss: float | None
    finished: int
    total: int
    points: list[CurvePoint]
    stability: Stability


class StabilityOut(Out):
    """The numbers of one curve."""

    label: str
    optimizer: str
    scale: str
    architecture: str
    stability: Stability
    estimates: Estimates | None = Field(
        description="the numbers with 95 % intervals; null for searches and above 200 curves"
    )


class CurvesOut(Out):
    """All curves of a sweep."""

    sweep_id: str
    state: SweepState
    items: list[CurveOut]


def variant_out(variant: Variant) -> VariantOut:
    """The public form of a variant; a tied override stays an object."""
    return VariantOut(
        label=variant.label,
        optimizer=variant.optimizer,
        scale=variant.scale,
        architecture=variant.architecture,
        overrides=_plain(variant.overrides),
    )


def _plain(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.model_dump() if isinstance(value, BaseModel) else value
        for key, value in overrides.items()
    }
