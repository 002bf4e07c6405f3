"""Passes of a stack through its models, in parts that fit the device's memory."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from trainers.config import TrainConfig
from trainers.memory import device_micro_batch
from trainers.model import Params
from trainers.network import Labels, Network
from trainers.programs import PLAIN, first_line

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def automatic(config: TrainConfig, trials: int, device: torch.device) -> int:
    """Sequences at once of a run, its parameters and states being there: on a CPU all."""
    if device.type == "cpu":
        return config.batch_size
    return device_micro_batch(config, trials, _memory_bytes(device))


def half(size: int) -> int:
    """Half a number of sequences, rounded up."""
    return (size + 1) // 2


def _memory_bytes(device: torch.device) -> int:
    """Memory of a CUDA device that this process has or can still take."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device))


class Passes:
    """A network, and how many sequences of each trial go through it at once.

    A pass that runs out of the device's memory is repeated in halves, and one whose programs cannot
    be compiled without compiling; nothing of it has had an effect by then. Raises
    torch.OutOfMemoryError where not even one sequence fits.
    """

    def __init__(self, network: Network, micro_batch: int) -> None:
        self.network = network
        self.micro_batch = micro_batch

    def gradients(
        self, flat_KP: Tensor, tokens_KBT: Tensor, z_loss_K: Tensor, labels: Labels | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `Network.gradients`."""
        return self._repeated(
            lambda: self.network.gradients(
                flat_KP, tokens_KBT, z_loss_K, micro_batch=self.micro_batch, labels=labels
            )
        )

    def evaluate(self, params: Params, windows: Tensor) -> list[float]:
        """Mean cross-entropy over windows `(count, T)` that all trials share, one per trial."""
        return self._repeated(
            lambda: self.network.evaluate(params, torch.split(windows, self.micro_batch))
        )

    def _repeated(self, compute: Callable[[], Result]) -> Result:
        while True:
            try:
                return compute()
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise
                retreat = self._halve
            except Exception as error:
                # Of any kind: compilers, drivers and linkers fail in their own ways. An error that
                # has nothing to do with compiling is raised again by the plain programs.
                if not self.network.programs.compiled:
                    raise
                retreat = partial(self._stop_compiling, first_line(error))
            # Here and not above: the exception holds on to what the pass has allocated.
            retreat()

    def _halve(self) -> None:
        self.micro_batch = half(self.micro_batch)
        _log.warning("out of device memory: on with %d sequences at once", self.micro_batch)

    def _stop_compiling(self, reason: str) -> None:
        self.network = replace(self.network, programs=PLAIN)
        _log.warning("compiling failed, on without it: %s", reason)
