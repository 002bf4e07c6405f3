"""How fast a stack trains, and how much of what its device can do that is."""

import time
from collections.abc import Callable
from functools import cache

import torch

from trainers.config import Precision, TrainConfig
from trainers.flops import flops_per_token
from trainers.metrics import SPEEDS

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
SIDES = {"cpu": 512, "cuda": 8192}
"""Rows of the matrices: enough for the device's full rate, few enough for a moment."""
ROUNDS, PRODUCTS = 5, 4


class Throughput:
    """The pace of a run's optimizer steps, evaluations and checkpoints left out.

    An accelerator works behind the program's back: what it did is known when it has `settled`.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
        devices: int = 1,
    ) -> None:
        self._clock = clock
        self._tokens_per_step = config.batch_size * config.model.sequence_length
        self._flops_per_token = flops_per_token(config.model)
        rate = matrix_product_rate(device, config.precision, torch.get_num_threads())
        self._rate = devices * rate
        self._steps = 0
        self._elapsed_s = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        """A step begins."""
        self._steps += 1
        if self._since is None:
            self._since = self._clock()

    def settled(self) -> None:
        """The device has done all that it was given."""
        if self._since is not None:
            self._elapsed_s += self._clock() - self._since
            self._since = None

    def of_each_trial(self) -> dict[str, float]:
        """The pace since the last time that it was asked for; nothing if there was no step.

        `tokens_per_s` of the trial's own batches; `flops_per_s`, the model's floating-point
        operations as `trainers.flops` counts them; and `mfu`, model-FLOPs utilisation (arXiv
        2204.02311): these over what the device reaches in matrix products of the run's precision.
        All are the trial's share of what its stack does: they add up to that of the device.
        """
        if not self._steps or self._elapsed_s <= 0:
            return {}
        tokens_per_s = self._steps * self._tokens_per_step / self._elapsed_s
        flops_per_s = tokens_per_s * self._flops_per_token
        self._steps, self._elapsed_s = 0, 0.0
        return dict(zip(SPEEDS, (tokens_per_s, flops_per_s, flops_per_s / self._rate), strict=True))


@cache
def matrix_product_rate(device: torch.device, precision: Precision, threads: int) -> float:
    """What the device reaches in products of large square matrices, in FLOP/s: its best round.

    Measured once in a process, for every number of CPU threads. Takes well under a second.
    """
    del threads  # A CPU's rate depends on it, so it is part of what the cache looks at.
    side, kind = SIDES[device.type], DTYPES[precision]
    generator = torch.Generator(device).manual_seed(0)
    left, right = (
        torch.randn(side, side, generator=generator, device=device).to(kind) for _ in range(2)
    )
    seconds = []
    for _ in range(ROUNDS):
        _wait_for(device)
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.mm(left, right)
        _wait_for(device)
        seconds.append(time.perf_counter() - started)
    if device.type == "cuda":  # What a small stack takes is less than these matrices.
        torch.cuda.reset_peak_memory_stats(device)
    return PRODUCTS * 2 * side**3 / min(seconds)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
