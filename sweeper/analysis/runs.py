"""From the configuration of a trial to what its run used."""

from collections.abc import Mapping

from sweeper.analysis.budgets import Run
from trainers.config import TrainConfig
from trainers.flops import training_flops
from trainers.scales import SCALES
from trainers.update_cost import update_cost


def run_of(config: TrainConfig, *, seconds: float | None, losses: Mapping[int, float]) -> Run:
    """The run of a trial; operations, tokens and memory only as far as they can be counted.

    `losses` are held-out losses by step, `seconds` of the device were its own.
    """
    if config.is_function:
        return Run(steps=config.steps, seconds=seconds, losses=losses)
    cost = update_cost(config)
    model, updates = training_flops(config), None
    if cost is not None:
        model, updates = model * cost.gradients, cost.flops * config.steps
    return Run(
        steps=config.steps,
        parameters=config.model.num_parameters(embeddings=False),
        tokens=float(config.tokens),
        flops=None if updates is None else model + updates,
        optimizer_flops=updates,
        seconds=seconds,
        state_bytes=None if cost is None else float(cost.state_bytes),
        losses=losses,
    )


def larger_scale(parameters: int, vocabulary: int = 256) -> tuple[str, int] | None:
    """The next scale above a size without token tables, with its own; None above the largest."""
    sizes = {
        name: scale.model(vocabulary).num_parameters(embeddings=False)
        for name, scale in SCALES.items()
    }
    above = sorted((size, name) for name, size in sizes.items() if size > 1.01 * parameters)
    return (above[0][1], above[0][0]) if above else None
