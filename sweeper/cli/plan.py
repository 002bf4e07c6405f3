"""`plan`: the stacks of a sweep, their memory and their hours, before anything is started."""

from typing import Annotated

import typer

from sweeper.cli import measure, options
from sweeper.cli import specification as given
from sweeper.cli.forecasts import duration, summary
from sweeper.cli.output import print_json, print_table, say
from sweeper.cli.sweeps import connected
from sweeper.client import Json

COLUMNS = (
    *("optimizer", "scale", "precision", "K", "stacks", "threads", "micro batch"),
    *("MiB", "each", "times"),
)
Measure = Annotated[
    bool, typer.Option("--measure", help="Measure here, for the service on the home folder.")
]
TIMES = {True: "measured", False: "model"}


def plan(
    source: given.Source = None,
    preset: given.Preset = None,
    scale: given.Scales = None,
    seed: given.Seeds = None,
    steps: given.Steps = None,
    centre: given.Centre = None,
    measured: Measure = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    database: options.Database = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Show the stacks that a sweep would train as, their memory, hours and operations.

    Only trials that are not there already count. Times are those that stacks of the same shape
    took on this device, else those of a model; a machine with nothing else to do is assumed.

    `--measure` first trains a second or two of every kind of stack that has not run here yet.

    Example: sweeper plan --preset lr --scale micro
    """
    body = given.sweep_body(source, preset, scales=scale, seeds=seed, steps=steps, centre=centre)
    if measured:
        measure.measure(data, database, body)
    with connected(data, url, key) as client:
        found = client.preview(body)
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, map(_row, found["forecast"]["kinds"]))
    say(summary(found))


def _row(kind: Json) -> tuple[str, ...]:
    memory_bytes = kind["memory_bytes"]
    return (
        kind["optimizer"],
        kind["scale"],
        kind["precision"],
        *(str(kind[name]) for name in ("size", "count", "threads")),
        "-" if kind["micro_batch"] is None else str(kind["micro_batch"]),
        "-" if memory_bytes is None else f"{memory_bytes / 2**20:,.0f}",
        duration(kind["seconds"]),
        TIMES[kind["measured"]],
    )
