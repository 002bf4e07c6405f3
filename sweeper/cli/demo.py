"""`demo`: a small real study from nothing to its figure, over the same REST as everybody's."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper.cli import checks, numbers, options, progress
from sweeper.cli import home as homes
from sweeper.cli.output import (
    FAILURES,
    INTERRUPTED,
    UsageError,
    number,
    print_json,
    say,
)
from sweeper.cli.serve import interrupt
from sweeper.cli.specification import sweep_body
from sweeper.cli.supervisor import sweeper_command
from sweeper.client import Client, Json, Unreachable

START_TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.2

Process = subprocess.Popen[bytes]

Exit = Annotated[bool, typer.Option("--exit", help="Stop at the end instead of serving on.")]
Preset = Annotated[str, typer.Option(help="The ready-made sweep to run.")]
OwnPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to bind; default 8000, or a free one if it is not."),
]


def demo(
    leave: Exit = False,
    preset: Preset = "demo",
    port: OwnPort = None,
    data: options.Data = options.HOME,
    cpus: options.Cpus = None,
    as_json: options.AsJson = False,
) -> None:
    """Run a small real study: start the service, train a learning-rate sweep, show its curves.

    Starts the service on the home folder, or uses the one that is running there, submits the
    preset, follows it, and ends with a table and a figure. Then it serves on until Ctrl-C. What is
    trained is kept: a second run is done in seconds, and an interrupted one goes on.

    Example: sweeper demo --exit
    """
    body = sweep_body(None, preset)
    home = homes.prepare(data)
    signal.signal(signal.SIGTERM, interrupt)
    with _service(home, port, cpus) as (client, process):
        sweep = _submit(client, body, home)
        say(f"the sweep's page: {client.url}/sweeps/{sweep['id']}")
        try:
            ended = progress.follow(client, sweep["id"])
        except KeyboardInterrupt:
            say("stopping; what is trained is kept, and the next run goes on from there")
            raise typer.Exit(INTERRUPTED) from None
        _tell(client, ended, home, as_json)
        if not leave:
            _serve_on(client, sweep["id"], process)
    if ended["state"] != "done":
        raise typer.Exit(FAILURES)


@contextlib.contextmanager
def _service(
    home: Path, port: int | None, cpus: int | None
) -> Iterator[tuple[Client, Process | None]]:
    """A client of the service on the home folder: the one there, or one that ends with us."""
    found = homes.running(home)
    if found is not None:
        say(f"using the service at {found.url}")
        with Client(found.url) as client:
            yield client, None
        return
    read_end, write_end = os.pipe()
    log = home / "logs" / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            _command(home, _port(port), cpus, read_end),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[read_end],
            start_new_session=True,
        )
    try:
        with Client(_started(process, home, log)) as client:
            yield client, process
    finally:
        _stop(process)
        os.close(read_end)
        os.close(write_end)


def _command(home: Path, port: int, cpus: int | None, parent_fd: int) -> list[str]:
    limit = [] if cpus is None else ["--cpus", str(cpus)]
    return sweeper_command(
        *("serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(home)),
        *("--parent-fd", str(parent_fd)),
        *limit,
    )


def _port(port: int | None) -> int:
    """The port to ask for: a given one as it is, else 8000 while nobody has it."""
    if port is not None:
        return port
    import socket

    try:
        with socket.create_server(("127.0.0.1", 8000)):
            return 8000
    except OSError:
        return 0


def _started(process: Process, home: Path, log: Path) -> str:
    """The address of the service once it answers; `UsageError` with its last words if it ends."""
    say("starting the service")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UsageError(_last_words(log))
        found = homes.running(home)
        if found is not None and _answers(found.url):
            return found.url
        time.sleep(LOOK_EVERY_S)
    raise Unreachable(f"the service did not start in {START_TIMEOUT_S:g} s; its log: {log}")


def _answers(url: str) -> bool:
    from sweeper.client import Retries

    try:
        with Client(url, timeout_s=5.0, retries=Retries(attempts=1)) as client:
            client.health()
    except Unreachable:
        return False
    return True


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("sweeper: ") if lines else f"no reason given in {log}"
    return f"the service did not start: {last}"


def _stop(process: Process) -> None:
    """End the service and wait for it; a second Ctrl-C ends it at once."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(checks.grace_s() + 10)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _submit(client: Client, body: dict[str, Any], home: Path) -> Json:
    """The sweep of this body: the one of an earlier run, unless that one was given up or failed."""
    key = _idempotency_key(body, home)
    submission = client.submit(body, idempotency_key=key, confirm=True)
    if submission["state"] == "paused":
        client.resume(submission["id"])
    if submission["state"] in ("cancelled", "done_with_failures"):
        submission = client.submit(body, confirm=True)
    return submission


def _idempotency_key(body: dict[str, Any], home: Path) -> str:
    """Equal for runs that train the same: of the same sweep, with the same trainer and data."""
    from trainers import config, data

    sha256 = data.prepare_embedded(home / "datasets").sha256
    text = json.dumps([body, config.TRAINER_VERSION, sha256], sort_keys=True)
    return "demo-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _tell(client: Client, sweep: Json, home: Path, as_json: bool) -> None:
    curves = client.curves_json(sweep["id"])
    figure = home / "exports" / f"{sweep['name']}-{sweep['id']}.html"
    figure.parent.mkdir(exist_ok=True)
    figure.write_text(client.figure_html(sweep["id"]), encoding="utf-8")
    entropy = _bigram_entropy(home)
    if as_json:
        print_json(
            {
                "sweep": sweep,
                "curves": curves,
                "bigram_entropy": entropy,
                "figure": str(figure),
                "url": f"{client.url}/sweeps/{sweep['id']}",
            }
        )
        return
    numbers.print_stability(curves)
    say(f"losses in nats per byte; knowing only the byte before costs {number(entropy)}")
    say(f"{progress.counts(sweep)}")
    say(f"figure: {figure}")


def _bigram_entropy(home: Path) -> float:
    from trainers import data

    datasets = home / "datasets"
    return data.bigram_entropy(datasets, data.prepare_embedded(datasets))


def _serve_on(client: Client, sweep_id: str, process: Process | None) -> None:
    say(f"serving {client.url}/sweeps/{sweep_id}; Ctrl-C stops")
    with contextlib.suppress(KeyboardInterrupt):
        if process is None:
            signal.pause()
        elif process.wait():
            raise Unreachable(f"the service ended with exit code {process.returncode}")
