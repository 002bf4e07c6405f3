"""`heatmap`: the losses of a sweep of two axes as a table per optimizer, or as a page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli import options
from sweeper.cli.output import UsageError, number, print_json, print_table, say
from sweeper.cli.sweeps import connected, resolve
from sweeper.client import Json

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="An HTML file for the figure instead.")
]


def heatmap(
    sweep_id: options.SweepId = "latest",
    output: Output = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Print the losses of a sweep of two axes, one table per optimizer, with the best of each row.

    A row is a value of the second axis, and `ridge` the best value of the first one there,
    interpolated unless marked with ~. Diverged seeds are marked with x.

    Examples: sweeper heatmap latest; sweeper heatmap latest -o map.html
    """
    with connected(data, url, key) as client:
        found = resolve(client, sweep_id)
        maps = client.heat_maps(found)
        if not maps:
            raise UsageError(f"sweep {found} has one axis; a heat map needs a `second_axis`")
        if output is not None:
            _write(client.figure_html(found, "heatmap"), output)
        elif as_json:
            print_json(maps)
        else:
            _print(maps)


def _write(page: str, output: Path) -> None:
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
    say(f"wrote {output}")


def _print(maps: Iterable[Json]) -> None:
    for i, heat_map in enumerate(maps):
        head = f"{heat_map['label']}, {heat_map['scale']}: {heat_map['parameter']} to the right"
        typer.echo(head if i == 0 else f"\n{head}")
        values = sorted({cell["value"] for row in heat_map["rows"] for cell in row["cells"]})
        heads = [heat_map["second_parameter"], *(number(v, 6) for v in values), "ridge", "loss"]
        print_table(heads, (_row(row, values) for row in heat_map["rows"]))


def _row(row: Json, values: Iterable[float]) -> list[str]:
    cells = {cell["value"]: cell for cell in row["cells"]}
    ridge = row["ridge"]
    mark = "" if ridge["interpolated"] or ridge["value"] is None else "~"
    return [
        number(row["second"], 6),
        *(_cell(cells.get(value)) for value in values),
        f"{mark}{number(ridge['value'], 3)}",
        number(ridge["loss"]),
    ]


def _cell(cell: Json | None) -> str:
    if cell is None:
        return ""
    return number(cell["loss"]) + ("x" if cell["diverged"] else "")
