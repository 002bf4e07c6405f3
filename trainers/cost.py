"""What an optimizer costs in memory and arithmetic, measured on tensors without data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from trainers.config import ModelConfig
from trainers.counting import elements, of_update, without_numbers
from trainers.functions import TrainingFunction
from trainers.model import param_specs
from trainers.optimizers import entry, registered
from trainers.optimizers.base import Optimizer, ParamRole
from trainers.scales import SCALES

SCALE, VOCABULARY = "150m", 32_128
MATRIX = (256, 256)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """`state_bytes` per parameter, None if it was not measured; `extra_flops` of an update."""

    state_bytes: float | None
    extra_flops: str


@cache
def cost(optimizer: str) -> Cost:
    """The cost of an optimizer with its defaults: of its state for the model of the 150m scale."""
    chosen = registered(optimizer)
    if isinstance(chosen, TrainingFunction):
        return Cost(state_bytes=None, extra_flops="as the function has it")
    if chosen.state_bytes is not None or chosen.version:
        words = chosen.extra_flops or "as the class has it"
        return Cost(state_bytes=chosen.state_bytes, extra_flops=words)
    built = without_data(optimizer, SCALES[SCALE].heads)
    counted = chosen.extra_flops or f"{_operations_per_parameter(built)} per parameter"
    kept = round(state_bytes(built, SCALES[SCALE].model(VOCABULARY)), 2)
    return Cost(state_bytes=kept, extra_flops=counted)


def without_data(
    optimizer: str, heads: int, options: Mapping[str, int | str | bool] | None = None
) -> Optimizer:
    """The optimizer with default hyperparameters, and default options unless they are given."""
    chosen = entry(optimizer)
    values = {name: h.default for name, h in chosen.hyperparameters.items()}
    defaults = {name: o.default for name, o in chosen.options.items()}
    facts = {"heads": heads, "steps": 1, "tokens_per_batch": 1}
    return chosen.construct(values, {**defaults, **(options or {})}, facts)


def state_bytes(optimizer: Optimizer, model: ModelConfig) -> float:
    """Bytes of state per parameter that the optimizer keeps for a model."""
    specs = param_specs(model).values()
    shapes = [(spec.shape, spec.role) for spec in specs]
    total = sum(math.prod(shape) for shape, _ in shapes)
    units: list[tuple[tuple[int, ...], ParamRole | None]] = [*shapes]
    if optimizer.elementwise:
        units = [((total,), None)]
    return sum(kept_bytes(optimizer, shape, role) for shape, role in units) / total


def kept_bytes(optimizer: Optimizer, shape: tuple[int, ...], role: ParamRole | None) -> int:
    """Bytes of state that the optimizer keeps for one trial's tensor."""
    state = optimizer.init(without_numbers(shape), role)
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def _operations_per_parameter(optimizer: Optimizer) -> int:
    """Numbers that one update writes, per element of a hidden matrix."""
    role = None if optimizer.elementwise else ParamRole.MLP
    # A later step: the first one of some optimizers only makes their state.
    return round(of_update(optimizer, MATRIX, role, 2, elements) / math.prod(MATRIX))
