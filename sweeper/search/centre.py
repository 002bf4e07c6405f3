"""From a search to the sweeps through what it found: best values become settings. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.errors import InvalidRequest, Problem
from sweeper.search.rounds import Searched


def centred(body: Mapping[str, Any], found: Sequence[Searched]) -> dict[str, Any]:
    """The body of a sweep with the best values of each optimizer that was searched.

    What an optimizer or `base` says itself stays, and a swept hyperparameter gets no value, unless
    the axis has multiples: these are of the best one. Values of the sweep's first scale count where
    several were searched. Raises `InvalidRequest` if none of the optimizers has a best candidate.
    """
    given = [_as_object(entry) for entry in body.get("optimizers") or []]
    kept = {*_swept(body), *(body.get("base") or {})}
    scale = next(iter(body.get("scales") or ["nano"]))
    optimizers = [_with_best(entry, kept, _nearest(entry, found, scale)) for entry in given]
    if optimizers == given:
        names = sorted({each.optimizer for each in found if each.best is not None})
        message = f"found nothing for an optimizer of the sweep; it has for: {', '.join(names)}"
        raise InvalidRequest((Problem("/centre", message),))
    return {**body, "optimizers": optimizers}


def _as_object(entry: Any) -> Any:
    return {"name": entry} if isinstance(entry, str) else entry


def _swept(body: Mapping[str, Any]) -> list[str]:
    axes = [axis for axis in (body.get("axis"), body.get("second_axis")) if isinstance(axis, dict)]
    return [str(axis.get("parameter")) for axis in axes if "multiples" not in axis]


def _nearest(entry: Any, found: Sequence[Searched], scale: str) -> Searched | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    having = [each for each in found if each.optimizer == name and each.best is not None]
    return next((each for each in having if each.scale == scale), next(iter(having), None))


def _with_best(entry: Any, kept: set[str], nearest: Searched | None) -> Any:
    if nearest is None or nearest.best is None:
        return entry
    best = {name: value for name, value in nearest.best.values.items() if name not in kept}
    return {**best, **entry}
