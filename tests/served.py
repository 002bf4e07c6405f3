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


def start(home: Path, *options: str) -> Served:
    """Start `sweeper serve` on a free port; it ends with this process at the latest."""
    read_end, write_end = os.pipe()
    command = ["serve", "--port", "0", "--data", str(home), "--parent-fd", str(read_end)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeper.cli", *command, "--json", *options],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=[read_end],
    )
    os.close(read_end)
    os.set_inheritable(write_end, False)
    assert process.stdout is not None
    announced = ""
    while not announced.endswith("}\n"):
        line = process.stdout.readline()
        assert line, f"the service ended: see {home / 'logs'}"
        announced += line
    process.stdout.close()
    return Served(url=json.loads(announced)["url"], home=home, process=process)


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
