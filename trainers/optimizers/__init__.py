"""The optimizers by name. To add one: a file here, a line below, a row in the tests' case table."""

import dataclasses

from trainers.config import (
    SCHEDULE_HYPERPARAMETERS,
    TRAINING_HYPERPARAMETERS,
    Hyperparameter,
    Option,
    ScheduleName,
)
from trainers.functions import TrainingFunction
from trainers.optimizers import plugins, torch_adapter
from trainers.optimizers.adafactor import adafactor
from trainers.optimizers.adafactor_classic import adafactor_classic
from trainers.optimizers.adagrad import adagrad
from trainers.optimizers.adalayer import adalayer
from trainers.optimizers.adalayer_frozen import adalayer_frozen
from trainers.optimizers.adalayer_star import adalayer_star
from trainers.optimizers.adam_mini import adam_mini
from trainers.optimizers.adamw import adamw
from trainers.optimizers.ademamix import ademamix
from trainers.optimizers.base import Entry
from trainers.optimizers.cautious_adamw import cautious_adamw
from trainers.optimizers.cautious_lion import cautious_lion
from trainers.optimizers.hybrids import adafactor_sgd, adalayer_sgd, adalayer_sgd_last
from trainers.optimizers.lion import lion
from trainers.optimizers.mars import mars
from trainers.optimizers.muon import muon
from trainers.optimizers.nadamw import nadamw
from trainers.optimizers.plugins import Registered
from trainers.optimizers.prodigy import prodigy
from trainers.optimizers.schedule_free_adamw import schedule_free_adamw
from trainers.optimizers.schedule_free_sgd import schedule_free_sgd
from trainers.optimizers.sgd import sgd
from trainers.optimizers.sgd_ema import sgd_ema
from trainers.optimizers.shampoo import shampoo, shampoo_squared
from trainers.optimizers.signum import signum
from trainers.optimizers.soap import soap
from trainers.optimizers.sophia import sophia

_STUDY = "arXiv 2407.07972"
_ADAGRAD = "Duchi, Hazan, Singer 2011, JMLR 12"
_ADAFACTOR = "arXiv 1804.04235"
_MUON = "KellerJordan/Muon@857d1ad"
_SCHEDULE_FREE = "arXiv 2405.15682"
_AT_TIMES = "every precondition_frequency steps"
_SHAMPOO_FLOPS = f"4 (m^2 n + m n^2) per m x n matrix, two eigendecompositions {_AT_TIMES}"

_RELATIVE = "its steps are relative to the size of the weights"
_CURVATURE = "its steps are over a curvature that depends on the width itself"
_MIXED = "a part of the model has steps like SGD's, another like Adam's"
_SIDES = "its preconditioners have a scale of their own at each width (arXiv 2312.12226)"
_ONE_SIZE = "it finds one step size for all parameters"

