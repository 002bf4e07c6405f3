"""A cluster that was started by others: joined, asked what it has, and lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweeper.dispatch.devices import cpu_name
from sweeper.dispatch.failpoints import VARIABLE
from sweeper.storage.store import open_store
from tests.dispatch import tiny

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.timeout(240)]

STEPS = 300


@contextmanager
def _cluster(token: str, *failpoints: dict[str, Any]) -> Iterator[dict[str, str]]:
    """A head with two CPUs in a process group of its own; what a dispatcher needs to join it.

    Workers have their environment from the head, failpoints among it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "OMP_NUM_THREADS": "1",
    }
    folder = tempfile.mkdtemp(prefix="ray-")  # Its sockets' paths must be short.
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--port", str(port), "--node-ip-address", "127.0.0.1", "--num-cpus", "2"),
        *("--include-dashboard", "false", "--object-store-memory", str(10**8)),
        *("--temp-dir", folder),
    ]
    with Path(folder, "log").open("wb") as log:
        head = subprocess.Popen(
            command,
            env=os.environ | settings | {VARIABLE: json.dumps(failpoints)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        tiny.eventually(lambda: _answers(port), "the head listens")
        yield settings | {"SWEEPER_RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_when_the_head_is_lost_the_dispatcher_ends_and_the_next_cluster_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store:
        sweep_id = tiny.submit(
            store, [tiny.config(tmp_path, 0.01, steps=STEPS, seed=seed) for seed in (0, 1)]
        )
        with _cluster("a" * 64, tiny.slow(tmp_path)) as joined:
            dispatcher = tiny.start(sqlite_url, tmp_path, settings=joined)
            tiny.eventually(lambda: tiny.has_checkpoints(tmp_path, 2), "there are checkpoints")
            machine = store.queue.machine()
            assert machine is not None
            assert (machine.cpus, machine.threads, machine.device) == (2, 2, cpu_name())
        assert dispatcher.ended() != 0
        assert tiny.counts(store, sweep_id).get("done", 0) < 2
        tiny.hurry(tmp_path)
        with _cluster("b" * 64) as joined:
            assert tiny.start(sqlite_url, tmp_path, settings=joined, idle_exit=True).ended() == 0
        records = tiny.trials(store, sweep_id)
        assert tiny.counts(store, sweep_id) == {"done": 2}
        assert [r.final_loss for r in records] == tiny.undisturbed(tmp_path, records)
        assert store.results.integrity() == []
