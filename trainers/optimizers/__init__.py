"""The optimizers by name. To add one: a file here, a line below, a row in the tests' case table."""

import dataclasses

from trainers.config import (
    SCHEDULE_HYPERPARAMETERS,
    TRAINING_HYPERPARAMETERS,
    Hyperparameter,
    ScheduleName,
)
from trainers.optimizers.adafactor import adafactor
from trainers.optimizers.adamw import adamw
from trainers.optimizers.base import Entry
from trainers.optimizers.lion import lion
from trainers.optimizers.sgd import sgd
from trainers.optimizers.signum import signum

_STUDY = "arXiv 2407.07972"

REGISTRY: dict[str, Entry] = {
    "sgd": Entry(sgd, 1.0, "SGD with heavy-ball momentum", _STUDY),
    "adamw": Entry(adamw, 3.16e-3, "Adam with decoupled weight decay", "arXiv 1711.05101"),
    "adafactor": Entry(adafactor, 3.16e-3, "Adam with a factored second average", _STUDY),
    "lion": Entry(lion, 3.16e-4, "sign of gradient and average, interpolated", "arXiv 2302.06675"),
    "signum": Entry(signum, 3.16e-4, "sign of the averaged gradient", "arXiv 1802.04434"),
}


def entry(optimizer: str) -> Entry:
    """The line of the registry; raises ValueError for an unknown name."""
    if optimizer not in REGISTRY:
        known = ", ".join(sorted(REGISTRY))
        raise ValueError(f"unknown optimizer '{optimizer}'; known: {known}")
    return REGISTRY[optimizer]


def hyperparameters(optimizer: str, schedule: ScheduleName) -> dict[str, Hyperparameter]:
    """Every hyperparameter that a run reads, with its default: the optimizer's own ones last.

    Exactly these are the keys of `TrainConfig.hyperparameters`.
    """
    chosen = entry(optimizer)
    unread = (
        frozenset().union(*SCHEDULE_HYPERPARAMETERS.values()) - SCHEDULE_HYPERPARAMETERS[schedule]
    )
    common = {k: v for k, v in TRAINING_HYPERPARAMETERS.items() if k not in unread}
    common["lr"] = dataclasses.replace(common["lr"], default=chosen.lr)
    return common | dict(chosen.hyperparameters)
