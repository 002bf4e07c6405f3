"""The Ray cluster: started here, on loopback and with a token, or joined by address."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from sweeper.dispatch.capacity import Capacity
from sweeper.dispatch.scratch import scratch_folder

SCRATCH = "sweeper-ray-"
OBJECT_STORE_BYTES = 100 * 1024**2
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
