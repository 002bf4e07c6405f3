"""What can be set on a run, by name: ranges and choices, and what is wrong with a value."""

import json
from collections.abc import Mapping
from typing import cast, get_args

from sweeper.digits import written
from sweeper.spec import Setting, Tie
from trainers import optimizers, parameterisation
from trainers.config import (
    SCHEDULE_HYPERPARAMETERS,
    Hyperparameter,
    Option,
    Parameterisation,
    Precision,
    QkNorm,
    ScheduleName,
    TrainConfig,
    under_convention,
)
from trainers.functions import STAND_INS, TrainingFunction


def _up_to(high: float, help: str, *, default: float = 0.0) -> Hyperparameter:
    """A positive number with a bound: no run is so long, and what is counted stays countable."""
    low = 0.0 if default else 1.0
    return Hyperparameter(
        default=default, low=low, open_low=not low, high=high, open_high=False, help=help
    )


RUN_NUMBERS: Mapping[str, Hyperparameter] = {
    "steps": _up_to(1e9, "optimizer steps; default: the scale's length"),
    "batch_size": _up_to(1e6, "sequences per step; default: the scale's"),
    "tokens_per_parameter": _up_to(
        1e6, "length in tokens per non-embedding parameter", default=20.0
    ),
    "tokens": _up_to(1e15, "length in tokens"),
    "batch_multiple": _up_to(
        1e3, "batch in multiples of the scale's; the length in tokens stays", default=1.0
    ),
    "length_multiple": _up_to(1e3, "length in multiples of the scale's", default=1.0),
    "eval_sequences": _up_to(1e7, "held-out sequences per evaluation; default: the scale's"),
}
WHOLE_NUMBERS = frozenset({"steps", "batch_size", "eval_sequences"})
SWEEPABLE_RUN_NUMBERS = RUN_NUMBERS.keys() - {"eval_sequences"}
GIVEN_ONCE: Mapping[str, tuple[str, ...]] = {
    "length": ("steps", "tokens", "tokens_per_parameter", "length_multiple"),
    "batch": ("batch_size", "batch_multiple"),
}
"""The ways to give one fact of a run, of which a sweep takes one."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "schedule": tuple(SCHEDULE_HYPERPARAMETERS),
    "precision": get_args(Precision),
    "qk_norm": get_args(QkNorm),
    "parameterisation": get_args(Parameterisation),
}
SWITCHES: Mapping[str, Option] = {
    "tied_embeddings": Option(default=False, help="whether the output layer is the token table"),
}
WIDTHS: Mapping[str, Option] = {
    "base_width": Option(
        default=256, low=1, high=2**20, help="the width at which mup is the standard one"
    ),
    "base_head_width": Option(
        default=64, low=1, high=2**20, help="the width of a head at which it is"
    ),
}
OF_THE_MODEL = frozenset({"qk_norm", "tied_embeddings", "parameterisation", *WIDTHS})
"""Settings that change the architecture."""
DECAY_CHOICES: Mapping[str, tuple[str, ...]] = {"decay_convention": ("independent", "coupled")}

Rule = Hyperparameter | Option
"""What a number may be."""


def hyperparameters(optimizer: str) -> Mapping[str, Hyperparameter]:
    """Every float that the optimizer can be swept over; `warmup_cosine` reads them all."""
    return optimizers.hyperparameters(optimizer, "warmup_cosine")


def axis_parameters(optimizer: str, schedule: ScheduleName) -> Mapping[str, Rule]:
    """What an axis over this optimizer may be, under this schedule: anything but switches."""
    rules: dict[str, Rule] = dict(optimizers.hyperparameters(optimizer, schedule))
    options = optimizers.options(optimizer)
    rules |= {name: option for name, option in options.items() if not option.is_switch}
    numbers = sorted(SWEEPABLE_RUN_NUMBERS - _unread(optimizer))
    return rules | {name: RUN_NUMBERS[name] for name in numbers}


def known_settings(optimizer: str) -> Mapping[str, Rule | tuple[str, ...]]:
    """Everything that `base` and overrides may name for the optimizer: a range or the choices."""
    rules: dict[str, Rule | tuple[str, ...]] = dict(hyperparameters(optimizer))
    choices = dict(CHOICES) if has_own_decay(optimizer) else {**CHOICES, **DECAY_CHOICES}
    of_the_run: dict[str, Rule | tuple[str, ...]] = {
        **RUN_NUMBERS,
        **choices,
        **SWITCHES,
        **WIDTHS,
    }
    read = {k: rule for k, rule in of_the_run.items() if k not in _unread(optimizer)}
    return rules | optimizers.options(optimizer) | read


def _unread(optimizer: str) -> frozenset[str]:
    """Settings of a run that a training function does not ask for, and so does not have."""
    chosen = optimizers.registered(optimizer)
    if not isinstance(chosen, TrainingFunction):
        return frozenset()
    unread = STAND_INS.keys() - chosen.reads
    without_batch = {"batch_multiple"} if "batch_size" in unread else frozenset[str]()
    in_tokens = (
        {"tokens", "tokens_per_parameter"} if unread & {"model", "batch_size"} else frozenset[str]()
    )
    of_the_model = OF_THE_MODEL if "model" in unread else frozenset[str]()
    return frozenset({"schedule", *unread, *without_batch, *in_tokens, *of_the_model})


def has_own_decay(optimizer: str) -> bool:
    """Whether weight decay is the optimizer's own affair, under no convention of ours."""
    chosen = optimizers.registered(optimizer)
    return isinstance(chosen, TrainingFunction) or chosen.own_decay


