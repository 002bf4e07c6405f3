"""`export` and `presets`: what leaves the service as a file, and what can be put into it."""

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from sweeper import presets as ready_made
from sweeper.cli import options
from sweeper.cli.output import UsageError, print_json, print_table, say
from sweeper.cli.paper import write_paper
from sweeper.cli.sweeps import connected, resolve
from sweeper.client import Client


class Format(StrEnum):
    """What `export` can write."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    OPTUNA = "optuna"
    HTML = "html"
    FIGURE = "figure"


_SUFFIXES: Mapping[str, Format] = {
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".json": Format.JSON,
    ".db": Format.OPTUNA,
    ".html": Format.HTML,
}

Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="File to write; `-` is stdout, unless it is no text."),
]

Paper = Annotated[
    Path | None, typer.Option("--paper", help="Folder for everything that a paper needs.")
]


def export(
    sweep_id: options.SweepId = "latest",
    output: Output = Path("-"),
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the suffix of the file; csv on stdout."),
    ] = None,
    paper: Paper = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Write the results of a sweep, one row per point, its report, or all that a paper needs.

    csv, parquet, json: all that is known of every point. optuna: a study per curve in an SQLite
    file that optuna-dashboard opens (diverged points are FAIL there). html: a report with figure,
    numbers, specification, versions and failures; figure: the figure alone. Both are pages that
    need no network. --paper: a folder with the report, pictures, numbers, configurations, versions,
    sources and hashes.

    Examples: sweeper export latest -o results.csv; sweeper export latest --paper lr-sweep
    """
    if paper is not None:
        if form is not None or output != Path("-"):
            raise UsageError("--paper writes a folder of its own: leave out -o and --format")
        with connected(data, url, key) as client:
            write_paper(client, resolve(client, sweep_id), paper)
        return
    chosen = Format.JSON if as_json and form is None else form or _by_suffix(output)
    with connected(data, url, key) as client:
        found = resolve(client, sweep_id)
        if chosen is Format.OPTUNA:
            _write_optuna(client, found, output)
        else:
            _write(_CONTENT[chosen](client, found), output, chosen)


def presets(
    name: Annotated[str | None, typer.Argument(help="Print this one as YAML.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the ready-made sweeps, or print one to start from.

    Example: sweeper presets lr > mine.yaml && sweeper submit mine.yaml
    """
    if name is None:
        _list_presets(as_json)
        return
    try:
        chosen = ready_made.preset(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if as_json:
        print_json(dict(chosen.sweep))
        return
    import yaml

    typer.echo(f"# {chosen.summary}")
    typer.echo(yaml.safe_dump(dict(chosen.sweep), sort_keys=False), nl=False)


COMMANDS: tuple[Callable[..., None], ...] = (export, presets)


def _list_presets(as_json: bool) -> None:
    found = ready_made.presets()
    if as_json:
        print_json([vars(p) | {"trials": vars(ready_made.trials(p))} for p in found])
    else:
        print_table(("preset", "what it sweeps"), ((p.name, p.summary) for p in found))


_CONTENT: Mapping[Format, Callable[[Client, str], bytes]] = {
    Format.CSV: lambda client, sweep_id: client.results_file(sweep_id, "csv"),
    Format.PARQUET: lambda client, sweep_id: client.results_file(sweep_id, "parquet"),
    Format.JSON: lambda client, sweep_id: client.results_file(sweep_id, "json"),
    Format.HTML: lambda client, sweep_id: client.report_html(sweep_id).encode(),
    Format.FIGURE: lambda client, sweep_id: client.figure_html(sweep_id).encode(),
}


def _by_suffix(output: Path) -> Format:
    if output == Path("-"):
        return Format.CSV
    if output.suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"cannot tell the format of {output} by its suffix; known: {known}")
    return _SUFFIXES[output.suffix]


def _write(content: bytes, output: Path, form: Format) -> None:
    if output == Path("-"):
        if form is Format.PARQUET:
            raise UsageError("parquet is not text: name a file with -o")
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
    say(f"wrote {output}")


def _write_optuna(client: Client, sweep_id: str, output: Path) -> None:
    if output == Path("-"):
        raise UsageError("an Optuna study is a file: name it with -o")
    import pandas

    from sweeper.search import mirror

    points = pandas.read_parquet(BytesIO(client.results_file(sweep_id, "parquet")))
    try:
        studies = mirror.write(points, output, name=client.sweep(sweep_id)["name"])
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {output}: {error}") from None
    say(f"wrote {output}: {', '.join(studies)}; optuna-dashboard sqlite:///{output} opens it")
