"""Commands for living with many sweeps: what people say of them, archiving, deleting, disk use."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from sweeper.cli import options
from sweeper.cli.output import UsageError, print_json, print_table, say
from sweeper.cli.sweeps import connected, resolve
from sweeper.client import Json
from sweeper.errors import NotFound


def edit(
    sweep_id: options.SweepId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    note: Annotated[str | None, typer.Option(help="A note; an empty one takes it away.")] = None,
    priority: Annotated[
        int | None, typer.Option(help="Higher goes first, from now on; from -100 to 100.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Add a tag; repeatable.")] = None,
    untag: Annotated[
        list[str] | None, typer.Option("--untag", help="Take a tag away; repeatable.")
    ] = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Change the name, note, priority or tags of a sweep.

    Examples: sweeper edit latest --priority 10; sweeper edit latest --name baseline --tag paper
    """
    given = {"name": name, "note": note, "priority": priority}
    changes: Json = {key_: value for key_, value in given.items() if value is not None}
    with connected(data, url, key) as client:
        found = resolve(client, sweep_id)
        if tag or untag:
            changes["tags"] = _tags(client.sweep(found)["tags"], tag or (), untag or ())
        if not changes:
            raise UsageError("give at least one of --name, --note, --priority, --tag, --untag")
        _show(client.edit(found, **changes), as_json)


def archive(
    sweep_id: options.SweepId,
    undo: Annotated[bool, typer.Option("--undo", help="Back into the list.")] = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Leave a sweep that is not at work out of lists; `ls --archived` shows it.

    Example: sweeper archive latest
    """
    with connected(data, url, key) as client:
        _show(client.edit(resolve(client, sweep_id), archived=not undo), as_json)


def delete(
    sweep_id: options.SweepId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Delete a sweep that has ended, with the results that no other sweep has.

    Example: sweeper delete 3f0a9c51d2e4b687 --yes
    """
    with connected(data, url, key) as client:
        sweep = client.sweep(resolve(client, sweep_id))
        if not yes:
            _ask(sweep)
        answer = client.delete(sweep["id"])
    if not answer["deleted"]:
        raise NotFound(f"there is no sweep {sweep['id']!r}")
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer['id']}: deleted, {answer['points']} points, {answer['trials']} trials")


def du(
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Say how much room everything takes, and the sweeps, the largest first.

    Trials that are a sweep's own, with their measurements, go with it when it is deleted.

    Example: sweeper du
    """
    with connected(data, url, key) as client:
        use = client.disk()
    if as_json:
        print_json(use)
        return
    parts = ("database", "checkpoints", "datasets", "free")
    say(", ".join(f"{part} {decimal(use[part])}" for part in parts))
    columns = ("id", "database", "checkpoints", "own trials", "measurements", "name")
    print_table(columns, map(_use_row, use["sweeps"]))


COMMANDS: tuple[Callable[..., None], ...] = (edit, archive, delete, du)


def _tags(there: list[str], more: Any, less: Any) -> list[str]:
    missing = [tag for tag in less if tag not in there]
    if missing:
        known = ", ".join(there) or "none"
        raise UsageError(f"the sweep has no tag {missing[0]!r}; it has: {known}")
    return sorted({*there, *more} - {*less})


def _show(sweep: Json, as_json: bool) -> None:
    if as_json:
        print_json(sweep)
        return
    said = [f"priority {sweep['priority']}", *(f"#{tag}" for tag in sweep["tags"])]
    said += ["archived"] * sweep["archived"]
    typer.echo(f"{sweep['id']}: {sweep['name']}; {' '.join(said)}")


def _ask(sweep: Json) -> None:
    points = sweep["points"]["total"]
    typer.confirm(f"Delete {sweep['name']!r} with its {points} points?", abort=True, err=True)


def _use_row(sweep: Json) -> tuple[str, ...]:
    return (
        sweep["id"],
        decimal(sweep["database"]),
        decimal(sweep["checkpoints"]),
        f"{sweep['own_trials']}/{sweep['trials']}",
        f"{sweep['measurements']:,}",
        sweep["name"],
    )
