"""How long stacks take: as measured on a device, else by a model of it; pure.

The model of a step is an overhead plus a time per trial, which is what two CPU cores showed to
within 5 % at `nano` and `micro` for K from 1 to 64. What was measured corrects it: at a K between
two measured ones by a factor between theirs, at any other by that of the nearest.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sweeper.planning.machine import Machine
from trainers.config import TRAINER_VERSION, TrainConfig, canonical_json, to_dict
from trainers.metrics import evaluation_steps

LAYER_OVERHEAD_S = 0.0016
CORE_FLOPS = 54e9
"""With the overhead above: 10.7 ms per trial-step at K = 1 and 7.7 ms at K = 16, as at `nano`."""
GPU_STEP_OVERHEAD_S = 0.02
GPU_FLOPS = {"fp32": 20e12, "bf16": 200e12}
"""Assumed of a GPU until the first stack has run on it."""
UNSHAPED = frozenset(
    {
        *("data", "hyperparameters", "decay_convention", "seed"),
        *("steps", "schedule", "eval_sequences"),
    }
)
"""What of a configuration the time of a step does not depend on."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a step of a stack of `size` took, all its members together, with `threads` CPU threads.

    Without `step_s` it did not fit into the device's memory.
    """

    device: str
    shape: str
    size: int
    threads: int = 1
    step_s: float | None = None
    sequence_s: float = 0.0
    """Per held-out sequence of an evaluation."""
    micro_batch: int | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Speeds:
    """What was measured on one machine, by shape."""

    machine: Machine
    measurements: tuple[Measurement, ...] = ()

    def of(self, config: TrainConfig) -> "Speed":
        """How fast trials of one shape are trained here."""
        known = self._by_shape.get(shape_key(config), ()) if self._by_shape else ()
        return Speed(config, self.machine, known)

    @cached_property
    def _by_shape(self) -> Mapping[str, tuple[Measurement, ...]]:
        found: dict[str, tuple[Measurement, ...]] = {}
        for measurement in sorted(self.measurements, key=lambda m: m.size):
            if self.machine.device in ("", measurement.device):
                found[measurement.shape] = (*found.get(measurement.shape, ()), measurement)
        return found


@dataclass(frozen=True)
class Speed:
    """Times of stacks of one shape, in seconds of one slot of a machine with a single thread.

    `known` is what was measured of it there, by ascending K.
    """

    config: TrainConfig
    machine: Machine
    known: tuple[Measurement, ...] = ()

    def stack_s(self, size: int) -> float:
        """Seconds that a stack of `size` such trials should take."""
        config, step_s = self.config, self._modelled_step_s(size)
        sequence_s = step_s / config.batch_size / 3  # Forward alone is a third.
        if self._factors:
            sizes, steps, sequences = zip(*self._factors, strict=True)
            step_s *= _interpolated(sizes, steps, size)
            sequence_s *= _interpolated(sizes, sequences, size)
        evaluations = 0 if config.is_function else 1 + len(evaluation_steps(config.steps))
        return config.steps * step_s + evaluations * config.eval_sequences * sequence_s

    @property
    def is_measured(self) -> bool:
        """Whether some stack of this shape has run here, of any size."""
        return bool(self._factors)

    def ran_with(self, size: int) -> int | None:
        """Sequences at once with which a stack of just that K has run; None if none has."""
        return next((m.micro_batch for m in self.known if m.size == size), None)

    @property
    def size_limit(self) -> int | None:
        """The largest K that is not known to be too large for the memory; None if none is.

        Half of the smallest that was too large, or more where more has run.
        """
        too_large = min((m.size for m in self.known if m.step_s is None), default=None)
        if too_large is None:
            return None
        fitted = max((m.size for m in self.known if m.step_s and m.size < too_large), default=1)
        return max(fitted, too_large // 2)

    @cached_property
    def _factors(self) -> tuple[tuple[int, float, float], ...]:
        """By K: measured over modelled, of a step and of an evaluation."""
        found = []
        for m in self.known:
            if m.step_s is not None:
                model_s = self._modelled_step_s(m.size) / m.threads
                sequence_s = 3 * m.sequence_s * self.config.batch_size
                found.append((m.size, m.step_s / model_s, sequence_s / model_s))
        return tuple(found)

    def _modelled_step_s(self, size: int) -> float:
        flops = size * step_flops(self.config)
        if self.machine.gpus:
            return GPU_STEP_OVERHEAD_S + flops / GPU_FLOPS[self.config.precision]
        return LAYER_OVERHEAD_S * self.config.model.layers + flops / CORE_FLOPS


def step_flops(config: TrainConfig) -> float:
    """Operations of one trial's step: six per parameter and token."""
    return 6.0 * config.model.num_parameters() * config.tokens / config.steps


def shape_key(config: TrainConfig) -> str:
    """Sixteen hex digits, equal for runs whose steps take the same time in stacks of equal size."""
    plain = {k: v for k, v in to_dict(config).items() if k not in UNSHAPED}
    text = canonical_json(plain | {"trainer": TRAINER_VERSION})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _interpolated(sizes: Sequence[int], factors: Sequence[float], size: int) -> float:
    return float(np.interp(math.log(size), np.log(sizes), factors))
