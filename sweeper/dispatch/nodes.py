"""What the nodes of a cluster have: each says once what its devices are."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeper.dispatch import devices

PATIENCE_S = 10.0
"""For a node that is asked for the first time; it may have to start a process for that."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """The CPU of a machine, and name and bytes of memory of each of its GPUs."""

    cpu: str
    gpus: tuple[tuple[str, int], ...] = ()


def here() -> Devices:
    """Those of this machine."""
    return Devices(devices.cpu_name(), devices.gpus())


class Nodes:
    """Asks the nodes of a cluster, by their ids, each once. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[Any, str] = {}
        self._known: dict[str, Devices | None] = {}

    def of(self, node_ids: Sequence[str]) -> list[Devices | None]:
        """What these nodes have; None for those that have not said so yet."""
        with self._lock:
            new = [node_id for node_id in node_ids if node_id not in self._known]
            self._known |= dict.fromkeys(new)
            self._asked |= {_question(node_id): node_id for node_id in new}
            self._hear(PATIENCE_S if new else 0.0)
            return [self._known[node_id] for node_id in node_ids]

    def _hear(self, patience_s: float) -> None:
        asked = list(self._asked)
        ready = ray.wait(asked, num_returns=len(asked), timeout=patience_s)[0] if asked else []
        for answer in ready:
            node_id = self._asked.pop(answer)
            try:
                self._known[node_id] = ray.get(answer)
            except RayError as error:  # Should it return, it has another id.
                _log.warning("a node does not say what it has: %s", error)


def _question(node_id: str) -> Any:
    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    ask = ray.remote(num_cpus=0, max_retries=0)(here)
    return ask.options(scheduling_strategy=there).remote()


def common(found: Sequence[str]) -> str:
    """The name that all have; empty if there are several, or none."""
    return found[0] if len(set(found)) == 1 else ""
