"""`reproduce`: a trial once more, and whether it comes out the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import Progress

from sweeper.cli import options
from sweeper.cli.output import FAILURES, UsageError, print_json, say, stderr
from sweeper.cli.sweeps import connected

if TYPE_CHECKING:
    from sweeper.reproduce import Original, Verdict


def reproduce(
    trial_id: Annotated[str, typer.Argument(help="Id of the trial.")],
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Default: what it was trained on.")
    ] = None,
    as_json: options.AsJson = False,
    data: options.Data = options.HOME,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Train a trial again as it was trained, and compare all its numbers bit for bit.

    It is trained in this process, in a stack of the same members, slots and threads, from the data
    sets of the home folder; nothing is stored. Exits 0 if every number is equal, 4 if one is not,
    and then says what is recorded to be different: device, versions, revision.

    Example: sweeper reproduce 4f0c6a1b2d3e4f50
    """
    from sweeper import reproduce as again

    with connected(data, url, key) as client:
        trial = client.trial(trial_id)
        try:
            wanted = again.original(trial, client.trial, device=device)
        except ValueError as error:
            raise UsageError(str(error)) from None
    try:
        with _bar(trial_id) as look:
            result = again.train_again(wanted, data.absolute() / "datasets", look)
    except ValueError as error:
        raise UsageError(f"it cannot be trained here: {error}") from None
    found = again.verdict(wanted, result)
    if as_json:
        print_json({"trial": trial_id, **asdict(found)})
    else:
        _tell(wanted, found)
    if not found.equal:
        raise typer.Exit(FAILURES)


COMMANDS: tuple[Callable[..., None], ...] = (reproduce,)


@contextmanager
def _bar(trial_id: str) -> Iterator[Callable[[int, int], None]]:
    console = stderr()
    if not console.is_terminal:
        yield lambda _step, _steps: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"trial {trial_id}")
        yield lambda step, steps: bar.update(task, completed=step, total=steps)


def _tell(wanted: "Original", found: "Verdict") -> None:
    for remark in found.remarks:
        say(f"note: {remark}")
    outcome, loss = wanted.numbers["outcome"], wanted.numbers["final_loss"]
    shown = outcome if loss is None else f"final loss {loss!r}"
    if found.equal:
        typer.echo(f"the same, bit for bit: {shown}")
    else:
        typer.echo("not the same:")
    for number in found.numbers:
        typer.echo(f"  {number.name}: {number.then!r} then, {number.now!r} now{_by(number)}")
    for fact in found.provenance:
        typer.echo(f"  recorded as different: {fact.name}: {fact.then} then, {fact.now} now")
    if not (found.equal or found.provenance):
        typer.echo("  nothing that is recorded is different")


def _by(number: Any) -> str:
    numeric = isinstance(number.then, float) and isinstance(number.now, float)
    return f", by {abs(number.then - number.now):.2g}" if numeric else ""
