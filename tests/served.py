"""One real service for all tests that need one: started by the first, ended with the test run."""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.client import Client
from tests.cli.processes import environment

TINY: dict[str, Any] = {
    "name": "tiny",
    "axis": {"parameter": "lr", "values": [0.001, 0.01, 0.1]},
    "optimizers": ["adamw", "sgd"],
    "base": {"steps": 10, "eval_sequences": 8},
}
"""Six trials of ten steps: seconds."""


@dataclass(frozen=True)
class Served:
    """Where the service answers, where its home folder is, and its process."""

    url: str
    home: Path
    process: "subprocess.Popen[str]"


def start(home: Path, *options: str, command: str = "serve") -> Served:
    """Start `sweeper serve` (or `api`) on a free port; it answers when this returns."""
    read_end, _ = os.pipe()
    # Should this process be killed, its end of the pipe closes, and the service ends too.
    parent = ["--parent-fd", str(read_end)] if command == "serve" else []
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sweeper.cli", command),
            *("--port", "0", "--data", str(home), "--json", *parent, *options),
        ],
        pass_fds=[read_end],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    os.close(read_end)
    assert process.stdout is not None
    announced = ""
    while not announced.endswith("}\n"):
        line = process.stdout.readline()
        assert line, f"the service ended: see {home / 'logs'}"
        announced += line
    process.stdout.close()
    served = Served(url=json.loads(announced)["url"], home=home, process=process)
    with Client(served.url) as client:
        client.health()
    return served


def stop(served: Served) -> int:
    """Ask it to end; the exit code."""
    if served.process.poll() is None:
        served.process.terminate()
    return served.process.wait(60)


@functools.cache
def service() -> Served:
    """The service that tests share; they submit sweeps of their own and leave it running."""
    folder = Path(tempfile.mkdtemp(prefix="sweeper-served-"))
    served = start(folder / "home")

    def end() -> None:
        stop(served)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return served


@functools.cache
def finished_sweep() -> str:
    """The id of a tiny sweep that has been trained on the shared service."""
    with Client(service().url) as client:
        sweep_id: str = client.submit(TINY)["id"]
        assert client.wait(sweep_id, timeout_s=240)["state"] == "done"
    return sweep_id
