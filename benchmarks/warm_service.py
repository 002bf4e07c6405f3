"""A service that is up, with workers that have imported torch: what is timed begins after that."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.service import Service
from sweeper.storage.store import Store, open_store
from sweeper.trials import SweepState

POLL_S = 1.0
"""Rarely: each look takes time from the cores that are measured."""
DISPATCHER = (
    "import sys; from pathlib import Path; from sweeper.dispatch.dispatcher import Places, run;"
    "sys.exit(run(sys.argv[1], Places(Path(sys.argv[2])), cpus=int(sys.argv[3])))"
)


@contextmanager
def service(home: Path, cpus: int) -> Iterator[Store]:
    """A dispatcher in a process of its own, warm."""
    url = f"sqlite:///{home}/sweeper.db"
    with open_store(url) as store:
        command = [sys.executable, "-c", DISPATCHER, url, str(home), str(cpus)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            body = {
                "name": "warm",
                "axis": {"parameter": "lr", "values": [0.001 * n for n in range(1, cpus + 1)]},
                "optimizers": ["adamw"],
                "scales": ["nano"],
                "base": {"steps": 1},
            }
            finish(store, Service(store, home / "datasets").submit(body).sweep_id)
            yield store
        finally:
            process.terminate()
            process.wait()


def finish(store: Store, sweep_id: str) -> None:
    """Wait until a sweep has ended."""
    open_states = {SweepState.QUEUED, SweepState.RUNNING, SweepState.PAUSED}
    while store.sweeps.get(sweep_id).state in open_states:
        time.sleep(POLL_S)
