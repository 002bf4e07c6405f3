"""From a search to the sweeps through what it found: best values become settings. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.errors import InvalidRequest, Problem
from sweeper.search.rounds import Searched
from sweeper.spec import Grid


def centred(body: Mapping[str, Any], found: Sequence[Searched]) -> dict[str, Any]:
    """A body that `spec.parse` takes, with the best values of each optimizer that was searched.

    What an optimizer or `base` says itself stays, and a swept hyperparameter gets no value, unless
    it has multiples: these are of the best one. Values of the sweep's first scale count where
    several were searched. Raises `InvalidRequest` if none of the optimizers has a best candidate.
    """
    given = [_as_object(entry) for entry in body["optimizers"]]
    scale = body.get("scales", ["nano"])[0]
    nearest = [_nearest(entry["name"], found, scale) for entry in given]
    if not any(nearest):
        names = sorted({each.optimizer for each in found if each.best is not None})
        message = f"found nothing for an optimizer of the sweep; it has for: {', '.join(names)}"
        none = "has found nothing yet"
        raise InvalidRequest((Problem("/centre", message if names else none),))
    optimizers = [_with_best(body, *pair) for pair in zip(given, nearest, strict=True)]
    return {**body, "optimizers": optimizers}


def _as_object(entry: Any) -> Any:
    return {"name": entry} if isinstance(entry, str) else entry


def _nearest(name: str, found: Sequence[Searched], scale: str) -> Searched | None:
    having = [each for each in found if each.optimizer == name and each.best is not None]
    return next((each for each in having if each.scale == scale), next(iter(having), None))


def _with_best(
    body: Mapping[str, Any], entry: dict[str, Any], nearest: Searched | None
) -> dict[str, Any]:
    if nearest is None or nearest.best is None:
        return entry
    kept = {*_swept(body, entry), *body.get("base", {})}
    best = {name: value for name, value in nearest.best.values.items() if name not in kept}
    return {**best, **entry}


def _swept(body: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    """The swept hyperparameters of an optimizer that have values, and so need no centre."""
    own = {key: entry[key] for key in Grid.model_fields if entry.get(key)}
    axes = [body.get("axis"), body.get("second_axis")]
    grids = [own or axes[0], axes[1]]
    pairs = zip(axes, grids, strict=True)
    return [axis["parameter"] for axis, grid in pairs if axis and not (grid or {}).get("multiples")]
