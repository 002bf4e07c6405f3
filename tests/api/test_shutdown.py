"""A service that is told to stop says goodbye to its event streams before it goes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.api.conftest import SPEC

SERVER = """
import socket, sys, uvicorn
sock = socket.create_server(("127.0.0.1", 0))
print(sock.getsockname()[1], flush=True)
config = uvicorn.Config("api.app:create_app", factory=True, log_level="warning")
uvicorn.Server(config).run(sockets=[sock])
"""


@pytest.mark.slow
def test_open_streams_end_with_bye(tmp_path: Path) -> None:
    environment = os.environ | {"SWEEPER_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
            sweep_id = answered(client).json()["id"]
            path = f"/api/v1/sweeps/{sweep_id}/events"
            with client.stream("GET", path, headers={"accept": "text/event-stream"}) as stream:
                lines = []
                for line in stream.iter_lines():
                    lines.append(line)
                    if line == "event: progress":
                        process.send_signal(signal.SIGTERM)
        assert "event: bye" in lines
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def answered(client: httpx2.Client) -> httpx2.Response:
    """The submission, once the server listens."""
    for _ in range(600):
        try:
            return client.post("/api/v1/sweeps", json=SPEC)
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server never answered")
