"""Further points of a sweep that is there: what a request adds, checked as at submission. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.errors import Conflict, InvalidRequest, Problem
from sweeper.expand import further, optimizers_of
from sweeper.rules.check import first_of_each_place
from sweeper.rules.names import unknown_optimizers
from sweeper.rules.problems import repeated
from sweeper.rules.values import further_values
from sweeper.shape import pointer
from sweeper.spec import MAX_POINTS, ExtensionSpec, SweepSpec, parse, validated
from sweeper.trials import Expansion
from trainers.config import TRAINER_VERSION, TrainConfig, from_dict, to_dict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class CurvePoints:
    """What a sweep has of one variant: its points, and the run of one of them."""

    position: int
    label: str
    points: tuple[tuple[float, int], ...]
    """(value, seed) of each."""
    sample: TrainConfig
    """The run of the first of the points."""
    trainers: frozenset[int]
    """Versions of the trainer that its finished runs have recorded."""

    @property
    def values(self) -> tuple[float, ...]:
        """Ascending."""
        return tuple(sorted({value for value, _ in self.points}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({seed for _, seed in self.points}))


def curve_points(frame: "pd.DataFrame") -> tuple[CurvePoints, ...]:
    """By variant, from the frame of a sweep's points."""
    rows: dict[int, list[tuple[Any, ...]]] = {}
    columns = ["variant", "label", "value", "seed", "config", "provenance"]
    for position, *row in frame[columns].itertuples(index=False, name=None):
        rows.setdefault(int(position), []).append(tuple(row))
    return tuple(
        CurvePoints(
            position=position,
            label=str(found[0][0]),
            points=tuple((float(value), int(seed)) for _, value, seed, *_ in found),
            sample=from_dict(json.loads(found[0][3])),
            trainers=frozenset(_trainers(text for *_, text in found)),
        )
        for position, found in sorted(rows.items())
    )


def _trainers(provenance: Iterable[Any]) -> Iterator[int]:
    for text in provenance:
        recorded = json.loads(text) if isinstance(text, str) else {}
        if "trainer" in recorded:
            yield recorded["trainer"]


def planned_extension(
    submitted: Mapping[str, Any], body: Mapping[str, Any], frame: "pd.DataFrame"
) -> Expansion:
    """What a request adds to a sweep, given what was submitted and the frame of its points.

    Raises `InvalidRequest` or `Conflict`.
    """
    return extension(parsed_spec(submitted), validated(ExtensionSpec, body), curve_points(frame))


def extension(spec: SweepSpec, asked: ExtensionSpec, there: Sequence[CurvePoints]) -> Expansion:
    """The points that a request asks for, those that are there already among them.

    Raises `InvalidRequest` for what no submission could have asked for, and `Conflict` where the
    same points would be other runs today.
    """
    if spec.search is not None:
        raise Conflict("a search asks for its candidates itself; submit another one to go on")
    chosen = [c for c in there if asked.variants is None or c.label in asked.variants]
    found = [*_problems(spec, asked, there, chosen)]
    if found:
        raise InvalidRequest(first_of_each_place(found))
    wanted = [
        (curve.position, value, seed)
        for curve in chosen
        for value in sorted(asked.values or curve.values)
        for seed in asked.seeds or curve.seeds
    ]
    _check_size(wanted, there)
    for curve in chosen:
        check_same_runs(spec, curve)
    return further(spec, chosen[0].sample.data, wanted)


def check_same_runs(spec: SweepSpec, curve: CurvePoints) -> None:
    """Raise `Conflict` if a point that is there would be another run today."""
    value, seed = curve.points[0]
    planned = further(spec, curve.sample.data, [(curve.position, value, seed)])
    if not same_run(planned.trials[0].config, curve):
        raise Conflict(
            f"{curve.label}: the code has changed since the sweep was submitted, so that its runs "
            f"would be others; submit the sweep anew"
        )


def same_run(config: TrainConfig, curve: CurvePoints) -> bool:
    """Whether a run of today is the one that the curve has, by the same trainer."""
    return to_dict(config) == to_dict(curve.sample) and curve.trainers <= {TRAINER_VERSION}


def _problems(
    spec: SweepSpec,
    asked: ExtensionSpec,
    there: Sequence[CurvePoints],
    chosen: Sequence[CurvePoints],
) -> Iterator[Problem]:
    known = list(dict.fromkeys(curve.label for curve in there))
    for i, label in enumerate(asked.variants or ()):
        if label not in known:
            shown = ", ".join(known)
            yield Problem(pointer("variants", i), f"unknown curve {label!r}; known: {shown}")
    optimizers = optimizers_of(spec)
    having = [optimizers[curve.position] for curve in chosen]
    if asked.values is not None:
        yield from further_values(spec, asked.values, ("values",), having)
    yield from repeated(asked.seeds or (), "seeds")


def _check_size(wanted: Sequence[tuple[int, float, int]], there: Sequence[CurvePoints]) -> None:
    points = {(curve.position, *point) for curve in there for point in curve.points} | {*wanted}
    if len(points) > MAX_POINTS:
        message = f"a sweep has at most {MAX_POINTS} points, but this one would have {len(points)}"
        raise InvalidRequest((Problem("", message),))


def parsed_spec(body: Mapping[str, Any]) -> SweepSpec:
    """The sweep as it was submitted; `Conflict` if it was not, or the rules of today refuse it."""
    if "imported_from" in body:
        source = body["imported_from"]
        raise Conflict(f"the sweep was imported from {source}: nothing of it can be trained here")
    try:
        spec = parse(body)
        if unknown := [*unknown_optimizers(spec)]:
            raise InvalidRequest(tuple(unknown))
    except InvalidRequest as error:
        raise Conflict(f"the sweep cannot get further points: {error}") from None
    return spec
