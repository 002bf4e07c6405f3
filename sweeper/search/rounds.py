"""A search from its rows: what its candidates have given, which come next, and what it found.

A round asks for several candidates of a variant at once, which train as one stack, when all of
those before have ended. It depends on nothing but the points that are there, so that one which was
interrupted is found again as it was.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.seeds import SeedLoss
from sweeper.expand import optimizers_of
from sweeper.grids import axis_scale
from sweeper.search.asking import Candidate, Range, ask
from sweeper.settings import hyperparameters
from sweeper.spec import AxisSpec, OptimizerSpec, RangeSpec, SearchSpec, SweepSpec

if TYPE_CHECKING:
    import pandas as pd

Space = Mapping[str, Range]
Run = Mapping[str, Any]
"""The configuration of a trial, as it is stored."""
Asked = dict[tuple[int, int], dict[str, float]]
"""Values of candidates, by the position of the variant and the number of the candidate."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search knows of one variant; candidates are in the order of asking."""

    position: int
    label: str
    optimizer: str
    scale: str
    space: Space
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate | None:
        """The candidate with the lowest loss, the earliest of equal ones; None before any."""
        told = [each for each in self.candidates if each.loss is not None]
        return min(told, key=lambda each: (each.loss, each.number), default=None)


def first_candidates(spec: SweepSpec) -> Asked:
    """The first round of every variant."""
    asked: Asked = {}
    for position, optimizer in enumerate(optimizers_of(spec)):
        asked |= _numbered(position, [], _due(spec, space(spec, optimizer), []))
    return asked


def imagined_candidates(spec: SweepSpec) -> Asked:
    """As many as a search may ask for, at random: what they cost is known before what they are."""
    search = _search(spec)
    return {
        (position, number): ask(space(spec, optimizer), [], sampler="tpe", seed=number)
        for position, optimizer in enumerate(optimizers_of(spec))
        for number in range(search.trials)
    }


def next_candidates(spec: SweepSpec, known: Searched) -> Asked:
    """The next round of a variant whose candidates have all ended; empty when it was the last."""
    return _numbered(known.position, known.candidates, _due(spec, known.space, known.candidates))


def known_candidates(known: Searched) -> Asked:
    """Those that were asked for."""
    return {(known.position, each.number): dict(each.values) for each in known.candidates}


def searched(spec: SweepSpec, points: "pd.DataFrame") -> tuple[Searched, ...]:
    """What a search knows, by variant, from the frame of its points.

    It is in the rows, so that one can also be read whose optimizer is not known here any more.
    """
    runs = dict(zip(points["trial_id"], map(json.loads, points["config"]), strict=True))
    return tuple(_searched(spec, curve, runs) for curve in stability_curves(points))


def space(spec: SweepSpec, optimizer: OptimizerSpec) -> dict[str, Range]:
    """What is searched over of the hyperparameters that the optimizer has."""
    return _ranges(spec, hyperparameters(optimizer.name))


def _ranges(spec: SweepSpec, having: Collection[str]) -> dict[str, Range]:
    over = _search(spec).over
    return {name: _range(name, given) for name, given in over.items() if name in having}


def told(known: Searched, total: int) -> str:
    """In words how far a search has come, and what it has found."""
    best, ended = known.best, sum(each.loss is not None for each in known.candidates)
    so_far = f"{ended} of {total} candidates have a loss"
    if best is None or best.loss is None:
        return so_far
    return f"{so_far}, the lowest is {best.loss:.4g} of candidate {best.number} ({best.text})"


def _searched(spec: SweepSpec, curve: Curve, runs: Mapping[str, Run]) -> Searched:
    over = _ranges(spec, runs[curve.losses[0][0].trial_id]["hyperparameters"])
    return Searched(
        position=curve.variant,
        label=curve.label,
        optimizer=curve.optimizer,
        scale=curve.scale,
        space=over,
        candidates=tuple(_candidates(curve, over, runs)),
    )


def _candidates(curve: Curve, over: Space, runs: Mapping[str, Run]) -> Iterator[Candidate]:
    for number, losses in zip(curve.values, curve.losses, strict=True):
        yield Candidate(
            number=round(number),
            values=_values(runs[losses[0].trial_id], over),
            loss=_loss(losses),
            failed=any(_has_failed(loss) for loss in losses),
            trial_ids=tuple(loss.trial_id for loss in losses),
        )


def _values(run: Run, over: Space) -> dict[str, float]:
    return {name: float(run["hyperparameters"][name]) for name in over}


def _loss(losses: Sequence[SeedLoss]) -> float | None:
    """The mean over seeds of min(final, initial loss), the initial one of a seed that diverged.

    So a sampler is never told a NaN, and a wild loss says no more than that it was no use.
    """
    counted = [loss.counted_loss for loss in losses if loss.outcome is not None]
    known = [loss for loss in counted if loss is not None]
    return sum(known) / len(known) if len(known) == len(losses) else None


def _has_failed(loss: SeedLoss) -> bool:
    return loss.outcome is None and loss.state in ("failed", "cancelled")


def _due(spec: SweepSpec, over: Space, known: Sequence[Candidate]) -> list[dict[str, float]]:
    search, asked = _search(spec), list(known)
    for _ in range(min(search.at_once, search.trials - len(known))):
        values = ask(over, asked, sampler=search.sampler, seed=search.seed)
        asked.append(Candidate(number=len(asked), values=values, loss=None))
    return [dict(each.values) for each in asked[len(known) :]]


def _numbered(
    position: int, known: Sequence[Candidate], values: Sequence[dict[str, float]]
) -> Asked:
    return {(position, len(known) + i): each for i, each in enumerate(values)}


def _range(name: str, given: RangeSpec) -> Range:
    axis = AxisSpec(parameter=name, low=given.low, high=given.high, points=2, scale=given.scale)
    return Range(low=given.low, high=given.high, scale=axis_scale(axis))


def _search(spec: SweepSpec) -> SearchSpec:
    assert spec.search is not None, "the sweep is no search"
    return spec.search
