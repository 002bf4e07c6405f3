"""Commands on sweeps, over REST: submit, look, follow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli import forecasts, home, numbers, options, progress
from sweeper.cli import specification as given
from sweeper.cli.output import FAILURES, UsageError, number, print_json, print_table, say
from sweeper.client import Client, Json, Retries
from sweeper.errors import NotFound

Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end, as `watch` does.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would train.")]

Confirm = Annotated[
    bool, typer.Option("--confirm", help="Even if it takes longer than the service's limit.")
]


STATES = "queued, running, paused, done, done_with_failures or cancelled"


@contextmanager
def connected(data: Path, url: str | None, key: str | None) -> Iterator[Client]:
    """A client of the service that was named, or that serves the home folder."""
    try:
        opened = Client(home.service_url(data, url), key=key, retries=Retries(attempts=3))
    except ValueError as error:
        raise UsageError(str(error)) from None
    with opened as client:
        yield client


def resolve(client: Client, sweep_id: str) -> str:
    """The id; `latest` is that of the newest sweep."""
    if sweep_id != "latest":
        return sweep_id
    newest = next(client.sweeps(limit=1), None)
    if newest is None:
        raise NotFound("there is no sweep yet")
    return str(newest["id"])


def submit(
    source: given.Source = None,
    preset: given.Preset = None,
    name: given.Name = None,
    scale: given.Scales = None,
    seed: given.Seeds = None,
    steps: given.Steps = None,
    priority: given.Priority = None,
    fresh: given.Fresh = False,
    centre: given.Centre = None,
    wait: Wait = False,
    dry_run: DryRun = False,
    confirm: Confirm = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Submit a sweep; it is trained as soon as there is room.

    The file holds what REST takes: an axis (parameter and values), optimizers, and if wanted
    scales, seeds and settings. The options replace parts of it. Prints the id of the sweep.

    Examples: sweeper submit sweep.yaml --wait; sweeper submit --preset lr --scale micro --seed 0
    """
    body = given.sweep_body(
        source,
        preset,
        name=name,
        scales=scale,
        seeds=seed,
        steps=steps,
        priority=priority,
        fresh=fresh,
        centre=centre,
    )
    with connected(data, url, key) as client:
        if dry_run:
            _show_preview(client.preview(body), as_json)
            return
        submission = forecasts.submit(client, body, confirmed=confirm)
        trials = submission["trials"]
        say(f"{trials['total']} trials: {trials['new']} new, {trials['shared']} there already")
        if wait:
            follow_to_end(client, submission["id"], as_json)
        elif as_json:
            print_json(submission)
        else:
            typer.echo(submission["id"])


def preview(
    source: given.Source = None,
    preset: given.Preset = None,
    scale: given.Scales = None,
    seed: given.Seeds = None,
    steps: given.Steps = None,
    centre: given.Centre = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Say what a sweep would train and how much of it is there already; nothing is stored.

    Example: sweeper preview --preset momentum --scale micro
    """
    body = given.sweep_body(source, preset, scales=scale, seeds=seed, steps=steps, centre=centre)
    with connected(data, url, key) as client:
        _show_preview(client.preview(body), as_json)


def ls(
    state: Annotated[str | None, typer.Option(help=f"Only sweeps that are {STATES}.")] = None,
    search: Annotated[str | None, typer.Option(help="Only names that contain this.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only sweeps with this tag.")] = None,
    archived: Annotated[
        bool, typer.Option("--archived", help="The archived ones instead of the others.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """List sweeps, newest first.

    Example: sweeper ls --state running
    """
    asked = {"state": state, "search": search, "tag": tag, "archived": "true" if archived else None}
    filters = {k: v for k, v in asked.items() if v is not None}
    with connected(data, url, key) as client:
        found = list(islice(client.sweeps(limit=limit, **filters), limit))
    if as_json:
        print_json(found)
        return
    columns = ("id", "state", "points", "parameter", "name", "tags", "best")
    print_table(columns, (_sweep_row(sweep) for sweep in found))


def show(
    sweep_id: options.SweepId = "latest",
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Show one sweep: its state, and best value, loss, sensitivity and basin of every curve.

    Of a search, the best candidate of every optimizer with its values.

    Example: sweeper show latest
    """
    with connected(data, url, key) as client:
        sweep = client.sweep(resolve(client, sweep_id))
        if as_json:
            print_json(numbers.as_json(client, sweep))
            return
        progress.say_state(client, sweep)
        numbers.print_summary(client, sweep)


def watch(
    sweep_id: options.SweepId = "latest",
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Follow a sweep to its end; exits 4 if it ended with failures or cancelled points.

    It also exits 4, and says why, when the sweep is paused: by request, or by itself when its
    first trials all failed or the disk is full.

    Ctrl-C ends the watching, not the sweep.

    Example: sweeper watch latest && sweeper export latest -o results.csv
    """
    with connected(data, url, key) as client:
        follow_to_end(client, resolve(client, sweep_id), as_json)


def curves(
    sweep_id: options.SweepId = "latest",
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Print the points of every curve: mean final loss, its interval, and how many diverged.

    Of a search, every candidate with its loss and values.

    Example: sweeper curves latest --json | jq '.[].stability'
    """
    with connected(data, url, key) as client:
        found = resolve(client, sweep_id)
        if as_json:
            print_json(client.curves_json(found))
        else:
            numbers.print_points(client, client.sweep(found))


COMMANDS: tuple[Callable[..., None], ...] = (
    submit,
    preview,
    ls,
    show,
    watch,
    curves,
)


def follow_to_end(client: Client, sweep_id: str, as_json: bool) -> None:
    """Follow a sweep and print its numbers; exits 4 unless it is done."""
    sweep = progress.follow(client, sweep_id)
    if as_json:
        print_json(numbers.as_json(client, sweep))
    else:
        numbers.print_summary(client, sweep)
    if sweep["state"] != "done":
        progress.say_state(client, sweep)
        raise typer.Exit(FAILURES)


def _show_preview(found: Json, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    curves = f"{found['variants']} curves, {found['points']} points"
    typer.echo(f"{curves}, {forecasts.summary(found)}")


def _sweep_row(sweep: Json) -> tuple[str, ...]:
    points, best = sweep["points"], sweep["best"]
    ended = points["done"] + points["failed"] + points["cancelled"]
    shown = "-" if best is None else f"{best['label']} {best['value']:g}: {number(best['loss'])}"
    done = f"{ended}/{points['total']}"
    tags = " ".join(sweep["tags"])
    return sweep["id"], sweep["state"], done, sweep["parameter"], sweep["name"], tags, shown
