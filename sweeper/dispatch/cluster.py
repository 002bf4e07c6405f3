"""The Ray cluster: started here, on loopback and with a token, or joined by address."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from sweeper.dispatch import devices
from sweeper.dispatch.scratch import scratch_folder
from sweeper.planning.machine import Machine

SCRATCH = "sweeper-ray-"
OBJECT_STORE_BYTES = 100 * 1024**2
DEFAULT_GPU_MEMORY_BYTES = 16 * 1024**3
CAPACITY_AGE_S = 1.0
GONE_S = 10.0
"""So long without a CPU, and the local cluster does not come back."""

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
"""Memory that a worker frees stays its own. The tensors of a step are as large as those of the last
one, and glibc gives large ones back at once: fetching their pages anew took 6 % of a sweep."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capacity:
    """What the cluster has in all."""

    cpus: int
    gpus: int
    gpu_memory_bytes: int
    device: str = ""
    """What the CPU or the GPUs are called; empty where they may be of several kinds."""
    per_stack: int = 1
    """How many of them a stack takes, all of one node."""
    threads: int = 0
    """CPUs of the largest node, for each of the devices that a stack takes there."""

    def machine(self, running: tuple[float, ...] = ()) -> Machine:
        """The planner's view of it, to which the devices of a stack are one."""
        return Machine(
            cpus=self.cpus // self.per_stack,
            gpus=self.gpus // self.per_stack,
            gpu_memory_bytes=self.gpu_memory_bytes,
            device=self.device,
            threads=self.threads,
            running=running,
        )


class LiveCapacity:
    """The cluster's capacity for stacks on so many devices, asked for at most once a second.

    A local cluster is of this host's devices; of one that was joined only their number is known.
    """

    def __init__(self, *, is_local: bool = True, per_stack: int = 1) -> None:
        self._is_local = is_local
        self._per_stack = per_stack
        self._asked_at = float("-inf")
        self._capacity = Capacity(0, 0, 0)
        self._has_none = False

    def now(self) -> Capacity:
        """What there is."""
        if time.monotonic() - self._asked_at >= CAPACITY_AGE_S:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            cpus, gpus, threads = usable(nodes, self._per_stack)
            if not (cpus or gpus or self._has_none):
                _log.warning("no node has %d devices for a stack: all wait", self._per_stack)
            self._has_none = not (cpus or gpus)
            name, memory_bytes = _gpus() if gpus else (devices.cpu_name(), 0)
            device = devices.several(name, self._per_stack) if self._is_local else ""
            self._capacity = Capacity(cpus, gpus, memory_bytes, device, self._per_stack, threads)
            self._asked_at = time.monotonic()
        return self._capacity


def usable(nodes: Sequence[Mapping[str, Any]], per_stack: int) -> tuple[int, int, int]:
    """CPUs and GPUs of the nodes that have enough of them for a stack on so many devices.

    Where there are GPUs, stacks wait for enough of them on a node, and do not turn to CPUs. Last,
    how many CPUs the largest node has for each device of a stack.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    kind = "GPU" if any(node.get("GPU") for node in alive) else "CPU"
    able = [node for node in alive if int(node.get(kind, 0)) >= per_stack]
    if not able:
        return 0, 0, 0
    cpus, gpus = (
        sum(int(node.get(kind, 0)) // per_stack * per_stack for node in alive)
        for kind in ("CPU", "GPU")
    )
    return cpus, gpus, max(int(node.get("CPU", 0)) for node in able) // per_stack


class OwnCluster:
    """Ends this process when the cluster that it has started is gone: nothing brings it back.

    What ran is in the database, and whoever started this process starts the next one.
    """

    def __init__(self, capacity: Callable[[], Capacity]) -> None:
        self._capacity = capacity
        self._seen_at = time.monotonic()

    def look(self) -> None:
        """See whether there still is a CPU."""
        now = time.monotonic()
        if self._capacity().cpus:
            self._seen_at = now
        elif now - self._seen_at > GONE_S:
            _log.critical("Ray has had no CPU for %.0f s: ending now", GONE_S)
            os._exit(1)


@contextmanager
def cluster(address: str | None, cpus: int | None) -> Iterator[None]:
    """Connected to Ray inside; whatever was started is stopped after."""
    _prepare_environment()
    if address is not None:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        try:
            yield
        finally:
            ray.shutdown()
        return
    _keep_to_loopback()
    scratch = scratch_folder(SCRATCH)
    ray.init(
        num_cpus=cpus or os.cpu_count(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(scratch),
    )
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def _prepare_environment() -> None:
    os.environ.update(ENVIRONMENT)
    for name, value in MEMORY.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        # Here only: Ray hands it to the processes it starts, and no file holds it.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # Ray has read its configuration when it was imported, and the mode is part of that.
    Config.initialize("")
    # It warns that result files are missing, which nothing here writes or reads.
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    AuthenticationTokenLoader.instance().reset_cache()


def _keep_to_loopback() -> None:
    """Ray takes an address of 127.0.0.1 for an oversight and binds to all; not with this off."""
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False


@cache
def _gpus() -> tuple[str, int]:
    """Name and memory of the smallest GPU here; a guess where this host has none."""
    here = devices.gpus()
    return min(here, key=lambda gpu: gpu[1]) if here else ("", DEFAULT_GPU_MEMORY_BYTES)
