"""`import`: results that were trained elsewhere, from files and from Optuna studies."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper.cli import options
from sweeper.cli.output import UsageError, print_json, say
from sweeper.cli.sweeps import connected
from sweeper.errors import InvalidRequest

Sources = Annotated[
    list[str],
    typer.Argument(
        help="CSV or JSON files, or the address of an Optuna storage: sqlite:///study.db.",
        metavar="FILE...",
    ),
]
Parameter = Annotated[
    str | None,
    typer.Option(help="The hyperparameter on the axis, where the source does not tell it."),
]
AxisScale = Annotated[
    str | None, typer.Option(help="log, linear or one_minus_log; default: the customary one.")
]
Studies = Annotated[
    list[str] | None,
    typer.Option("--study", help="Only this Optuna study; repeatable. Default: all of them."),
]
Nameless = Annotated[
    bool,
    typer.Option("--allow-null-ids", help="Take results of Marin files whose run has no name."),
]


def import_(
    sources: Sources,
    name: Annotated[str, typer.Option(help="What the sweep is to be called.")],
    parameter: Parameter = None,
    axis_scale: AxisScale = None,
    study: Studies = None,
    allow_null_ids: Nameless = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Take in results that were trained elsewhere, as a sweep that is done and marked imported.

    Files: CSV and JSON as `export` writes them or with fewer columns (docs/results.md), and result
    files of Marin, whose path tells the optimizer and size. Several files become curves of one
    sweep. All of it is stored, or nothing, with the file and row of what is wrong.

    Examples: sweeper import adamw/130m/*.json --name "AdamW, 130m"; sweeper import results.csv
    --name theirs --parameter lr
    """
    found = _placed_errors(lambda: _read(sources, parameter, study or [], allow_null_ids))
    for note in found.left_out:
        say(f"left out: {note}")
    axis = parameter or found.parameter
    if axis is None:
        raise UsageError("which hyperparameter are the values of? --parameter says it")
    if not found.rows:
        raise UsageError(f"there is no result in {found.source}")
    body = {
        "name": name,
        "imported_from": found.source,
        "axis": {"parameter": axis, "scale": axis_scale or found.scale},
        "rows": list(found.rows),
    }
    with connected(data, url, key) as client:
        answer = _placed_errors(lambda: client.import_results(body), found.places)
    say(f"{len(found.rows)} results from {found.source}")
    if as_json:
        print_json(answer)
    else:
        typer.echo(answer["id"])


import_.__name__ = "import"  # A command is called by the name of its function.

COMMANDS: tuple[Callable[..., None], ...] = (import_,)


def _read(
    sources: Sequence[str], parameter: str | None, studies: Sequence[str], nameless: bool
) -> Any:
    from sweeper.imports import files

    found = []
    for source in sources:
        if "://" in source or Path(source).suffix == ".db":
            from sweeper.search import importer

            storage = source if "://" in source else f"sqlite:///{source}"
            found.append(importer.read(storage, studies, parameter))
        else:
            found.append(_file(Path(source), parameter, nameless))
    return files.together(found)


def _file(path: Path, parameter: str | None, nameless: bool) -> Any:
    from sweeper.imports import files

    try:
        return files.read_file(path, parameter, nameless=nameless)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: byte {error.start} is not UTF-8") from None


def _placed_errors(work: Callable[[], Any], places: tuple[str, ...] = ()) -> Any:
    """The same, with errors told by their place in the file."""
    from sweeper.imports.found import placed

    try:
        return work()
    except InvalidRequest as error:
        raise placed(error, places) from None