def rule_among(name: str, rule: Rule, settings: Mapping[str, Setting]) -> Rule:
    """The range of a number beside the other settings of its optimizer."""
    if isinstance(rule, Option):
        return rule
    return under_convention(name, rule, settings.get("decay_convention"))


def setting_problem(
    name: str, value: Setting, optimizer: str, settings: Mapping[str, Setting]
) -> str | None:
    """What is wrong with a setting of a known name among others of its optimizer, or None."""
    rule = known_settings(optimizer)[name]
    if isinstance(value, Tie):
        return _tie_problem(name, value, optimizer)
    if isinstance(rule, tuple):
        return None if value in rule else f"must be one of {', '.join(rule)}, but got {value!r}"
    if isinstance(rule, Option) and rule.is_switch:
        return None if isinstance(value, bool) else f"must be true or false, but got {value!r}"
    if isinstance(value, str | bool):
        return f"a number is needed, but got {value!r}"
    return number_problem(name, value, rule_among(name, rule, settings))


def number_problem(name: str, value: float, rule: Rule) -> str | None:
    """What is wrong with a number for a hyperparameter or an option, or None."""
    if (name in WHOLE_NUMBERS or isinstance(rule, Option)) and value != int(value):
        return f"{name} must be a whole number, but got {name}={written(value)}"
    if not rule.admits(value):
        return f"`{rule.rule(name)}` must hold, but got {name}={written(value)}"
    return None


def own_settings(config: TrainConfig) -> dict[str, float | str]:
    """The run's hyperparameters and options that its optimizer itself brings."""
    own = optimizers.registered(config.optimizer).hyperparameters
    return {**{name: config.hyperparameters[name] for name in own}, **config.options}


def combination_problem(optimizer: str, own: Mapping[str, float | str]) -> str | None:
    """What an optimizer has against own settings that are each in range, or None."""
    chosen = optimizers.registered(optimizer)
    if isinstance(chosen, TrainingFunction) or chosen.check is None:
        return None
    try:
        chosen.check(**own)
    except ValueError as error:
        shown = ", ".join(f"{name}={_written(value)}" for name, value in own.items())
        return f"{optimizer} refuses {shown}: {error}"
    return None


def _written(value: float | str) -> str:
    return written(value) if type(value) is float else json.dumps(value)


def _tie_problem(name: str, value: Tie, optimizer: str) -> str | None:
    known = hyperparameters(optimizer)
    targets = sorted(known.keys() - {name})
    if name in known and value.tie in targets:
        return None
    return f"cannot be tied to {value.tie!r}; known: {', '.join(targets)}"


def schedule_of(optimizer: str, settings: Mapping[str, Setting]) -> ScheduleName:
    """The schedule that the settings choose; the optimizer's own unless they say."""
    return cast(ScheduleName, settings.get("schedule", optimizers.registered(optimizer).schedule))


def parameterisation_of(settings: Mapping[str, Setting]) -> Parameterisation:
    """The parameterisation that the settings choose."""
    return cast(Parameterisation, settings.get("parameterisation", "standard"))


def width_problem(config: TrainConfig) -> str | None:
    """Why the optimizer cannot train the model of this parameterisation, or None."""
    chosen = optimizers.registered(config.optimizer)
    if isinstance(chosen, TrainingFunction):
        return None
    return parameterisation.problem(config.optimizer, chosen, config.model)
