"""What a stack is made of: from configurations to per-trial tensors and an optimizer."""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainers.config import TRAINER_VERSION, TrainConfig, canonical_json, stack_key, to_dict
from trainers.fused import fused
from trainers.optimizers import entry, hyperparameters, options, registered
from trainers.optimizers.base import Entry, Optimizer
from trainers.parameterisation import at_width, problem


def identities(configs: Sequence[TrainConfig]) -> list[str]:
    """A hash of each configuration and of what its numbers depend on besides, in order."""
    plain = [{"trainer": TRAINER_VERSION, "config": to_dict(config)} for config in configs]
    return [hashlib.sha256(canonical_json(each).encode()).hexdigest() for each in plain]


def check(configs: Sequence[TrainConfig]) -> None:
    """Raises ValueError unless these can be trained as one stack, here and now."""
    if not configs:
        raise ValueError("a stack needs at least one configuration")
    keys = {stack_key(config) for config in configs}
    if len(keys) > 1:
        raise ValueError(f"configurations of one stack must share a stack key, but got {keys}")
    config = configs[0]
    read = hyperparameters(config.optimizer, config.schedule)
    if config.hyperparameters.keys() != read.keys():
        raise ValueError(
            f"{config.optimizer} under {config.schedule} reads {', '.join(sorted(read))}, "
            f"but got {', '.join(sorted(config.hyperparameters))}"
        )
    version = registered(config.optimizer).version
    if config.optimizer_version != version:
        raise ValueError(
            f"{config.optimizer} is here in version '{version}', "
            f"but the run is of version '{config.optimizer_version}'"
        )
    chosen = registered(config.optimizer)
    if isinstance(chosen, Entry) and (found := problem(config.optimizer, chosen, config.model)):
        raise ValueError(found)
    known = options(config.optimizer)
    if config.options.keys() != known.keys():
        raise ValueError(
            f"{config.optimizer} has the options ({', '.join(sorted(known))}), "
            f"but got ({', '.join(sorted(config.options))})"
        )


def stacked_hyperparameters(
    configs: Sequence[TrainConfig], device: torch.device
) -> dict[str, Tensor]:
    """Every hyperparameter as float64 `(K,)`: corrections like `1 - beta^t` cancel in fp32."""
    return {
        name: torch.tensor(
            [config.hyperparameters[name] for config in configs], dtype=torch.float64, device=device
        )
        for name in configs[0].hyperparameters
    }


def build(config: TrainConfig, values: Mapping[str, Tensor]) -> Optimizer:
    """The optimizer of a stack, with hyperparameters `(K,)`."""
    facts = {
        "heads": config.model.heads,
        "steps": config.steps,
        "tokens_per_batch": config.batch_size * config.model.sequence_length,
    }
    chosen = entry(config.optimizer)
    optimizer = chosen.construct(values, config.options, facts)
    return at_width(optimizer, config.model, chosen.scaling)


def members_of(
    config: TrainConfig, values: Mapping[str, Tensor], compiled: bool, members: slice
) -> Optimizer:
    """The optimizer of some members of a stack, fused where its programs are compiled."""
    rule = build(config, {name: value[members] for name, value in values.items()})
    return fused(rule) if compiled else rule


def decay_coefficients(configs: Sequence[TrainConfig], values: Mapping[str, Tensor]) -> Tensor:
    """The coefficient of decoupled decay, `(K,)`: each member's by its own convention."""
    if entry(configs[0].optimizer).own_decay:
        return torch.zeros_like(values["lr"])
    weight_decay = values["weight_decay"]
    coupled = [config.decay_convention == "coupled" for config in configs]
    independent = weight_decay / values["lr"]
    return torch.where(torch.tensor(coupled, device=weight_decay.device), weight_decay, independent)
