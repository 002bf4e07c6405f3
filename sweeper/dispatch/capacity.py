"""What the cluster has for stacks."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from sweeper.dispatch.devices import several
from sweeper.dispatch.nodes import Devices, common
from sweeper.planning.machine import Machine

DEFAULT_GPU_MEMORY_BYTES = 16 * 1024**3
"""Of a GPU that says nothing of itself."""
CAPACITY_AGE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capacity:
    """What the cluster has in all."""

    cpus: int
    gpus: int
    gpu_memory_bytes: int
    device: str = ""
    """What the CPUs or the GPUs are called; empty where they are of several kinds, or unknown."""
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

    `devices_of` tells what the nodes of these ids have, None of one that it does not know.
    """

    def __init__(
        self, devices_of: Callable[[Sequence[str]], Sequence[Devices | None]], per_stack: int = 1
    ) -> None:
        self._devices_of = devices_of
        self._per_stack = per_stack
        self._asked_at = float("-inf")
        self._capacity = Capacity(0, 0, 0)
        self._has_none = False

    def now(self) -> Capacity:
        """What there is."""
        if time.monotonic() - self._asked_at >= CAPACITY_AGE_S:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            able = usable(nodes, self._per_stack)
            if not (able or self._has_none):
                _log.warning("no node has %d devices for a stack: all wait", self._per_stack)
            self._has_none = not able
            told = self._devices_of([node["NodeID"] for node in able])
            self._capacity = capacity_of(
                [node["Resources"] for node in able], told, self._per_stack
            )
            self._asked_at = time.monotonic()
        return self._capacity


def usable(nodes: Sequence[Mapping[str, Any]], per_stack: int) -> list[Mapping[str, Any]]:
    """The nodes that have enough devices for a stack on so many of them.

    Where there are GPUs, stacks wait for enough of them on a node, and do not turn to CPUs.
    """
    alive = [node for node in nodes if node["Alive"]]
    kind = "GPU" if any(node["Resources"].get("GPU") for node in alive) else "CPU"
    return [node for node in alive if int(node["Resources"].get(kind, 0)) >= per_stack]


def capacity_of(
    nodes: Sequence[Mapping[str, float]], told: Sequence[Devices | None], per_stack: int
) -> Capacity:
    """What nodes with these resources have in all, given what each has told of its devices."""
    cpus, gpus = (
        sum(int(node.get(kind, 0)) // per_stack * per_stack for node in nodes)
        for kind in ("CPU", "GPU")
    )
    known = [devices for devices in told if devices is not None]
    cards = [gpu for devices in known for gpu in devices.gpus]
    names = [name for name, _ in cards] if gpus else [devices.cpu for devices in known]
    name = common(names) if len(known) == len(nodes) else ""
    memory_bytes = min((size for _, size in cards), default=DEFAULT_GPU_MEMORY_BYTES)
    threads = max((int(node.get("CPU", 0)) for node in nodes), default=0) // per_stack
    return Capacity(
        cpus=cpus,
        gpus=gpus,
        gpu_memory_bytes=memory_bytes if gpus else 0,
        device=several(name, per_stack) if name else "",
        per_stack=per_stack,
        threads=threads,
    )
