"""What each template is given: one dataclass per template, field by field what it uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.health import Check
from api.pages.comparison import ComparisonSection
from api.pages.progress import Progress
from sweeper.analysis.curves import Curve
from sweeper.analysis.heatmap import HeatMap
from sweeper.analysis.stability import Stability
from sweeper.optimizer_info import OptimizerInfo
from sweeper.search.rounds import Searched
from sweeper.settings import Rule
from sweeper.storage.records import Event, SweepRecord, TrialRecord
from trainers.config import Hyperparameter


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """A sweep in the list."""

    sweep: SweepRecord
    progress: Progress
    optimizers: tuple[str, ...]
    scales: tuple[str, ...]
    axes: str
    axis_range: str


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """All sweeps, newest first, filtered by the query string."""

    rows: Sequence[ListRow]
    state: str
    search: str
    states: Sequence[str]
    tag: str
    tags: Sequence[str]
    """All there are."""
    archived: bool
    """Whether these are the archived ones."""
    next_page: str | None
    filtered: bool
    warnings: Sequence[Check]
    first_sweep: Mapping[str, str]
    """The same first sweep for curl, the command line and Python."""


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One curve with its numbers."""

    curve: Curve
    numbers: Stability


@dataclass(frozen=True, kw_only=True)
class SweepPage:
    """One sweep: figure, numbers, points, events, and what can be done."""

    sweep: SweepRecord
    progress: Progress
    ended: bool
    time_left_s: float | None
    curves: Sequence[CurveRow]
    heat_maps: Sequence[HeatMap]
    """Of a sweep of two axes."""
    comparison: ComparisonSection
    searched: Sequence[Searched]
    """Of a search."""
    events: Sequence[Event]
    """The newest, oldest first."""
    num_events: int
    newest_event: int
    points: Mapping[str, str]
    """What each trial is in this sweep, in words."""
    actions: Sequence[str]
    tolerance: float
    one_seed: bool
    warnings: Sequence[Check]
    as_curl: str
    as_python: str


@dataclass(frozen=True, kw_only=True)
class TrialPage:
    """One trial: loss curve, configuration, attempts, log."""

    trial: TrialRecord
    config: Mapping[str, Any]
    """Flat: `model.width` and the like."""
    provenance: Mapping[str, Any]
    """Flat: `packages.torch` and the like; empty until the trial is done."""
    log: str
    ended: bool
    speed: Mapping[str, float]
    """`metrics.SPEEDS` of the trial, as far as they were measured: their medians."""


@dataclass(frozen=True, kw_only=True)
class ScaleChoice:
    """A scale in the form."""

    name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class NewPage:
    """The form for a new sweep."""

    optimizers: Sequence[OptimizerInfo]
    shared: Mapping[str, Hyperparameter]
    """Hyperparameters that every optimizer has."""
    lengths: Mapping[str, Hyperparameter]
    """Numbers of a run beside steps and batch."""
    qk_norms: Sequence[str]
    parameterisations: Sequence[str]
    widths: Mapping[str, Rule]
    """What `mup` alone reads."""
    own: Mapping[str, Mapping[str, Rule]]
    """Those of one optimizer only, by its name."""
    parameters: Mapping[str, str]
    """What can be swept, with the names of the optimizers that have it where these are few."""
    searchable: Mapping[str, str]
    """What can be searched over, likewise."""
    samplers: Sequence[str]
    scales: Sequence[ScaleChoice]
    architectures: Sequence[str]
    schedules: Sequence[str]
    datasets: Sequence[str]
    presets: Sequence[tuple[str, str]]
    form_data: Mapping[str, Any]
    """For the script: presets, defaults, and which optimizer has what."""


@dataclass(frozen=True, kw_only=True)
class RouteRow:
    """One operation of the API."""

    method: str
    path: str
    summary: str
    operation_id: str


@dataclass(frozen=True, kw_only=True)
class RoutesPage:
    """The REST routes, from the OpenAPI document."""

    routes: Sequence[RouteRow]


@dataclass(frozen=True, kw_only=True)
class ErrorPage:
    """What went wrong, for people."""

    status: int
    title: str
    detail: str
    request_id: str
