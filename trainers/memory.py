"""Memory that a stack takes at its peak, from its configuration alone.

A model of what the loop keeps: parameters and states for good; activations from the forward to the
backward pass; gradients twice while they are made one tensor; what an update needs. The numbers per
token were fitted to allocations on a CPU (`tests/trainers/test_memory.py` measures them anew).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from trainers.config import ModelConfig, Precision, TrainConfig
from trainers.cost import kept_bytes, state_bytes, without_data
from trainers.model import param_specs
from trainers.optimizers import entry

LAYER_BYTES: Mapping[Precision, float] = {"fp32": 74, "bf16": 45}
"""Kept for the backward pass by a layer, per token and unit of width."""
ENDS_BYTES: Mapping[Precision, float] = {"fp32": 24, "bf16": 15}
"""The same of embedding and last norm."""
LOGIT_BYTES: Mapping[Precision, float] = {"fp32": 8, "bf16": 8.5}
"""Per token and entry of the vocabulary: a logit and its gradient."""
COPY_BYTES: Mapping[Precision, float] = {"fp32": 4, "bf16": 6}
"""Per parameter: weights times the scales of their input, and in bf16 their casts."""
UPDATE_STATES, UPDATE_VALUES = 3, 2
"""What a rule that sees one tensor at a time holds while it updates one: so often its state, and
its value."""
ELEMENTWISE_BYTES = 12
"""Per parameter, of an update of all of them at once: three tensors."""
UNKNOWN_STATE_BYTES = 16.0
"""Per parameter, of an optimizer that is not built in: more than most keep."""

GRADIENT_BYTES = 8
"""Per parameter, beside what a part of a batch needs: gradients of those before, and its own."""
USABLE = 0.9
"""Of the memory that a process may have: the rest is lost between blocks."""
MOST_SEQUENCES = 2**16 - 1
"""Of all trials at once: kernels of attention count them in a dimension of CUDA's grid."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a whole stack at its peak, by what they are for."""

    parameters: float
    states: float
    gradients: float
    activations: float
    """Of as many sequences as are computed at once, with logits and copies of weights."""
    update: float

    @property
    def total(self) -> float:
        """What is there for good, and the largest of what comes and goes."""
        passing = max(self.activations, 2 * self.gradients, self.gradients + self.update)
        return self.parameters + self.states + passing


def stack_memory(
    config: TrainConfig, size: int, micro_batch: int | None = None, *, on_cpu: bool = True
) -> Memory:
    """Memory of `size` such trials, `micro_batch` sequences of each computed at once (else all).

    Not for training functions, of which nothing is known.
    """
    assert not config.is_function, "nothing is known of a training function"
    count = config.model.num_parameters()
    states, update = _kept(config.optimizer, tuple(sorted(config.options.items())), config.model)
    if not update and not on_cpu:  # On a CPU elementwise rules work piece by piece.
        update = ELEMENTWISE_BYTES * count
    tokens = (micro_batch or config.batch_size) * config.model.sequence_length
    copies = COPY_BYTES[config.precision] * count
    return Memory(
        parameters=4.0 * size * count,
        states=size * states * count,
        gradients=4.0 * size * count,
        activations=size * (tokens * _token_bytes(config.model, config.precision) + copies),
        update=size * update,
    )


def fitting_micro_batch(
    config: TrainConfig, size: int, memory_bytes: float, *, on_cpu: bool = True
) -> int:
    """The largest part of the batch, by halving it, with which the stack fits; 0 if none does."""
    micro_batch = config.batch_size
    while stack_memory(config, size, micro_batch, on_cpu=on_cpu).total > memory_bytes:
        if micro_batch == 1:
            return 0
        micro_batch = (micro_batch + 1) // 2
    return micro_batch


def device_micro_batch(config: TrainConfig, size: int, memory_bytes: float) -> int:
    """Sequences at once of a run on a device with so much memory for it: one, if none fits."""
    gradients = GRADIENT_BYTES * size * config.model.num_parameters()
    usable = USABLE * memory_bytes - gradients
    fitting = fitting_micro_batch(config, size, usable, on_cpu=False)
    return max(1, min(fitting, MOST_SEQUENCES // size))


def _token_bytes(model: ModelConfig, precision: Precision) -> float:
    per_width = LAYER_BYTES[precision] * model.layers + ENDS_BYTES[precision]
    return per_width * model.width + LOGIT_BYTES[precision] * model.vocabulary


@cache
def _kept(
    optimizer: str, options: tuple[tuple[str, int | str | bool], ...], model: ModelConfig
) -> tuple[float, float]:
    """Bytes of state per parameter, and of an update per trial: 0 of an elementwise one."""
    chosen, specs = entry(optimizer), param_specs(model).values()
    if chosen.state_bytes is not None or chosen.version:
        known = UNKNOWN_STATE_BYTES if chosen.state_bytes is None else chosen.state_bytes
        largest = max(math.prod(spec.shape) for spec in specs)
        return known, (UPDATE_STATES * known + 4 * UPDATE_VALUES) * largest
    built = without_data(optimizer, model.heads, dict(options))
    if built.elementwise:
        return state_bytes(built, model), 0.0
    updates = [
        UPDATE_STATES * kept_bytes(built, spec.shape, spec.role)
        + 4 * UPDATE_VALUES * math.prod(spec.shape)
        for spec in specs
    ]
    return state_bytes(built, model), max(updates)