REGISTRY: dict[str, Entry] = {
    "sgd": Entry(sgd, 1.0, "SGD with heavy-ball momentum", _STUDY, scaling="sgd"),
    "adamw": Entry(
        adamw, 3.16e-3, "Adam with decoupled weight decay", "arXiv 1711.05101", scaling="adam"
    ),
    "adafactor": Entry(
        adafactor, 3.16e-3, "Adam with a factored second average", _STUDY, scaling="adam"
    ),
    "lion": Entry(
        lion,
        3.16e-4,
        "sign of gradient and average, interpolated",
        "arXiv 2302.06675",
        scaling="adam",
    ),
    "signum": Entry(
        signum, 3.16e-4, "sign of the averaged gradient", "arXiv 1802.04434", scaling="adam"
    ),
    "sgd_ema": Entry(sgd_ema, 50.0, "SGD along averaged gradients", _STUDY, scaling="sgd"),
    "adagrad": Entry(
        adagrad, 1e-2, "gradients over the root of summed squares", _ADAGRAD, scaling="adam"
    ),
    "adafactor_classic": Entry(
        adafactor_classic,
        1e-2,
        "Adafactor as published, steps relative to weights",
        _ADAFACTOR,
        unscaled=_RELATIVE,
    ),
    "sophia": Entry(
        sophia,
        6e-4,
        "averaged gradient over sampled curvature",
        "arXiv 2305.14342",
        extra_flops="a second gradient every curvature_frequency steps",
        unscaled=_CURVATURE,
    ),
    "adalayer": Entry(
        adalayer, 3.16e-3, "Adam with one second average per tensor", _STUDY, scaling="adam"
    ),
    "adalayer_star": Entry(
        adalayer_star, 3.16e-3, "Adalayer with one per logit", _STUDY, scaling="adam"
    ),
    "adalayer_frozen": Entry(
        adalayer_frozen, 3.16e-3, "Adalayer* as at the start", _STUDY, scaling="adam"
    ),
    "adalayer_sgd_last": Entry(
        adalayer_sgd_last, 31.6, "SGD, last layer adaptive", _STUDY, unscaled=_MIXED
    ),
    "adalayer_sgd": Entry(
        adalayer_sgd, 31.6, "SGD, last layer and norms adaptive", _STUDY, unscaled=_MIXED
    ),
    "adafactor_sgd": Entry(
        adafactor_sgd, 31.6, "SGD, last layer and norms factored", _STUDY, unscaled=_MIXED
    ),
    "nadamw": Entry(
        nadamw,
        3.16e-3,
        "Adam that looks one step ahead",
        "Dozat 2016, ICLR workshop",
        scaling="adam",
    ),
    "muon": Entry(
        muon,
        2e-2,
        "orthogonalised averages for the hidden matrices",
        _MUON,
        extra_flops="20 m^2 n + 10 m^3 per hidden m x n matrix, m <= n",
        scaling="spectral",
    ),
    "adam_mini": Entry(
        adam_mini,
        3.16e-3,
        "Adam with one second average per row or head",
        "arXiv 2406.16793",
        scaling="adam",
    ),
    "schedule_free_sgd": Entry(
        schedule_free_sgd,
        1.0,
        "SGD, evaluated at an average",
        _SCHEDULE_FREE,
        "warmup_constant",
        scaling="sgd",
    ),
    "schedule_free_adamw": Entry(
        schedule_free_adamw,
        2.5e-3,
        "Adam, evaluated at an average",
        _SCHEDULE_FREE,
        "warmup_constant",
        scaling="adam",
    ),
    "soap": Entry(
        soap,
        3.16e-3,
        "Adam in Shampoo's eigenbasis",
        "arXiv 2409.11321",
        extra_flops=f"6 (m^2 n + m n^2) per m x n matrix, two QR {_AT_TIMES}",
        unscaled=_SIDES,
    ),
    "shampoo": Entry(
        shampoo,
        3.16e-3,
        "one preconditioner per side",
        "arXiv 1802.09568",
        extra_flops=_SHAMPOO_FLOPS,
        unscaled=_SIDES,
    ),
    "shampoo_squared": Entry(
        shampoo_squared,
        3.16e-3,
        "Shampoo with twice the power",
        "arXiv 2406.17748",
        extra_flops=_SHAMPOO_FLOPS,
        unscaled=_SIDES,
    ),
    "cautious_adamw": Entry(
        cautious_adamw,
        3.16e-3,
        "Adam where the gradient agrees",
        "arXiv 2411.16085",
        scaling="adam",
    ),
    "cautious_lion": Entry(
        cautious_lion, 3.16e-4, "Lion where the gradient agrees", "arXiv 2411.16085", scaling="adam"
    ),
    "ademamix": Entry(
        ademamix, 3.16e-3, "Adam plus a slow average", "arXiv 2409.03137", scaling="adam"
    ),
    "mars": Entry(
        mars, 3.16e-3, "Adam on gradients of less variance", "arXiv 2411.10438", scaling="adam"
    ),
    "prodigy": Entry(
        prodigy, 1.0, "Adam that finds its learning rate", "arXiv 2306.06101", unscaled=_ONE_SIZE
    ),
}


def names() -> tuple[str, ...]:
    """All that a run may name: the built-in optimizers, those of torch, and plug-ins.

    Raises ValueError if a plug-in cannot be used.
    """
    ours = (*REGISTRY, *torch_adapter.entries())
    if taken := set(ours) & set(plugins.names()):
        raise ValueError(f"a plug-in must have a new name, but got {', '.join(sorted(taken))}")
    return (*ours, *plugins.names())


def entry(optimizer: str) -> Entry:
    """The optimizer of a name; raises ValueError if there is none."""
    found = registered(optimizer)
    if isinstance(found, TrainingFunction):
        raise ValueError(f"{optimizer} is a training function, not an optimizer")
    return found


def registered(optimizer: str) -> Registered:
    """The optimizer or the training function of a name; raises ValueError if there is none."""
    ours = REGISTRY.get(optimizer) or torch_adapter.entries().get(optimizer)
    found = ours or plugins.find(optimizer)
    if found is None:
        unknown = f"unknown optimizer '{optimizer}'; known: {', '.join(sorted(names()))}"
        raise ValueError(torch_adapter.refusal(optimizer) or unknown)
    return found


def hyperparameters(optimizer: str, schedule: ScheduleName) -> dict[str, Hyperparameter]:
    """Every hyperparameter that a run reads, with its default: the optimizer's own ones last.

    Exactly these are the keys of `TrainConfig.hyperparameters`.
    """
    chosen = registered(optimizer)
    if isinstance(chosen, TrainingFunction):
        return dict(chosen.hyperparameters)
    unread = (
        frozenset().union(*SCHEDULE_HYPERPARAMETERS.values()) - SCHEDULE_HYPERPARAMETERS[schedule]
    )
    common = {k: v for k, v in TRAINING_HYPERPARAMETERS.items() if k not in unread}
    common["lr"] = dataclasses.replace(common["lr"], default=chosen.lr)
    if chosen.own_decay:
        del common["weight_decay"]
    return common | dict(chosen.hyperparameters)


def options(optimizer: str) -> dict[str, Option]:
    """Every setting that a stack of this optimizer shares, with its default.

    Exactly these are the keys of `TrainConfig.options`.
    """
    return dict(registered(optimizer).options)
