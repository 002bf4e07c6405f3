"""What a preview says, in words; and whether to submit a sweep that needs confirmation."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from sweeper.cli.output import number
from sweeper.client import Client, Json
from sweeper.errors import NeedsConfirmation

SOURCES = {
    "measured": "times as stacks like these took on this device",
    "model": "times by a model, as no stack like these has run here",
    "both": "times partly by a model, as not every kind of stack has run here",
}
UNITS = ((3600.0, "h"), (60.0, "min"), (0.0, "s"))


def summary(found: Json) -> str:
    """The whole of a preview in one line: trials, operations, hours, and where hours come from."""
    trials = found["trials"]
    counted = (
        f"{trials['total']} trials: {trials['new']} new, {trials['shared']} there already; "
        f"{found['tokens']:,} tokens and {found['flops']:.3g} operations to train"
    )
    hours = _hours(found["forecast"]) if trials["new"] else ()
    rounds = f"its rounds may add {found['may_add']} more at most"
    return "; ".join([counted, *hours, *[rounds] * bool(found["may_add"])])


def _hours(forecast: Json) -> Iterator[str]:
    machine = forecast["machine"]
    devices = f"{machine['gpus']} GPUs" if machine["gpus"] else f"{machine['cpus']} CPU cores"
    unit = "GPU-hours" if machine["gpus"] else "core-hours"
    yield f"{number(forecast['device_hours'], 3)} {unit}"
    yield f"{duration(3600 * forecast['wall_hours'])} on {devices}"
    yield SOURCES[forecast["source"]]
    if forecast["unfit"]:
        yield f"{forecast['unfit']} trials fit into no device here"
    if not forecast["machine_known"]:
        yield "no dispatcher has told yet what it trains on: the server's own cores are assumed"


def duration(seconds: float) -> str:
    """A time in the largest unit that it has one of."""
    size, name = next((size, name) for size, name in UNITS if seconds >= size)
    return f"{seconds / (size or 1.0):.3g} {name}"


def submit(client: Client, body: dict[str, Any], *, confirmed: bool) -> Json:
    """The submission; a person at the terminal is asked where the service wants confirmation."""
    try:
        return client.submit(body, confirm=confirmed)
    except NeedsConfirmation as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NeedsConfirmation(f"{error}; --confirm submits it") from None
        typer.confirm(f"{error}. Submit it?", abort=True, err=True)
        return client.submit(body, confirm=True)
