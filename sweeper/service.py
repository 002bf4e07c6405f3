"""The use cases, one method each: REST, the pages and the command line all call these."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sweeper import comparing, plots, presets, submission
from sweeper.analysis.compare import Comparison
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.estimates import Estimates
from sweeper.analysis.estimating import estimates_of
from sweeper.analysis.heatmap import HeatMap, heat_maps
from sweeper.analysis.stability import Stability, stability
from sweeper.disk import DiskUse, disk_use
from sweeper.editing import parse_edit
from sweeper.errors import Conflict, InvalidRequest, NotFound, Problem
from sweeper.extension import planned_extension
from sweeper.grids import axis_scale
from sweeper.imports import form
from sweeper.imports import plan as imports
from sweeper.plots.effective_lr import KEY as EFFECTIVE_LR
from sweeper.plots.effective_lr import EffectiveLrOptions
from sweeper.plots.heatmap import HeatMapOptions
from sweeper.plots.stability import StabilityOptions
from sweeper.plots.training import TrainingOptions
from sweeper.plots.transfer import TransferOptions
from sweeper.report import page as report
from sweeper.search.centre import centred
from sweeper.search.rounds import Searched, searched
from sweeper.spec import SweepSpec, parse
from sweeper.storage.deleting import Deletion
from sweeper.storage.editing import Edit
from sweeper.storage.extending import Extension
from sweeper.storage.records import (
    Event,
    IdempotentRequest,
    Page,
    Submission,
    SweepRecord,
    TrialRecord,
)
from sweeper.storage.store import Store
from sweeper.trials import Expansion, SweepState
from trainers.config import (
    SCALES,
    DataConfig,
    Scale,
    canonical_json,
)
from trainers.data import EMBEDDED, dataset, prepare_embedded
from trainers.optimizers import names
from trainers.token_files import DataError, known_names


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
class Service:
    """The use cases over one database and one folder of token data sets."""

    store: Store
    datasets_dir: Path
    confirm_above_hours: float = math.inf
    """Device-hours beyond which a sweep has to be confirmed."""

    def __post_init__(self) -> None:
        """Raises ValueError if a plug-in cannot be used."""
        names()

    def datasets(self) -> dict[str, DataConfig]:
        """The data sets a sweep can name; the embedded one is written on first use.

        Those whose manifest is damaged are left out.
        """
        found = {EMBEDDED: prepare_embedded(self.datasets_dir)}
        for name in known_names(self.datasets_dir):
            with suppress(DataError):
                found[name] = dataset(self.datasets_dir, name)
        return found

    def submit(
        self,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        caller: str = "",
        confirmed: bool = False,
    ) -> Submission:
        """Store a sweep; its trials start as soon as there is room.

        The same `key` with the same body gives the same sweep again. Raises `InvalidRequest`,
        `KeyReused` or `NeedsConfirmation`, and then nothing is stored.
        """
        resolved = self._centred(body)
        spec = parse(resolved)
        expansion = self._expand(spec)
        if not (confirmed or math.isinf(self.confirm_above_hours)):
            submission.refuse_if_large(self._weighed(spec, expansion), self.confirm_above_hours)
        return self.store.sweeps.submit(
            name=spec.name,
            spec=resolved,
            parameter=spec.axis.parameter,
            axis_scale=axis_scale(spec.axis),
            priority=spec.priority,
            expansion=expansion,
            fresh=spec.fresh,
            request=None if key is None else _idempotent(key, caller, body),
        )

    def import_results(
        self, body: Mapping[str, Any], *, key: str | None = None, caller: str = ""
    ) -> Submission:
        """Store a sweep that was trained elsewhere; its trials are done and are never shared.

        Raises `InvalidRequest` or `KeyReused`, and then nothing is stored.
        """
        planned = imports.plan(form.parse(body))
        request = None if key is None else _idempotent(key, caller, body)
        return self.store.sweeps.take_in(planned, request)

    def preview(self, body: Mapping[str, Any]) -> submission.Preview:
        """What `submit` would store, with its cost; stores nothing. Raises `InvalidRequest`."""
        spec = parse(self._centred(body))
        return self._weighed(spec, self._expand(spec))

    def _weighed(self, spec: SweepSpec, expansion: Expansion) -> submission.Preview:
        whole = submission.in_full(spec, expansion, self.datasets())
        known = frozenset[str]() if spec.fresh else self._known(whole)
        return submission.preview(whole, known, self.store.queue)

    def _centred(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with the best values of the search that it names, if it names one."""
        if not isinstance(body.get("centre"), str):
            return dict(body)
        try:
            return centred(body, self.searched(body["centre"]))
        except (NotFound, Conflict) as error:
            raise InvalidRequest((Problem("/centre", str(error)),)) from None

    def _expand(self, spec: SweepSpec) -> Expansion:
        return submission.whole_expansion(spec, self.datasets(), self.datasets_dir)

    def _known(self, expansion: Expansion) -> frozenset[str]:
        return frozenset(self.store.sweeps.existing([t.fingerprint for t in expansion.trials]))

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

    def cancel(self, sweep_id: str) -> SweepRecord:
        """End a sweep for good; its trials stop where no other sweep wants them."""
        return self.store.sweeps.cancel(sweep_id)

    def pause(self, sweep_id: str) -> SweepRecord:
        """Hold a sweep; running trials are saved and go on from there after `resume`."""
        return self.store.sweeps.pause(sweep_id)

    def resume(self, sweep_id: str) -> SweepRecord:
        """Let a paused sweep go on."""
        return self.store.sweeps.resume(sweep_id)

    def retry(self, sweep_id: str) -> int:
        """Train the failed and cancelled trials of a sweep anew; how many there are."""
        return self.store.sweeps.retry(sweep_id)

    def extend(self, sweep_id: str, body: Mapping[str, Any]) -> Extension:
        """Add values and seeds to a sweep; what is there already is left as it is.

        Raises `InvalidRequest`, or `Conflict` where the sweep cannot get further points.
        """
        submitted = self.sweep(sweep_id).spec
        planned = planned_extension(submitted, body, self.store.results.points(sweep_id))
        return self.store.sweeps.extend(sweep_id, planned)

    def edit(self, sweep_id: str, body: Mapping[str, Any]) -> SweepRecord:
        """Change name, note, tags, priority, or whether it is archived; raises `InvalidRequest`.

        `Conflict` for archiving what is at work.
        """
        return self.store.sweeps.edit(sweep_id, Edit(**parse_edit(body)))

    def delete(self, sweep_id: str) -> Deletion:
        """Delete a sweep that has ended, with what only it used; else `Conflict`."""
        return self.store.sweeps.delete(sweep_id)

    def disk(self) -> DiskUse:
        """How much room everything takes."""
        return disk_use(self.store.sweeps.usage(), self.datasets_dir.parent)

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

        Without intervals for more curves than can be compared.
        """
        view = self.curves(sweep_id, tolerance)
        if len(view.curves) > comparing.MOST_CURVES:
            return view, (None,) * len(view.curves)
        return view, estimates_of(view.curves, view.stabilities, stated=window)

    def compare(
        self, sweep_ids: Sequence[str], options: comparing.CompareOptions | None = None
    ) -> Comparison:
        """Variants of one or more sweeps over one axis side by side, with verdicts."""
        return comparing.compare(self.store, sweep_ids, options or comparing.CompareOptions())

    def transfer_figure(self, sweep_ids: Sequence[str], options: TransferOptions) -> str:
        """The best values against the size of the model, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._transfer_figure(sweep_ids, options))

    def transfer_page(self, sweep_id: str) -> str:
        """The same of one sweep as an HTML page that needs nothing else."""
        drawn = self._transfer_figure([sweep_id], TransferOptions())
        return plots.html(drawn, title=self.sweep(sweep_id).name)

    def _transfer_figure(self, sweep_ids: Sequence[str], options: TransferOptions) -> Any:
        return plots.FIGURES["transfer"](self.compare(sweep_ids), options=options)

    def figure(
        self, sweep_id: str, options: StabilityOptions | None = None, tolerance: float = 0.05
    ) -> str:
        """The stability figure of a sweep, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._figure(sweep_id, options, tolerance))

    def figure_page(self, sweep_id: str, options: StabilityOptions | None = None) -> str:
        """The same figure as an HTML page that needs nothing else."""
        return plots.html(self._figure(sweep_id, options), title=self.sweep(sweep_id).name)

    def report(self, sweep_id: str) -> str:
        """All that is known of a sweep as an HTML page that needs nothing else."""
        view = self.curves(sweep_id)
        return report.render(
            report.Report(
                sweep=view.sweep,
                curves=tuple(zip(view.curves, view.stabilities, strict=True)),
                figure=plots.element(self._figure(sweep_id, StabilityOptions())),
                points=self.results(sweep_id),
                trials=self.trials(sweep_id),
            )
        )

    def _figure(
        self, sweep_id: str, options: StabilityOptions | None, tolerance: float = 0.05
    ) -> Any:
        view = self.curves(sweep_id, tolerance)
        chosen = options or StabilityOptions(title=view.sweep.name)
        if view.sweep.is_search:
            return plots.FIGURES["search"](view.searched, options=chosen)
        return plots.FIGURES["stability"](view.curves, view.stabilities, options=chosen)

    def heat_map_figure(self, sweep_id: str, options: HeatMapOptions | None = None) -> str:
        """The heat maps of a sweep of two axes, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._heat_map_figure(sweep_id, options))

    def heat_map_page(self, sweep_id: str) -> str:
        """The same heat maps as an HTML page that needs nothing else."""
        title = self.sweep(sweep_id).name
        return plots.html(self._heat_map_figure(sweep_id, HeatMapOptions(title=title)), title=title)

    def _heat_map_figure(self, sweep_id: str, options: HeatMapOptions | None) -> Any:
        return plots.FIGURES["heatmap"](self.curves(sweep_id).heat_maps, options=options)

    def training_figure(self, trial_id: str, options: TrainingOptions | None = None) -> str:
        """The loss curve of a trial, as the JSON that `Plotly.react` draws."""
        chosen = options or TrainingOptions()
        return plots.to_json(plots.FIGURES["training"](self.metrics(trial_id), options=chosen))

    def effective_lr_figure(self, trial_id: str, options: EffectiveLrOptions | None = None) -> str:
        """The plotly JSON of a trial's effective learning rates."""
        metrics = self.metrics(trial_id, (EFFECTIVE_LR,))
        return plots.to_json(plots.FIGURES["effective_lr"](metrics, options=options))

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


def scales() -> Mapping[str, Scale]:
    """The model sizes by name."""
    return SCALES


def all_presets() -> tuple[presets.Preset, ...]:
    """Ready-made sweeps."""
    return presets.presets()


def _idempotent(key: str, caller: str, body: Mapping[str, Any]) -> IdempotentRequest:
    digest = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    return IdempotentRequest(caller=caller, key=key, body_sha256=digest)
