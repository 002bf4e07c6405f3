"""The context of the form for a new sweep: what can be chosen, and its defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from api.pages.contexts import NewPage, ScaleChoice
from sweeper import optimizer_info
from sweeper import service as use_cases
from sweeper.grids import axis_scale
from sweeper.optimizer_info import OptimizerInfo
from sweeper.service import Service
from sweeper.settings import CHOICES, RUN_NUMBERS, WIDTHS, Rule, axis_parameters
from sweeper.spec import AxisSpec, SamplerName
from trainers.config import SCHEDULE_HYPERPARAMETERS, TRAINING_HYPERPARAMETERS
from trainers.scales import ARCHITECTURES, Scale

PARAMETER_ORDER = ("lr", "momentum", "beta2", "eps", "weight_decay", "warmup_fraction")

SUGGESTED_RANGES: Mapping[str, tuple[str, str]] = {
    "lr": ("1e-4", "1e-1"),
    "momentum": ("0.5", "0.99"),
    "beta2": ("0.9", "0.999"),
    "eps": ("1e-15", "1e-3"),
    "weight_decay": ("1e-6", "1e-2"),
    "warmup_fraction": ("0", "0.5"),
    "lr_floor": ("0", "1"),
    "grad_clip": ("0.1", "10"),
    "z_loss": ("1e-6", "1e-2"),
}
"""Where a first look makes sense, as the form writes it; a suggestion, not a rule."""

STUDIED_VALUES: Mapping[str, str] = {
    "momentum": "0 0.5 0.8 0.9 0.95 0.98 0.99",
    "beta2": "0.8 0.9 0.95 0.98 0.99",
    "eps": "1e-15 1e-12 1e-8 1e-5",
    "weight_decay": "1e-5 1e-4 1e-3 1e-2",
    "warmup_fraction": "0.02 0.1 0.4",
    "batch_multiple": "0.5 1 2 4",
}
"""What a second axis starts from."""
NAMED = 3
"""Optimizers that are named beside a hyperparameter which no others have."""
MULTIPLES = "0.1 0.316 1 3.16 10"


def new_page(service: Service) -> NewPage:
    """Everything the form offers."""
    optimizers = optimizer_info.optimizers()
    presets = use_cases.all_presets()
    shared = {k: v for k, v in TRAINING_HYPERPARAMETERS.items() if k != "lr"}
    own = {
        info.name: {
            key: rule for key, rule in _numbers(info).items() if key not in TRAINING_HYPERPARAMETERS
        }
        for info in optimizers
    }
    parameters = _parameters(optimizers)
    numbers = set[str]().union(*(info.hyperparameters for info in optimizers))
    return NewPage(
        optimizers=optimizers,
        shared=shared,
        lengths={k: v for k, v in RUN_NUMBERS.items() if k not in ("steps", "batch_size")},
        qk_norms=CHOICES["qk_norm"],
        parameterisations=CHOICES["parameterisation"],
        widths=WIDTHS,
        own=own,
        parameters=parameters,
        searchable={name: parameters[name] for name in parameters if name in numbers},
        samplers=get_args(SamplerName),
        scales=[_scale(name, scale) for name, scale in use_cases.scales().items()],
        architectures=list(ARCHITECTURES),
        schedules=list(SCHEDULE_HYPERPARAMETERS),
        datasets=sorted(service.datasets()),
        presets=[(preset.name, preset.summary) for preset in presets],
        form_data={
            "presets": {preset.name: preset.sweep for preset in presets},
            "has": {info.name: sorted(_sweepable(info)) for info in optimizers},
            "ranges": SUGGESTED_RANGES,
            "values": STUDIED_VALUES,
            "multiples": MULTIPLES,
            "axisScales": {name: _customary_scale(name) for name in parameters},
            "defaults": {info.name: _defaults(info) for info in optimizers},
        },
    )


def _defaults(info: OptimizerInfo) -> dict[str, float]:
    return {name: rule.default for name, rule in _numbers(info).items()}


def _numbers(info: OptimizerInfo) -> Mapping[str, Rule]:
    """All that can be swept on it: hyperparameters, and options that are no switches."""
    numbers = {name: option for name, option in info.options.items() if not option.is_switch}
    return {**info.hyperparameters, **numbers}


def _customary_scale(parameter: str) -> str:
    return axis_scale(AxisSpec(parameter=parameter, values=[1.0]))


def _sweepable(info: OptimizerInfo) -> set[str]:
    return {*axis_parameters(info.name, "warmup_cosine")}


def _parameters(optimizers: Sequence[OptimizerInfo]) -> Mapping[str, str]:
    """Everything that some optimizer can be swept over; the studied ones first."""
    everything = sorted(set().union(*(_sweepable(info) for info in optimizers)))
    ordered = [name for name in PARAMETER_ORDER if name in everything]
    ordered += [name for name in everything if name not in PARAMETER_ORDER]
    return {name: _who_has(name, optimizers) for name in ordered}


def _who_has(parameter: str, optimizers: Sequence[OptimizerInfo]) -> str:
    """The few that have it; of one that many have, each optimizer tells whether it does."""
    having = [info.name for info in optimizers if parameter in _sweepable(info)]
    return ", ".join(having) if len(having) <= NAMED else ""


def _scale(name: str, scale: Scale) -> ScaleChoice:
    model: Any = scale.model(256)
    millions = model.num_parameters(embeddings=False) / 1e6
    size = f"{millions:.2g} M" if millions < 1000 else f"{millions / 1000:.2g} G"
    steps = scale.default_steps(model, scale.batch_size)
    return ScaleChoice(
        name=name,
        summary=f"{size} parameters, width {scale.width}, {scale.layers} layers, {steps} steps",
    )
