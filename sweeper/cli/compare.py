"""The command that sets variants side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sweeper.cli import options
from sweeper.cli.output import number, print_json, print_table, say
from sweeper.cli.sweeps import connected, resolve

SweepIds = Annotated[
    list[str] | None, typer.Argument(help="Ids of sweeps over one axis; default: the newest one.")
]
Margin = Annotated[
    float, typer.Option(min=1e-9, max=10, help="Nats within which losses are equivalent.")
]
Tolerance = Annotated[
    float, typer.Option(min=1e-9, max=10, help="Depth of the basins, in nats above the best loss.")
]
Low = Annotated[float | None, typer.Option(help="Lower end of a window for the sensitivity.")]
High = Annotated[float | None, typer.Option(help="Upper end of that window.")]

_VARIANTS = ("variant", "best", "optimum", "loss", "held out", "sensitivity", "centred", "width")
_PAIRS = ("scale", "variant", "against", "at its optimum", "over the window")
_CRITERIA = ("at_optimum", "over_window")


def compare(
    sweep_ids: SweepIds = None,
    margin: Margin = 0.01,
    tolerance: Tolerance = 0.05,
    low: Low = None,
    high: High = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Compare the variants of one or more sweeps: numbers with 95 % intervals, and verdicts.

    Of two variants of one scale, one is better, worse, equivalent, or they cannot be told apart,
    and how many more seeds would tell them. `--json` also has equal compute and transfer.

    Example: sweeper compare latest --margin 0.02
    """
    window = {k: v for k, v in {"low": low, "high": high}.items() if v is not None}
    with connected(data, url, key) as client:
        ids = [resolve(client, sweep_id) for sweep_id in sweep_ids or ["latest"]]
        found = client.compare(*ids, margin=margin, tolerance=tolerance, **window)
    if as_json:
        print_json(found)
        return
    print_table(_VARIANTS, map(_variant_row, found["variants"]))
    if found["pairs"]:
        typer.echo()
        _print_pairs(found["pairs"])
    for transfer in found["transfers"]:
        say(_transfer_line(transfer))


def _variant_row(variant: dict[str, Any]) -> tuple[str, ...]:
    numbers = variant["estimates"]
    basin = next(
        b for b in numbers["basins"] if b["tolerance"] == variant["stability"]["tolerance"]
    )
    return (
        variant["name"],
        number(numbers["best_value"]["value"]),
        *(_with_interval(numbers[k]) for k in ("optimum_value", "best_loss", "heldout_loss")),
        _with_interval(numbers["sensitivity"]["loss"]),
        _with_interval(numbers["sensitivity_centred"]["loss"]),
        ("at least " if basin["low_open"] or basin["high_open"] else "")
        + _with_interval(basin["width"]),
    )


def _with_interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return number(estimate["value"])
    low, high = number(estimate["low"]), number(estimate["high"])
    return f"{number(estimate['value'])} [{low}, {high}]"


def _print_pairs(pairs: Sequence[dict[str, Any]]) -> None:
    """The pairs that were tested, and how many were not and why."""
    tested = [pair for pair in pairs if any(pair[by]["test"]["reason"] is None for by in _CRITERIA)]
    untested = Counter(
        pair["at_optimum"]["verdict"]["sentence"] for pair in pairs if pair not in tested
    )
    if tested:
        print_table(_PAIRS, map(_pair_row, tested))
    for sentence, count in untested.items():
        typer.echo(f"{sentence} ({count} of {len(pairs)} pairs)")


def _pair_row(pair: dict[str, Any]) -> tuple[str, ...]:
    sentences = (pair[by]["verdict"]["sentence"] for by in _CRITERIA)
    return pair["scale"], pair["first"], pair["second"], *sentences


def _transfer_line(transfer: dict[str, Any]) -> str:
    slope, predicted = transfer["exponent"], transfer["prediction"]
    if slope["value"] is None:
        return f"{transfer['label']} over sizes: {slope['reason']}"
    line = f"{transfer['label']} over sizes: exponent {_with_interval(slope)}"
    return (
        line
        if predicted is None
        else f"{line}; at {predicted['scale']} {_with_interval(predicted)}"
    )


COMMANDS = (compare,)
