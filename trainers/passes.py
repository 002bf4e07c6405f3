"""Passes of a stack through its models, in parts that fit the device's memory."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from trainers.config import ModelConfig, Precision, TrainConfig
from trainers.model import Params
from trainers.network import Labels, Network
from trainers.programs import PLAIN, first_line

ACTIVATION_BYTES = {"fp32": 80, "bf16": 48}
"""Kept for the backward pass by a layer, per token and unit of width: an upper bound, for queries
and keys that are normalised. A test measures it."""
LOGIT_BYTES = 8
"""Per logit: itself and its gradient in fp32, in bf16 also their copies in fp32."""
PARAMETER_BYTES = 24
"""Per parameter, while activations are kept: gradients of two parts in fp32, weights times their
input's scales, casts of these, and the gradients of either."""
USABLE = 0.9
"""Of the memory that is free: the rest is lost between blocks."""

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def bytes_per_sequence(model: ModelConfig, precision: Precision) -> int:
    """Memory that a sequence of one trial takes in training, in bytes, about and at most."""
    layers = ACTIVATION_BYTES[precision] * model.width * (model.layers + 1)
    return (layers + LOGIT_BYTES * model.vocabulary) * model.sequence_length


def fitting(
    model: ModelConfig, precision: Precision, *, trials: int, batch_size: int, free_bytes: int
) -> int:
    """The largest part of a batch, by halving it, that is expected to fit; at least one sequence.

    `free_bytes` are those beside the parameters and what the optimizer keeps.
    """
    usable = USABLE * free_bytes - PARAMETER_BYTES * trials * model.num_parameters()
    size = batch_size
    while size > 1 and size * trials * bytes_per_sequence(model, precision) > usable:
        size = half(size)
    return size


def automatic(config: TrainConfig, trials: int, device: torch.device) -> int:
    """Sequences at once of a run whose parameters and states are on the device: on a CPU all."""
    if device.type == "cpu":
        return config.batch_size
    return fitting(
        config.model,
        config.precision,
        trials=trials,
        batch_size=config.batch_size,
        free_bytes=free_bytes(device),
    )


def half(size: int) -> int:
    """Half a number of sequences, rounded up."""
    return (size + 1) // 2


def free_bytes(device: torch.device) -> int:
    """Memory of a CUDA device that this process can still take, its own unused blocks included."""
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + unused)


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
