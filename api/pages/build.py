"""From records to the contexts of the pages. Pure."""

import json
import pprint
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from api.frames import rows
from api.health import Check
from api.pages import asked, words
from api.pages.comparison import ComparisonSection
from api.pages.contexts import CurveRow, ListRow, RouteRow, SweepPage, TrialPage
from api.pages.progress import ENDED, Work, progress, time_left_s
from sweeper.analysis.curves import Curve
from sweeper.reading import CurvesView
from sweeper.spec import SweepSpec
from sweeper.storage.records import Event, SweepRecord, TrialRecord
from sweeper.trials import Intent, TrialState

SHOWN_EVENTS = 200

FIRST_SWEEP: Mapping[str, Any] = {
    "name": "first sweep",
    "axis": {"parameter": "lr", "low": 1e-4, "high": 1e-1, "points": 7},
    "optimizers": ["adamw", "lion"],
    "base": {"steps": 300},
}


def list_row(sweep: SweepRecord) -> ListRow:
    """A sweep as the list shows it."""
    return ListRow(
        sweep=sweep,
        progress=progress(sweep),
        optimizers=tuple(dict.fromkeys(variant.optimizer for variant in sweep.variants)),
        scales=tuple(dict.fromkeys(variant.scale for variant in sweep.variants)),
        axes=asked.axes(sweep.spec),
        axis_range=asked.axis_range(sweep.spec),
    )


def next_page(query: Sequence[tuple[str, str]], cursor: str | None) -> str | None:
    """The address of the following part of a list, with the same filters."""
    if cursor is None:
        return None
    kept = [(key, value) for key, value in query if key != "cursor" and value]
    return "/?" + urlencode([*kept, ("cursor", cursor)])


def first_sweep(base_url: str) -> dict[str, str]:
    """A first sweep to copy."""
    line = "sweeper submit --preset demo --wait"
    return {
        "curl": as_curl(base_url, FIRST_SWEEP),
        "Command line": line,
        "Python": as_python(base_url, FIRST_SWEEP),
    }


def as_curl(base_url: str, spec: Mapping[str, Any]) -> str:
    """A submission as a shell command."""
    body = shlex.quote(json.dumps(_in_order(spec), ensure_ascii=False, indent=1))
    address = f"{base_url}/api/v1/sweeps"
    return f"curl {address} \\\n  -H 'content-type: application/json' \\\n  -d {body}"


def as_python(base_url: str, spec: Mapping[str, Any]) -> str:
    """A submission in Python, and its results as a frame."""
    literal = pprint.pformat(_in_order(spec), width=88, sort_dicts=False)
    return (
        "from sweeper.client import Client\n\n"
        f"client = Client({base_url!r})\n"
        f"spec = {literal}\n"
        "sweep = client.submit(spec)\n"
        'client.wait(sweep["id"])\n'
        'print(client.results(sweep["id"]))'
    )


def _in_order(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keys as the documentation has them; a database may have sorted them."""
    return {key: spec[key] for key in SweepSpec.model_fields if key in spec}


def work(trials: pd.DataFrame) -> list[Work]:
    """How far each trial of a sweep is."""
    columns = trials[["step", "finished_at", "config"]]
    return [
        Work(
            step=row["step"],
            steps=int(json.loads(row["config"])["steps"]),
            finished_at=row["finished_at"],
        )
        for row in rows(columns)
    ]


def sweep_page(
    view: CurvesView,
    *,
    comparison: ComparisonSection,
    events: Sequence[Event],
    trials: Sequence[Work],
    tolerance: float,
    warnings: Sequence[Check],
    base_url: str,
) -> SweepPage:
    """Everything on the page of a sweep."""
    sweep = view.sweep
    pairs = zip(view.curves, view.stabilities, strict=True)
    return SweepPage(
        sweep=sweep,
        progress=progress(sweep),
        ended=sweep.state in ENDED,
        time_left_s=time_left_s(sweep, trials, datetime.now(UTC)),
        curves=[CurveRow(curve=curve, numbers=numbers) for curve, numbers in pairs],
        heat_maps=view.heat_maps,
        comparison=comparison,
        searched=view.searched,
        events=events[-SHOWN_EVENTS:],
        num_events=len(events),
        newest_event=events[-1].id if events else 0,
        points=_points_in_words(view.curves),
        actions=_actions(sweep),
        tolerance=tolerance,
        one_seed=all(total < 2 for curve in view.curves for total in curve.total),
        warnings=warnings,
        as_curl=as_curl(base_url, sweep.spec),
        as_python=as_python(base_url, sweep.spec),
    )


def _points_in_words(curves: Sequence[Curve]) -> dict[str, str]:
    """By trial: the curve, value and seed that it is in this sweep."""
    return {
        seed.trial_id: f"{curve.label} at {words.value(value)}, seed {seed.seed}"
        for curve in curves
        for value, seeds in zip(curve.values, curve.losses, strict=True)
        for seed in seeds
    }


def _actions(sweep: SweepRecord) -> list[str]:
    """What can be done with the sweep now."""
    found = []
    if sweep.state not in ENDED:
        found.append("resume" if sweep.intent is Intent.PAUSED else "pause")
    lost = sweep.counts.get(TrialState.FAILED, 0) + sweep.counts.get(TrialState.CANCELLED, 0)
    # It also brings a cancelled sweep back, whose points may all be done or wanted by others.
    if lost or sweep.intent is Intent.CANCELLED:
        found.append("retry")
    if sweep.state not in ENDED:
        found.append("cancel")
    return found


def trial_page(trial: TrialRecord, log: str, speeds: pd.DataFrame) -> TrialPage:
    """Everything on the page of a trial; `speeds` are its metrics of that kind."""
    return TrialPage(
        trial=trial,
        config=_flat(trial.config),
        provenance=_flat(trial.provenance),
        log=log,
        ended=trial.state in (TrialState.DONE, TrialState.FAILED, TrialState.CANCELLED),
        speed={str(key): own["value"].median() for key, own in speeds.groupby("key")},
    )


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def route_rows(document: Mapping[str, Any]) -> list[RouteRow]:
    """The operations of an OpenAPI document, by path."""
    return [
        RouteRow(
            method=method.upper(),
            path=path,
            summary=operation.get("description", "").split("\n")[0],
            operation_id=operation["operationId"],
        )
        for path, operations in sorted(document["paths"].items())
        for method, operation in operations.items()
    ]
