"""Following a sweep at the terminal: a bar with what is running and the time left."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sweeper.cli.output import say, stderr
from sweeper.client import PAUSED, Client, Json

LOOK_EVERY_S = 1.0


def counts(sweep: Json) -> str:
    """The points of a sweep in words; what there is none of is left out."""
    points = sweep["points"]
    states = ("done", "running", "pending", "failed", "cancelled")
    parts = [f"{points[state]} {state}" for state in states if points[state]]
    diverged = [f"{points['diverged']} of them diverged"] if points["diverged"] else []
    return ", ".join([*parts, *diverged]) + f" of {points['total']} points"


def follow(client: Client, sweep_id: str) -> Json:
    """The sweep once it has ended or is paused, which is said with its reason.

    Meanwhile a bar on stderr, or lines where nobody watches.
    """
    with _bar() as bar:
        shown = _Lines() if bar is None else _Bar(*bar)
        sweep = client.wait(
            sweep_id, poll_s=LOOK_EVERY_S, progress=lambda sweep: shown.look(client, sweep)
        )
    if sweep["state"] == PAUSED:
        say(f"{_why_paused(client, sweep_id)}; `sweeper resume {sweep_id}` goes on with it")
    return sweep


def say_state(client: Client, sweep: Json) -> None:
    """How far a sweep is, and why the last trial that failed did."""
    say(f"{sweep['name']}: {sweep['state']}, {counts(sweep)}")
    if sweep["points"]["failed"]:
        say(f"the last failure: {_last_message(client, sweep['id'], 'trial_failed')}")


def _why_paused(client: Client, sweep_id: str) -> str:
    # Somebody may have let it go on meanwhile, but then it had been paused before.
    reason = _last_message(client, sweep_id, PAUSED)
    return f"paused: {reason}" if reason else PAUSED


def _last_message(client: Client, sweep_id: str, kind: str) -> str:
    events = client.past_events(sweep_id)
    return next((e["message"] for e in reversed(events) if e["kind"] == kind), "")


@contextmanager
def _bar() -> Iterator[tuple[Progress, TaskID] | None]:
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    columns = (
        TaskProgressColumn(),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, speed_estimate_period=60) as progress:
        yield progress, progress.add_task("starting", total=1.0)


class _Bar:
    """A bar at a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def look(self, client: Client, sweep: Json) -> None:
        steps = _running_steps(client, sweep)
        self._progress.update(
            self._task,
            completed=finished_share(sweep, steps),
            description=f"{counts(sweep)}{_now(steps)}",
        )


class _Lines:
    """A line whenever the counts have changed, for logs."""

    def __init__(self) -> None:
        self._last = ""

    def look(self, _client: Client, sweep: Json) -> None:
        line = counts(sweep)
        if line != self._last:
            self._last = line
            say(f"{sweep['name']}: {line}")


def finished_share(sweep: Json, steps: Mapping[str, tuple[int, int, int]]) -> float:
    """The share of a sweep's work that is done: its ended points, and running ones in part.

    `steps` gives per label how many points run, at which step of how many.
    """
    points = sweep["points"]
    ended = points["done"] + points["failed"] + points["cancelled"]
    partly = sum(running * step / of for running, step, of in steps.values())
    return float((ended + partly) / max(1, points["total"]))


def _running_steps(client: Client, sweep: Json) -> dict[str, tuple[int, int, int]]:
    """Per label: running points, and the step of one of them, which its stack shares."""
    if not sweep["points"]["running"]:
        return {}
    running: dict[str, list[str]] = {}
    for row in client.trials(sweep["id"], state="running"):
        running.setdefault(row["label"], []).append(row["trial_id"])
    found = {label: (len(ids), client.trial(ids[0])) for label, ids in running.items()}
    return {
        label: (count, trial["step"] or 0, trial["config"]["steps"])
        for label, (count, trial) in found.items()
    }


def _now(steps: Mapping[str, tuple[int, int, int]]) -> str:
    shown = [f"{label} at step {step} of {of}" for label, (_, step, of) in steps.items()]
    return "; " + ", ".join(shown) if shown else ""
