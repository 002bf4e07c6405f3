"""`serve`, `api`, `dispatch`: the processes of the service."""

import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from sweeper import limits
from sweeper.cli import home as homes
from sweeper.cli import options
from sweeper.cli.checkpoints import checked_location
from sweeper.cli.output import UsageError, print_json, say
from sweeper.cli.supervisor import Child, stop_with_parent, sweeper_command
from sweeper.errors import SweeperError

GRACE_S = 30.0
"""How long the dispatcher may take to bring running stacks to a checkpoint."""
CONNECTIONS_GRACE_S = 3
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
    _check_timing()
    location = checked_location(checkpoints)
    with homes.held(home), _signals(parent_fd), _bound(host, port, trusted_network) as bound:
        _open_once(url)
        _export(home, url, host, bound, trusted_network, allowed_host)
        child = Child(
            sweeper_command(
                *("dispatch", "--devices", str(devices)),
                *_dispatch_arguments(home, ray_address, cpus),
                *_checkpoint_arguments(location, keep_checkpoints),
            ),
            log=_fresh_log(home),
            say=say,
        )
        address = _address(host, bound)
        child.start()
        try:
            homes.announce(home, address)
            _tell(address, home, as_json)
            _run_web(bound, on_signal=child.drain)
        finally:
            child.stop(GRACE_S)


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
    with _signals(None), _bound(host, port, trusted_network) as bound:
        _open_once(url)
        _export(home, url, host, bound, trusted_network, allowed_host)
        _tell(_address(host, bound), home, as_json)
        _run_web(bound, on_signal=lambda: None)


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
    _check_timing()
    location = checked_location(checkpoints)
    _open_once(url)
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


@contextlib.contextmanager
def _bound(host: str, port: int, trusted_network: bool) -> Iterator[socket.socket]:
    if not (trusted_network or is_loopback(host)):
        raise UsageError(
            f"there is no login yet, so only loopback can be bound, but got host={host}; "
            "--trusted-network binds it anyway, open to everybody who reaches it"
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=2048)
    except socket.gaierror as error:
        raise UsageError(f"cannot bind {host}:{port}: {error.strerror}") from None
    except OSError as error:
        raise UsageError(f"cannot bind {host}:{port}: {os.strerror(error.errno or 0)}") from None
    with bound:
        yield bound


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _open_once(url: str) -> None:
    """Create or migrate the embedded database; say what is wrong with any before more starts."""
    from sweeper.storage.store import open_store

    _check_plugins()
    _check_limits()
    open_store(url).close()


def _check_plugins() -> None:
    """Say what is wrong with a file of optimizers before anybody asks for one."""
    from trainers import optimizers

    try:
        optimizers.names()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _check_limits() -> None:
    """Say what is wrong with a limit before the web server would."""
    try:
        limits.confirm_above_hours()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _check_timing() -> None:
    """Say what is wrong with the seconds of the dispatcher before it is started again and again."""
    from sweeper.dispatch.messages import timing_from_environment

    try:
        timing_from_environment()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _export(
    home: Path,
    url: str,
    host: str,
    bound: socket.socket,
    trusted_network: bool,
    allowed_host: list[str] | None,
) -> None:
    """Hand the settings to the application, which reads them from its environment."""
    os.environ["SWEEPER_DATA"] = str(home)
    os.environ["SWEEPER_DATABASE"] = url
    os.environ["SWEEPER_HOST"] = host
    os.environ["SWEEPER_PORT"] = str(bound.getsockname()[1])
    os.environ["SWEEPER_TRUSTED_NETWORK"] = "1" if trusted_network else "0"
    if allowed_host:
        os.environ["SWEEPER_ALLOWED_HOSTS"] = ",".join(allowed_host)


def _run_web(bound: socket.socket, *, on_signal: Callable[[], None]) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            on_signal()
            super().handle_exit(sig, frame)

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    config = uvicorn.Config(
        "api.app:create_app",
        factory=True,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CONNECTIONS_GRACE_S,
    )
    try:
        Server(config).run(sockets=[bound])
    except SystemExit as end:
        # uvicorn's own exit codes mean other things than ours.
        raise SweeperError("the web server did not start; the lines above say why") from end


def _address(host: str, bound: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}"


def _tell(address: str, home: Path, as_json: bool) -> None:
    if as_json:
        print_json({"url": address, "pid": os.getpid(), "data": str(home)})
        sys.stdout.flush()
    say(f"serving {address} from {home}; Ctrl-C stops")
    if not is_loopback(os.environ["SWEEPER_HOST"]) and not os.environ.get("SWEEPER_ALLOWED_HOSTS"):
        say("only requests to a loopback name are answered; --allowed-host adds further names")


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
