"""What can be read of sweeps and trials: records, frames, curves and their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sweeper import comparing
from sweeper.analysis.compare import Comparison
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.estimates import Estimates
from sweeper.analysis.estimating import estimates_of
from sweeper.analysis.heatmap import HeatMap, heat_maps
from sweeper.analysis.stability import Stability, stability
from sweeper.errors import Conflict
from sweeper.search.rounds import Searched, searched
from sweeper.spec import parse
from sweeper.storage.records import (
    Event,
    Page,
    SweepRecord,
    TrialRecord,
)
from sweeper.storage.store import Store
from sweeper.trials import SweepState


@dataclass(frozen=True, kw_only=True)
class CurvesView:
    """The curves of a sweep, each with its stability numbers, in the order of its variants."""

    sweep: SweepRecord
    curves: tuple[Curve, ...]
    stabilities: tuple[Stability, ...]
    searched: tuple[Searched, ...]
    """Of a search: what it has found."""

    @property
    def heat_maps(self) -> tuple[HeatMap, ...]:
        """Of a sweep of two axes, one per optimizer; none of another sweep."""
        return heat_maps(self.sweep.spec, self.sweep.variants, self.curves, self.stabilities)


@dataclass(frozen=True)
class Reading:
    """Everything that changes nothing, over one database. Unknown ids raise `NotFound`."""

    store: Store

    def sweep(self, sweep_id: str) -> SweepRecord:
        """One sweep; raises `NotFound`."""
        return self.store.sweeps.get(sweep_id)

    def sweeps(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        state: SweepState | None = None,
        search: str = "",
        tag: str | None = None,
        archived: bool = False,
    ) -> Page[SweepRecord]:
        """Sweeps, newest first; the `archived` ones instead of the others."""
        return self.store.sweeps.list(limit, cursor, state, search, tag, archived=archived)

    def tags(self) -> tuple[str, ...]:
        """Every tag that a sweep has, in order."""
        return self.store.sweeps.tags()

    def events(self, sweep_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """What happened to a sweep after the event of that id."""
        return self.store.sweeps.events(sweep_id, after=after, limit=limit)

    def searched(self, sweep_id: str) -> tuple[Searched, ...]:
        """What a search has found so far, by variant; `Conflict` if the sweep is no search."""
        view = self.curves(sweep_id)
        if not view.sweep.is_search:
            raise Conflict(f"sweep {sweep_id} is no search")
        return view.searched

    def curves(self, sweep_id: str, tolerance: float = 0.05) -> CurvesView:
        """Curves and stability numbers of a sweep as far as it has come."""
        sweep = self.sweep(sweep_id)
        points = self.store.results.points(sweep_id)
        curves = stability_curves(points)
        numbers = tuple(stability(curve, tolerance) for curve in curves)
        found = searched(parse(sweep.spec), points) if sweep.is_search else ()
        return CurvesView(sweep=sweep, curves=curves, stabilities=numbers, searched=found)

    def estimates(
        self, sweep_id: str, tolerance: float = 0.05, window: comparing.Window | None = None
    ) -> tuple[CurvesView, tuple[Estimates | None, ...]]:
        """The curves of a sweep, and their numbers with intervals; `window` is one of values.

        Without intervals for a search, and for more curves than can be compared.
        """
        view = self.curves(sweep_id, tolerance)
        if view.sweep.is_search or len(view.curves) > comparing.MOST_CURVES:
            return view, (None,) * len(view.curves)
        return view, estimates_of(view.curves, view.stabilities, stated=window)

    def compare(
        self, sweep_ids: Sequence[str], options: comparing.CompareOptions | None = None
    ) -> Comparison:
        """Variants of one or more sweeps over one axis side by side, with verdicts."""
        return comparing.compare(self.store, sweep_ids, options or comparing.CompareOptions())

    def results(self, sweep_id: str) -> pd.DataFrame:
        """One row per point, with all that is known of it."""
        self.sweep(sweep_id)
        return self.store.results.points(sweep_id)

    def trials(self, sweep_id: str) -> pd.DataFrame:
        """One row per trial of a sweep, with its state and the step it has come to."""
        self.sweep(sweep_id)
        return self.store.results.trials(sweep_id)

    def trial(self, trial_id: str) -> TrialRecord:
        """One trial with its attempts and sweeps; raises `NotFound`."""
        return self.store.results.trial(trial_id)

    def metrics(self, trial_id: str, keys: tuple[str, ...] | None = None) -> pd.DataFrame:
        """What training measured: columns key, step, value, kind, detail."""
        return self.store.results.metrics(trial_id, keys)

    def log(self, trial_id: str) -> str:
        """The last lines that the trial's attempts left."""
        return self.store.results.log(trial_id)
