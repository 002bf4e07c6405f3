"""The web server of `serve` and `api`: its socket, its settings, its run."""

import contextlib
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from sweeper.cli.output import UsageError, print_json, say
from sweeper.errors import SweeperError

CONNECTIONS_GRACE_S = 3


@contextlib.contextmanager
def listening(host: str, port: int, trusted_network: bool) -> Iterator[socket.socket]:
    """A socket bound there, for the block; UsageError if it cannot be, or must not."""
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


def export(
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


def run(bound: socket.socket, *, on_signal: Callable[[], None]) -> None:
    """Serve until a signal comes; `on_signal` is called then, in its handler."""
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


def address(host: str, bound: socket.socket) -> str:
    """Where the service answers."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}"


def tell(address: str, home: Path, as_json: bool) -> None:
    """Say where it serves."""
    if as_json:
        print_json({"url": address, "pid": os.getpid(), "data": str(home)})
        sys.stdout.flush()
    say(f"serving {address} from {home}; Ctrl-C stops")
    if not is_loopback(os.environ["SWEEPER_HOST"]) and not os.environ.get("SWEEPER_ALLOWED_HOSTS"):
        say("only requests to a loopback name are answered; --allowed-host adds further names")
