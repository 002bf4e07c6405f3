"""An S3 server of moto, as a process on loopback that keeps its buckets in memory."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from fsspec import get_filesystem_class

BUCKET = "sweeper"
PATIENCE_S = 60.0


@dataclass
class Server:
    """The server at a port of its own; it can be ended and started anew, empty, at the same one."""

    log: Path
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where checkpoints go."""
        return f"s3://{BUCKET}/checkpoints"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to find it and to be let in."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def start(self) -> None:
        """Start it, with one empty bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(OSError):
                connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
                with closing(connection):
                    connection.request("PUT", f"/{BUCKET}")
                    assert connection.getresponse().status == 200
                    return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """End it; what it kept is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server that ends with the block, whose environment this process has too."""
    started = Server(folder / "s3.log")
    before = dict(os.environ)
    os.environ.update(started.environment)
    get_filesystem_class("s3").clear_instance_cache()  # A client of another server, it may be.
    started.start()
    try:
        yield started
    finally:
        started.kill()
        get_filesystem_class("s3").clear_instance_cache()
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
