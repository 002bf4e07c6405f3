"""Commands that change a sweep, over REST: steering it and adding to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli import options, progress
from sweeper.cli.output import print_json, say
from sweeper.cli.sweeps import Wait, connected, follow_to_end, resolve
from sweeper.client import Client, Json


def cancel(
    sweep_id: options.SweepId,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """End a sweep; what other sweeps want of it is trained on, and `retry` brings it back.

    Example: sweeper cancel latest
    """
    _steer(Client.cancel, sweep_id, as_json, data, url, key)


def pause(
    sweep_id: options.SweepId,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Hold a sweep: running work is saved, nothing more of it starts until `resume`.

    Example: sweeper pause latest
    """
    _steer(Client.pause, sweep_id, as_json, data, url, key)


def resume(
    sweep_id: options.SweepId,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Go on with a paused sweep, from its checkpoints.

    Example: sweeper resume latest
    """
    _steer(Client.resume, sweep_id, as_json, data, url, key)


def retry(
    sweep_id: options.SweepId,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Train the failed and cancelled points of a sweep anew; results stay as they are.

    Example: sweeper retry latest
    """
    with connected(data, url, key) as client:
        answer = client.retry(resolve(client, sweep_id))
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer['retried']} trials again")


def extend(
    sweep_id: options.SweepId,
    value: Annotated[
        list[float] | None, typer.Option("--value", help="A further value; repeatable.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="A further seed; repeatable.")
    ] = None,
    curve: Annotated[
        list[str] | None,
        typer.Option("--curve", help="Only this curve, by its label; repeatable."),
    ] = None,
    wait: Wait = False,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Add points to a sweep: every given value with every given seed.

    Without values those of the curve get the new seeds; without seeds the new values get those of
    the curve. What is there already is left as it is, and a sweep that is done has work again.

    Examples: sweeper extend latest --value 0.3 --value 1; sweeper extend latest --seed 3 --seed 4
    """
    with connected(data, url, key) as client:
        found = resolve(client, sweep_id)
        answer = client.extend(found, values=value, seeds=seed, variants=curve)
        trials = answer["trials"]
        said = (
            f"points: {answer['added']} added, {answer['there']} there already; "
            f"trials: {trials['new']} new, {trials['shared']} there already"
        )
        if wait:
            say(said)
            follow_to_end(client, found, as_json)
        elif as_json:
            print_json(answer)
        else:
            typer.echo(said)


COMMANDS: tuple[Callable[..., None], ...] = (cancel, pause, resume, retry, extend)


def _steer(
    verb: Callable[[Client, str], Json],
    sweep_id: str,
    as_json: bool,
    data: Path,
    url: str | None,
    key: str | None,
) -> None:
    with connected(data, url, key) as client:
        sweep = verb(client, resolve(client, sweep_id))
    if as_json:
        print_json(sweep)
    else:
        typer.echo(f"{sweep['id']}: {sweep['state']}, {progress.counts(sweep)}")
