"""`serve`, `api`, `dispatch`: the processes of the service."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from sweeper.cli import checks, options, web
from sweeper.cli import home as homes
from sweeper.cli.checkpoints import checked_location
from sweeper.cli.output import print_json, say
from sweeper.cli.supervisor import Child, stop_with_parent, sweeper_command

MAX_LOG_BYTES = 10_000_000


def serve(
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    data: options.Data = options.HOME,
    database: options.Database = None,
    ray_address: options.RayAddress = None,
    cpus: options.Cpus = None,
    devices: options.Devices = 1,
    checkpoints: options.Checkpoints = None,
    keep_checkpoints: options.KeepCheckpoints = False,
    trusted_network: options.TrustedNetwork = False,
    allowed_host: options.AllowedHosts = None,
    as_json: options.AsJson = False,
    parent_fd: options.ParentFd = None,
) -> None:
    """Serve pages and REST, and train: everything in one command.

    Starts the web server in this process and the dispatcher, which trains through Ray Tune, as a
    supervised child. Ctrl-C (or SIGTERM) brings running work to a checkpoint and ends both; the
    next start goes on from there. The log of the dispatcher is logs/dispatcher.log in the home
    folder.

    Example: sweeper serve --port 8123 --data ~/sweeps
    """
    home = homes.prepare(data)
    url = homes.database_url(home, database)
    location, grace_s = checked_location(checkpoints), checks.grace_s()
    with homes.held(home), _signals(parent_fd), web.listening(host, port, trusted_network) as bound:
        checks.open_once(url)
        web.export(home, url, host, bound, trusted_network, allowed_host)
        child = Child(
            sweeper_command(
                *("dispatch", "--devices", str(devices)),
                *_dispatch_arguments(home, ray_address, cpus),
                *_checkpoint_arguments(location, keep_checkpoints),
            ),
            log=_fresh_log(home),
            say=say,
        )
        address = web.address(host, bound)
        child.start()
        try:
            homes.announce(home, address)
            web.tell(address, home, as_json)
            web.run(bound, on_signal=child.drain)
        finally:
            child.stop(grace_s)


def api(
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    data: options.Data = options.HOME,
    database: options.Database = None,
    trusted_network: options.TrustedNetwork = False,
    allowed_host: options.AllowedHosts = None,
    as_json: options.AsJson = False,
) -> None:
    """Serve pages and REST only; a `sweeper dispatch` elsewhere trains.

    Any number of these may share one PostgreSQL database. It never talks to Ray.

    Example: sweeper api --database postgresql://sweeper@db/sweeper
    """
    home = homes.prepare(data)
    url = homes.database_url(home, database)
    with _signals(None), web.listening(host, port, trusted_network) as bound:
        checks.open_once(url)
        web.export(home, url, host, bound, trusted_network, allowed_host)
        web.tell(web.address(host, bound), home, as_json)
        web.run(bound, on_signal=lambda: None)


def dispatch(
    data: options.Data = options.HOME,
    database: options.Database = None,
    ray_address: options.RayAddress = None,
    cpus: options.Cpus = None,
    devices: options.Devices = 1,
    checkpoints: options.Checkpoints = None,
    keep_checkpoints: options.KeepCheckpoints = False,
    as_json: options.AsJson = False,
    parent_fd: options.ParentFd = None,
) -> None:
    """Train what the database asks for, through Ray Tune, until SIGTERM or Ctrl-C.

    One dispatcher acts; further ones on the same database stand by and take over when it dies.
    SIGTERM brings running work to a checkpoint first; a second one stops at once.

    Example: sweeper dispatch --database postgresql://sweeper@db/sweeper --ray-address head:6379
    """
    home = homes.prepare(data)
    url = homes.database_url(home, database)
    checks.grace_s()
    location = checked_location(checkpoints)
    checks.open_once(url)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from sweeper.dispatch import dispatcher

    if as_json:
        print_json({"pid": os.getpid(), "data": str(home)})
    status = dispatcher.run(
        url,
        dispatcher.Places(home, location, keep_checkpoints),
        address=ray_address,
        cpus=cpus,
        devices=devices,
        parent_fd=parent_fd,
    )
    raise typer.Exit(status)


@contextlib.contextmanager
def _signals(parent_fd: int | None) -> Iterator[None]:
    """End the block, quietly, at SIGTERM, Ctrl-C or the end of the parent."""
    signal.signal(signal.SIGTERM, interrupt)
    if parent_fd is not None:
        stop_with_parent(parent_fd)
    with contextlib.suppress(KeyboardInterrupt):
        yield


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Take the signal for Ctrl-C."""
    raise KeyboardInterrupt


def _dispatch_arguments(home: Path, ray_address: str | None, cpus: int | None) -> Iterator[str]:
    # The database goes by environment: an argument would show its password to every user.
    yield from ("--data", str(home))
    if ray_address is not None:
        yield from ("--ray-address", ray_address)
    if cpus is not None:
        yield from ("--cpus", str(cpus))


def _checkpoint_arguments(location: str | None, keep: bool) -> Iterator[str]:
    if location is not None:
        yield from ("--checkpoints", location)
    if keep:
        yield "--keep-checkpoints"


def _fresh_log(home: Path) -> Path:
    log = home / "logs" / "dispatcher.log"
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log
