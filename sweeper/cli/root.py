"""All commands in one application. Importing this loads typer, rich and httpx2, and no more."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from sweeper.cli import (
    compare,
    database,
    datasets,
    demo,
    doctor,
    files,
    heatmap,
    imports,
    keeping,
    output,
    plan,
    reproduce,
    serve,
    steering,
    sweeps,
)
from sweeper.errors import SweeperError

PANELS: Mapping[str, Sequence[Callable[..., None]]] = {
    "The service": (serve.serve, serve.api, serve.dispatch, demo.demo),
    "Sweeps": (
        *sweeps.COMMANDS,
        plan.plan,
        *steering.COMMANDS,
        *keeping.COMMANDS,
        heatmap.heatmap,
        *compare.COMMANDS,
        *files.COMMANDS,
        *imports.COMMANDS,
        *reproduce.COMMANDS,
    ),
    "This machine": (doctor.doctor,),
}

HELP = "Sweep one hyperparameter of language-model optimizers and see how stable they are."
EPILOG = (
    "Exit codes: 0 done, 1 something broke, 2 wrong request or setting, 3 no such thing, "
    "4 the sweep ended with failures or is paused, or a trial came out differently, "
    "5 the service cannot be reached."
)


def application() -> typer.Typer:
    """The typer application."""
    app = typer.Typer(
        name="sweeper",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Paragraphs of the docstrings are filled to the terminal's width.
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_options)
    for panel, commands in PANELS.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)
    app.add_typer(database.app, name="db", rich_help_panel="This machine")
    app.add_typer(datasets.app, name="data", rich_help_panel="This machine")
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command line; the exit code. What a user can cause is one line, never a traceback."""
    try:
        application()(args=arguments)
    except SweeperError as error:
        return output.report(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else output.OK
    return output.OK


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(installed_version("sweeper") + "\n")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
]


def _options(version: Version = False) -> None:
    """Options before the command."""
