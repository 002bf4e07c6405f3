"""From a search to the sweeps through what it found: best values become settings. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.errors import InvalidRequest, Problem
from sweeper.search.rounds import Searched
from sweeper.spec import Grid, OptimizerSpec
from sweeper.variants import shown_label


def centred(body: Mapping[str, Any], found: Sequence[Searched]) -> dict[str, Any]:
    """A body that `spec.parse` takes, with the best values of each optimizer that was searched.

    What an optimizer or `base` says itself stays, and a swept hyperparameter gets no value, unless
    it has multiples: these are of the best one. Where an optimizer was searched several times, the
    curve of its label counts, then that of the sweep's first scale. Raises `InvalidRequest` if
    there is no value for any of the optimizers.
    """
    given = [_as_object(entry) for entry in body["optimizers"]]
    best = [_best(body, entry, found) for entry in given]
    if not any(best):
        raise InvalidRequest((Problem("/centre", _nothing(given, found)),))
    optimizers = [values | entry for values, entry in zip(best, given, strict=True)]
    return {**body, "optimizers": optimizers}


def _as_object(entry: Any) -> Any:
    return {"name": entry} if isinstance(entry, str) else entry


def _best(
    body: Mapping[str, Any], entry: Mapping[str, Any], found: Sequence[Searched]
) -> dict[str, float]:
    """The best values of one optimizer that neither the axes nor `base` have."""
    having = [each for each in found if each.optimizer == entry["name"] and each.best is not None]
    scale, label = body.get("scales", ["nano"])[0], _label(body, entry)
    nearest = max(having, key=lambda each: (each.label == label, each.scale == scale), default=None)
    if nearest is None or nearest.best is None:
        return {}
    kept = {*_swept(body, entry), *body.get("base", {})}
    return {name: value for name, value in nearest.best.values.items() if name not in kept}


def _label(body: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    axes = [axis for axis in (body.get("axis"), body.get("second_axis")) if axis]
    return shown_label(OptimizerSpec.model_validate(entry), [axis["parameter"] for axis in axes])


def _nothing(given: Sequence[Mapping[str, Any]], found: Sequence[Searched]) -> str:
    names = sorted({each.optimizer for each in found if each.best is not None})
    if not names:
        return "has found nothing yet"
    if not any(entry["name"] in names for entry in given):
        return f"found nothing for an optimizer of the sweep; it has for: {', '.join(names)}"
    return "has nothing to add: all that it searched over is in `base` or swept without multiples"


def _swept(body: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    """The swept hyperparameters of an optimizer that have values, and so need no centre."""
    own = {key: entry[key] for key in Grid.model_fields if entry.get(key)}
    first, second = body.get("axis"), body.get("second_axis")
    grids = [(axis, grid) for axis, grid in ((first, own or first), (second, second)) if axis]
    listed = [axis["parameter"] for axis, grid in grids if not dict(grid or {}).get("multiples")]
    return [*listed, *(body.get("search") or {}).get("over", {})]
