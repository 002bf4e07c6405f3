"""What an adaptive optimizer really multiplies gradients with, as quantiles over its blocks."""

import json
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from trainers.optimizers.base import Context, EffectiveLr, ParamRole, State
from trainers.stacked import views

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def quantiles_by_role(
    effective_lr: EffectiveLr,
    states: Mapping[str, State],
    values: Mapping[str, Tensor],
    roles: Mapping[str, ParamRole],
    contexts: Mapping[ParamRole | None, Context],
) -> tuple[str, ...]:
    """One JSON object per trial: seven quantiles under each role's name, null if not finite.

    The blocks of all parameters of a role count alike; in the last layer each logit is one.
    """
    blocks: dict[ParamRole, list[Tensor]] = {}
    for name, value in values.items():
        found = effective_lr(states[name], value, contexts[roles[name]])
        blocks.setdefault(roles[name], []).append(found)
    tables = {role: _quantiles(torch.cat(found, 1)) for role, found in sorted(blocks.items())}
    trials = range(len(next(iter(values.values()))))
    return tuple(json.dumps({role: table[k] for role, table in tables.items()}) for k in trials)


def split_states(
    states: Mapping[str, State], whole: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, State]:
    """The states of all parameters from the one that an elementwise optimizer keeps for all.

    What is as long as all parameters is cut into theirs; anything else belongs to each of them.
    """
    sizes = sum(math.prod(shape) for shape in shapes.values())
    found: dict[str, State] = {name: {} for name in shapes}
    for key, tensor in states[whole].items():
        cut = tensor.dim() == 2 and tensor.shape[1] == sizes
        parts = views(tensor, shapes) if cut else dict.fromkeys(shapes, tensor)
        for name, part in parts.items():
            found[name][key] = part
    return found


def _quantiles(blocks: Tensor) -> list[list[float | None]]:
    """Per trial, from `(K, blocks)`; on the CPU, where `quantile` takes any size."""
    points = torch.tensor(QUANTILES, dtype=torch.float64)
    ordered = blocks.double().cpu().sort(1).values
    position = points * (ordered.shape[1] - 1)
    low, share = position.long(), position.frac()
    high = (low + 1).clamp(max=ordered.shape[1] - 1)
    table = torch.lerp(ordered[:, low], ordered[:, high], share)
    return [[_short(value) for value in row] for row in table.tolist()]


def _short(value: float) -> float | None:
    """Six digits are more than a figure shows, and a third of the space."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
