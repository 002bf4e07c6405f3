"""Comparing sweeps: reading what a comparison needs, and refusing what cannot be compared."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sweeper.analysis.budgets import Run
from sweeper.analysis.compare import Comparison, comparison
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.pairs import Entrant
from sweeper.analysis.runs import larger_scale, run_of
from sweeper.analysis.stability import Stability, stability
from sweeper.analysis.verdict import MARGIN
from sweeper.digits import written
from sweeper.errors import InvalidRequest, Problem
from sweeper.storage.records import SweepRecord
from sweeper.storage.store import Store
from trainers.config import TrainConfig, from_dict

MOST_SWEEPS, MOST_CURVES = 20, 200
"""Pairs grow with the square of the curves."""

Window = tuple[float, float]
"""A range of values of the axis, both included."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What a reader can choose: depths in nats, and a window of values for a sensitivity."""

    tolerance: float = 0.05
    margin: float = MARGIN
    window: Window | None = None


def compare(store: Store, sweep_ids: Sequence[str], options: CompareOptions) -> Comparison:
    """All variants of the sweeps side by side. Raises `InvalidRequest` or `NotFound`."""
    _check(sweep_ids, options)
    sweeps = [store.sweeps.get(sweep_id) for sweep_id in sweep_ids]
    _check_axes(sweeps)
    frames = [store.results.points(sweep_id) for sweep_id in sweep_ids]
    curves = [
        (sweep, frame, curve)
        for sweep, frame in zip(sweeps, frames, strict=True)
        for curve in stability_curves(frame)
    ]
    if len(curves) > MOST_CURVES:
        message = f"at most {MOST_CURVES} curves can be compared, but these sweeps have"
        raise InvalidRequest((Problem("query/sweep", f"{message} {len(curves)}"),))
    numbers = [stability(curve, options.tolerance) for _, _, curve in curves]
    runs = _runs(store, curves, numbers)
    names = _names([(sweep, curve) for sweep, _, curve in curves])
    entrants = [
        Entrant(sweep_id=sweep.id, name=name, curve=curve, stability=found, runs=own)
        for (sweep, _, curve), name, found, own in zip(curves, names, numbers, runs, strict=True)
    ]
    sizes = {run.parameters for own in runs for run in own if run.parameters is not None}
    larger = {size: scale for size in sizes if (scale := larger_scale(size)) is not None}
    return comparison(entrants, margin=options.margin, window=options.window, larger=larger)


def check_window(low: float | None, high: float | None) -> Window | None:
    """The window from its two ends. Raises `InvalidRequest` for one end alone or a wrong order."""
    if low is None and high is None:
        return None
    if low is None or high is None:
        missing = "low" if low is None else "high"
        raise InvalidRequest(
            (Problem(f"query/{missing}", "a window needs both `low` and `high`, or neither"),)
        )
    if not low < high:
        message = f"`low < high` must hold, but got low={written(low)}, high={written(high)}"
        raise InvalidRequest((Problem("query/high", message),))
    return low, high


def _check(sweep_ids: Sequence[str], options: CompareOptions) -> None:
    problems = [
        Problem(f"query/sweep/{i}", f"each sweep once, but {sweep_id!r} was named before")
        for i, sweep_id in enumerate(sweep_ids)
        if sweep_id in sweep_ids[:i]
    ]
    if not 1 <= len(sweep_ids) <= MOST_SWEEPS:
        message = f"from 1 to {MOST_SWEEPS} sweeps can be compared, but got {len(sweep_ids)}"
        problems.append(Problem("query/sweep", message))
    if not options.margin > 0:
        message = f"margin > 0 must hold, but got margin={written(options.margin)}"
        problems.append(Problem("query/margin", message))
    if problems:
        raise InvalidRequest(tuple(problems))


def _check_axes(sweeps: Sequence[SweepRecord]) -> None:
    """All over one parameter, on one scale of the axis."""
    first = sweeps[0]
    problems = tuple(
        Problem(
            f"query/sweep/{i}",
            f"sweeps over an axis are needed, but {sweep.id!r} is a search: its candidates have "
            f"no order",
        )
        for i, sweep in enumerate(sweeps)
        if sweep.is_search
    ) or tuple(
        Problem(
            f"query/sweep/{i}",
            f"sweeps over one axis are needed, but {sweep.id!r} is over {_axis(sweep)} "
            f"and {first.id!r} over {_axis(first)}",
        )
        for i, sweep in enumerate(sweeps)
        if _axis(sweep) != _axis(first)
    )
    if problems:
        raise InvalidRequest(problems)


def _axis(sweep: SweepRecord) -> str:
    return f"{sweep.parameter} ({sweep.axis_scale})"


def _names(curves: Sequence[tuple[SweepRecord, Curve]]) -> list[str]:
    """The label, with the scale, the sweep and its id as far as they tell variants apart."""
    names = [curve.label for _, curve in curves]
    additions = [
        [curve.scale for _, curve in curves],
        [sweep.name for sweep, _ in curves],
        [sweep.id for sweep, _ in curves],
        [f"variant {curve.variant + 1}" for _, curve in curves],
    ]
    for added in additions:
        if len(set(names)) == len(names):
            break
        if len(set(added)) > 1:
            names = [f"{name}, {more}" for name, more in zip(names, added, strict=True)]
    return names


def _runs(
    store: Store,
    curves: Sequence[tuple[SweepRecord, pd.DataFrame, Curve]],
    numbers: Sequence[Stability],
) -> list[tuple[Run, ...]]:
    """The finished runs of each curve at its best value.

    Of a sweep that was trained elsewhere none: nobody has checked what it says of its runs.
    """
    rows = [
        _best_rows(frame, curve, found) if sweep.imported_from is None else []
        for (sweep, frame, curve), found in zip(curves, numbers, strict=True)
    ]
    losses = store.results.validation_losses([trial_id for own in rows for trial_id, _, _ in own])
    return [
        tuple(
            run_of(config, seconds=seconds, losses=losses.get(trial_id, {}))
            for trial_id, config, seconds in own
        )
        for own in rows
    ]


def _best_rows(
    frame: pd.DataFrame, curve: Curve, numbers: Stability
) -> list[tuple[str, TrainConfig, float | None]]:
    """Trial, configuration and device seconds of every seed at the best value."""
    # Where the parameter has no effect, no value is best, and any has the same trials.
    value = curve.values[0] if curve.inert else numbers.best_value
    at_best = (frame["variant"] == curve.variant) & (frame["value"] == value)
    rows = frame.loc[at_best, ["trial_id", "config", "busy_s"]]
    return [
        (trial_id, from_dict(json.loads(text)), None if math.isnan(seconds) else float(seconds))
        for trial_id, text, seconds in rows.itertuples(index=False, name=None)
    ]
