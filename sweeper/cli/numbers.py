"""The numbers of a sweep as tables: those of its curves, or a search's candidates."""

from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.cli.output import number, print_table
from sweeper.client import Client, Json

STABILITY = ("optimizer", "scale", "best value", "best loss", "sensitivity", "basin")
POINTS = ("curve", "scale", "parameter", "value", "loss", "low", "high", "seeds", "diverged")
BEST = ("optimizer", "scale", "candidates", "best", "best loss", "its values")
CANDIDATES = ("curve", "scale", "candidate", "loss", "its values")


def as_json(client: Client, sweep: Json) -> Json:
    """A sweep with its curves, and what it has found if it is a search."""
    found = {"sweep": sweep, "curves": client.curves_json(sweep["id"])}
    return found | ({"search": client.searched(sweep["id"])} if is_search(sweep) else {})


def print_summary(client: Client, sweep: Json) -> None:
    """A line per curve: its stability, or the best candidate of a search."""
    if is_search(sweep):
        print_table(BEST, map(_best_row, client.searched(sweep["id"])))
    else:
        print_stability(client.curves_json(sweep["id"]))


def print_stability(curves: Iterable[Json]) -> None:
    """A line per curve: best value and loss, sensitivity, basin."""
    print_table(STABILITY, map(stability_row, curves))


def print_points(client: Client, sweep: Json) -> None:
    """A line per point of every curve, or per candidate."""
    if is_search(sweep):
        found = client.searched(sweep["id"])
        print_table(CANDIDATES, (row for each in found for row in _candidate_rows(each)))
    else:
        curves = client.curves_json(sweep["id"])
        print_table(POINTS, (row for curve in curves for row in _point_rows(curve)))


def is_search(sweep: Json) -> bool:
    """Whether it has candidates in place of an axis."""
    return bool(sweep["spec"].get("search"))


def stability_row(curve: Json) -> tuple[str, ...]:
    """The numbers of one curve, as `STABILITY` names them."""
    stability = curve["stability"]
    return (
        curve["label"],
        curve["scale"],
        "-" if stability["best_value"] is None else f"{stability['best_value']:g}",
        number(stability["best_loss"]),
        number(stability["sensitivity"], 3),
        _basin(stability),
    )


def _basin(stability: Mapping[str, Any]) -> str:
    width = stability["basin_width"]
    if width is None:
        return "-"
    censored = stability["basin_low_censored"] or stability["basin_high_censored"]
    open_ended = ">= " if censored else ""
    return f"{open_ended}{width:.3g} {stability['basin_unit'] or ''}".rstrip()


def _point_rows(curve: Json) -> Iterable[tuple[str, ...]]:
    for point in curve["points"]:
        yield (
            curve["label"],
            curve["scale"],
            curve["parameter"],
            f"{point['value']:g}",
            *(number(point[key], 5) for key in ("loss_mean", "loss_low", "loss_high")),
            f"{point['seeds']}/{point['total']}",
            str(point["diverged"]),
        )


def _best_row(found: Json) -> tuple[str, ...]:
    candidates, best = found["candidates"], found["best"]
    known = ("-", "-", "-")
    if best is not None:
        known = (str(best["number"]), number(best["loss"]), _values(best))
    return found["label"], found["scale"], str(len(candidates)), *known


def _candidate_rows(found: Json) -> Iterable[tuple[str, ...]]:
    for each in found["candidates"]:
        loss = "failed" if each["failed"] else number(each["loss"], 5)
        yield found["label"], found["scale"], str(each["number"]), loss, _values(each)


def _values(candidate: Json) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in candidate["values"].items())
