"""From imported results to the sweep that is stored: variants, points, and finished trials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.errors import InvalidRequest, Problem
from sweeper.grids import axis_scale
from sweeper.imports.form import ImportedRow, ImportSpec
from sweeper.shape import pointer
from sweeper.spec import AxisSpec
from sweeper.trials import Variant

_MEASURED = (
    *("outcome", "final_loss", "best_loss", "train_loss", "initial_loss"),
    *("last_finite_loss", "diverged_at_step", "busy_s"),
)
_COMPARED = (*_MEASURED, "config")


@dataclass(frozen=True, kw_only=True)
class ImportedPoint:
    """A point by the positions of its variant and of its trial."""

    variant: int
    trial: int
    value: float
    seed: int
    origin: str


@dataclass(frozen=True, kw_only=True)
class ImportedTrial:
    """A finished run: columns of its row."""

    measured: Mapping[str, Any]
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """All of an imported sweep, ready to be stored. `spec` is what is shown as asked for."""

    name: str
    spec: Mapping[str, Any]
    parameter: str
    axis_scale: str
    variants: tuple[Variant, ...]
    points: tuple[ImportedPoint, ...]
    trials: tuple[ImportedTrial, ...]


def plan(spec: ImportSpec) -> Imported:
    """The sweep of the rows: variants in their order, rows of one id on one trial.

    Raises `InvalidRequest` for a value that has no place on the axis, a point that is there twice,
    and rows of one run that do not agree.
    """
    scale = axis_scale(AxisSpec(parameter=spec.axis.parameter, values=[1], scale=spec.axis.scale))
    problems = [*_off_axis(spec, scale), *_repeated(spec.rows), *_contradictions(spec.rows)]
    if problems:
        raise InvalidRequest(tuple(problems))
    variants = list(dict.fromkeys(row.variant for row in spec.rows))
    runs = list(dict.fromkeys(_run(i, row) for i, row in enumerate(spec.rows)))
    firsts = {_run(i, row): row for i, row in reversed(list(enumerate(spec.rows)))}
    places = {run: place for place, run in enumerate(runs)}
    return Imported(
        name=spec.name,
        spec=_shown_spec(spec, scale),
        parameter=spec.axis.parameter,
        axis_scale=scale,
        variants=tuple(
            Variant(label=label, optimizer=optimizer, scale=size, architecture=architecture)
            for label, optimizer, size, architecture in variants
        ),
        points=tuple(
            ImportedPoint(
                variant=variants.index(row.variant),
                trial=places[_run(i, row)],
                value=row.value + 0.0,  # 0.0 and -0.0 are one value
                seed=row.seed,
                origin=row.origin,
            )
            for i, row in enumerate(spec.rows)
        ),
        trials=tuple(_trial(firsts[run], spec) for run in runs),
    )


def _run(i: int, row: ImportedRow) -> str | int:
    """The identity of a row's run within the import."""
    return row.id if row.has_id else i


def _trial(row: ImportedRow, spec: ImportSpec) -> ImportedTrial:
    config = row.config.model_dump(exclude_none=True)
    source = {"imported_from": spec.imported_from}
    known = source | ({"source_id": row.id} if row.has_id else {})
    return ImportedTrial(
        measured={name: getattr(row, name) for name in _MEASURED},
        config={"optimizer": row.optimizer, "seed": row.seed} | config,
        provenance={**row.provenance, **known},
    )


def _shown_spec(spec: ImportSpec, scale: str) -> dict[str, Any]:
    """As a submission would say it, so that lists and pages can read it; it cannot be submitted."""
    optimizers = dict.fromkeys((row.optimizer, row.label) for row in spec.rows)
    return {
        "name": spec.name,
        "imported_from": spec.imported_from,
        "axis": {
            "parameter": spec.axis.parameter,
            "values": sorted({row.value for row in spec.rows}),
            "scale": scale,
        },
        "optimizers": [{"name": name, "label": label} for name, label in optimizers],
        "scales": list(dict.fromkeys(row.scale for row in spec.rows)),
        "architectures": list(dict.fromkeys(row.architecture for row in spec.rows)),
        "seeds": sorted({row.seed for row in spec.rows}),
    }


def _off_axis(spec: ImportSpec, scale: str) -> Iterator[Problem]:
    rules = {"log": "value >= 0", "one_minus_log": "value < 1"}
    fits = {"log": lambda v: v >= 0, "one_minus_log": lambda v: v < 1}
    for i, row in enumerate(spec.rows):
        if scale in fits and not fits[scale](row.value):
            message = f"{rules[scale]} must hold on a {scale} axis, but got value={row.value:g}"
            yield Problem(pointer("rows", i, "value"), message)


def _repeated(rows: Sequence[ImportedRow]) -> Iterator[Problem]:
    seen: dict[Any, int] = {}
    for i, row in enumerate(rows):
        first = seen.setdefault((row.variant, row.value, row.seed), i)
        if first != i:
            message = (
                f"{row.label} at {row.value:g} with seed {row.seed} is there already, "
                f"as row {first}; seeds tell repeated runs apart"
            )
            yield Problem(pointer("rows", i), message)


def _contradictions(rows: Sequence[ImportedRow]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, row in enumerate(rows):
        if not row.has_id:
            continue
        first = seen.setdefault(row.id, i)
        wrong = [n for n in _COMPARED if getattr(row, n) != getattr(rows[first], n)]
        if wrong:
            message = f"run {row.id!r} has another {wrong[0]} in row {first}; an id is of one run"
            yield Problem(pointer("rows", i, "id"), message)
