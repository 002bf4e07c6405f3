"""`data`: preparing, listing and checking the token data sets of the home folder."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sweeper.cli import home as homes
from sweeper.cli import options
from sweeper.cli.output import INTERRUPTED, UsageError, print_json, print_table, say, stderr
from sweeper.errors import NotFound, StorageFull, SweeperError

if TYPE_CHECKING:
    from sweeper.datasets import prepare as preparing

app = typer.Typer(no_args_is_help=True, help="Prepare, list and check token data sets.")

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Text, JSONL, Parquet or Arrow files, .gz and .zst among them; folders of such; "
        "or a data set of the Hugging Face hub, as allenai/c4/en.",
    ),
]
Name = Annotated[str, typer.Option("--name", help="What sweeps call it.")]
Tokenizer = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        help="`bytes`, a SentencePiece model, a tokenizer.json, or a name on the hub, as t5-base.",
    ),
]
Validation = Annotated[
    list[str] | None,
    typer.Option(
        "--validation",
        help="Held-out documents; default: one in sixteen. Repeatable.",
        metavar="FILE",
    ),
]


@app.command()
def prepare(
    files: Files,
    name: Name,
    tokenizer: Tokenizer,
    validation: Validation = None,
    data: options.Data = options.HOME,
    as_json: options.AsJson = False,
) -> None:
    """Make a token data set from documents, on all cores.

    The text is the field `text` of JSONL, Parquet and Arrow files. A text file is one document; a
    long one is cut at empty lines. A process that was stopped or killed is gone on with by the
    same command, and ends with the same bytes; one that is done stays as it is.

    Examples: sweeper data prepare c4/*.json.gz --name c4 --tokenizer spiece.model;
    sweeper data prepare book.txt --name book --tokenizer bytes
    """
    folder = homes.prepare(data) / "datasets"
    with told():
        from sweeper.datasets import prepare as preparing
        from sweeper.datasets.sources import find_sources
        from sweeper.datasets.tokenizers import find_tokenizer

        plan = preparing.Plan(
            name=name,
            sources=find_sources(files, validation or ()),
            tokenizer=find_tokenizer(tokenizer),
        )
        workers = len(os.sched_getaffinity(0))
        try:
            _follow(preparing.prepare(plan, folder, workers=workers))
        except KeyboardInterrupt:
            say("stopped: the same command goes on after the last finished shard")
            raise typer.Exit(INTERRUPTED) from None
    described = _described(folder, name)
    if as_json:
        print_json(described)
    else:
        say(f"prepared '{name}': {described['tokens']:,} tokens in {folder / name}")


@app.command()
def ls(data: options.Data = options.HOME, as_json: options.AsJson = False) -> None:
    """List the data sets that sweeps can name; exits 2 if one cannot be read.

    Example: sweeper data ls
    """
    folder = homes.prepare(data) / "datasets"
    with told():
        from trainers.data import prepare_embedded
        from trainers.token_files import known_names

        prepare_embedded(folder)
        names = known_names(folder)
    found, unreadable = [], []
    for name in names:
        try:
            found.append(_described(folder, name))
        except ValueError as error:
            unreadable.append(str(error))
    if as_json:
        print_json(found)
    else:
        columns = ("name", "tokens", "held out", "vocabulary", "tokenizer", "sha256")
        print_table(columns, map(_row, found))
    if unreadable:
        raise UsageError("; ".join(unreadable))


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="The data set.")],
    data: options.Data = options.HOME,
    as_json: options.AsJson = False,
) -> None:
    """Read all of a data set and compare it with its manifest; exits 2 if a byte is wrong.

    Example: sweeper data verify c4
    """
    folder = homes.prepare(data) / "datasets"
    from trainers import data as datasets
    from trainers.token_files import known_names

    if name == datasets.EMBEDDED:
        datasets.prepare_embedded(folder)
    if name not in known_names(folder):
        known = ", ".join(known_names(folder)) or "none"
        raise NotFound(f"unknown data set '{name}' in {folder}; known: {known}")
    with told():
        datasets.verify(folder, datasets.dataset(folder, name))
    described = _described(folder, name)
    if as_json:
        print_json(described)
    else:
        say(f"'{name}' is whole: {described['files']} files, {described['tokens']:,} tokens")


@contextmanager
def told() -> Iterator[None]:
    """What a user can cause, and what a machine lacks, as errors that are one line."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT, EFBIG):
            raise StorageFull(f"{error}: make room, then give the same command again") from None
        raise UsageError(str(error)) from None
    except BrokenExecutor:
        raise SweeperError(
            "a worker was killed, as happens for want of memory; the same command goes on "
            "after the last finished shard"
        ) from None


def _described(folder: Path, name: str) -> dict[str, Any]:
    """The numbers of a data set."""
    from trainers.token_files import MANIFEST, TRAIN, VALIDATION, read_manifest

    manifest = read_manifest(folder / name)
    plain = json.loads((folder / name / MANIFEST).read_text())
    return {
        "name": name,
        "tokens": manifest.num_tokens(TRAIN),
        "validation_tokens": manifest.num_tokens(VALIDATION),
        "vocabulary": manifest.vocabulary,
        "tokenizer": plain.get("tokenizer", {}).get("name", "bytes"),
        "files": len(manifest.files),
        "sha256": manifest.sha256,
    }


def _row(described: dict[str, Any]) -> tuple[str, ...]:
    return (
        described["name"],
        f"{described['tokens']:,}",
        f"{described['validation_tokens']:,}",
        f"{described['vocabulary']:,}",
        described["tokenizer"],
        described["sha256"][:12],
    )


def _follow(steps: "Iterator[preparing.Progress]") -> None:
    """A bar on stderr; where nobody watches, a line for every finished shard."""
    console = stderr()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shards = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        for step in steps:
            text = (
                f"{step.documents:,} documents, {step.text_bytes / 1e6:,.0f} MB of text, "
                f"{step.shards} shards"
            )
            bar.update(task, description=text, completed=step.read_bytes, total=step.total_bytes)
            if not console.is_terminal and step.shards > shards:
                shards = step.shards
                say(text)
