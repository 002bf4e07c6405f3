"""What can be set on a run, by name: ranges, choices, and the effective configuration."""

from collections.abc import Mapping
from typing import Any, cast

from sweeper.spec import Setting, Tie
from trainers import optimizers
from trainers.config import (
    ARCHITECTURES,
    SCALES,
    SCHEDULE_HYPERPARAMETERS,
    DataConfig,
    Hyperparameter,
    Precision,
    ScheduleName,
    TrainConfig,
)

RUN_NUMBERS: Mapping[str, Hyperparameter] = {
    "steps": Hyperparameter(default=0, low=1, help="optimizer steps; default: the scale's length"),
    "batch_size": Hyperparameter(default=0, low=1, help="sequences per step; default: the scale's"),
    "tokens_per_parameter": Hyperparameter(
        default=20.0, open_low=True, help="length in tokens per non-embedding parameter"
    ),
    "eval_sequences": Hyperparameter(
        default=0, low=1, help="held-out sequences per evaluation; default: the scale's"
    ),
}
WHOLE_NUMBERS = frozenset({"steps", "batch_size", "eval_sequences"})
SWEEPABLE_RUN_NUMBERS = frozenset({"steps", "batch_size", "tokens_per_parameter"})

CHOICES: Mapping[str, tuple[str, ...]] = {
    "schedule": tuple(SCHEDULE_HYPERPARAMETERS),
    "precision": ("fp32", "bf16"),
}


def hyperparameters(optimizer: str) -> Mapping[str, Hyperparameter]:
    """Every float that the optimizer can be swept over; `warmup_cosine` reads them all."""
    return optimizers.hyperparameters(optimizer, "warmup_cosine")


def axis_parameters(optimizer: str, schedule: ScheduleName) -> Mapping[str, Hyperparameter]:
    """What an axis over this optimizer may be, under this schedule."""
    sweepable = {name: RUN_NUMBERS[name] for name in sorted(SWEEPABLE_RUN_NUMBERS)}
    return optimizers.hyperparameters(optimizer, schedule) | sweepable


def known_settings(optimizer: str) -> Mapping[str, Hyperparameter | tuple[str, ...]]:
    """Everything that `base` and overrides may name for the optimizer: a range or the choices."""
    return dict(hyperparameters(optimizer)) | dict(RUN_NUMBERS) | dict(CHOICES)


def setting_problem(name: str, value: Setting, optimizer: str) -> str | None:
    """What is wrong with a setting of a known name, or None."""
    rule = known_settings(optimizer)[name]
    if isinstance(value, Tie):
        return _tie_problem(name, value, optimizer)
    if isinstance(rule, tuple):
        return None if value in rule else f"must be one of {', '.join(rule)}, but got {value!r}"
    if isinstance(value, str):
        return f"a number is needed, but got {value!r}"
    return number_problem(name, value, rule)


def number_problem(name: str, value: float, rule: Hyperparameter) -> str | None:
    """What is wrong with a number for a hyperparameter, or None."""
    if not rule.admits(value):
        return f"`{rule.rule(name)}` must hold, but got {name}={value:g}"
    if name in WHOLE_NUMBERS and value != int(value):
        return f"{name} must be a whole number, but got {name}={value:g}"
    return None


def _tie_problem(name: str, value: Tie, optimizer: str) -> str | None:
    known = hyperparameters(optimizer)
    targets = sorted(known.keys() - {name})
    if name in known and value.tie in targets:
        return None
    return f"cannot be tied to {value.tie!r}; known: {', '.join(targets)}"


def schedule_of(settings: Mapping[str, Setting]) -> ScheduleName:
    """The schedule that the settings choose; the study's unless they say."""
    return cast(ScheduleName, settings.get("schedule", "warmup_cosine"))


def effective_config(
    *,
    optimizer: str,
    scale: str,
    architecture: str,
    settings: Mapping[str, Setting],
    seed: int,
    data: DataConfig,
) -> TrainConfig:
    """The run that valid settings describe: defaults filled in, whatever has no effect left out."""
    size, variant = SCALES[scale], ARCHITECTURES[architecture]
    model = size.model(data.vocabulary, variant.qk_norm)
    batch_size = _whole(settings, "batch_size", size.batch_size)
    schedule = schedule_of(settings)
    return TrainConfig(
        optimizer=optimizer,
        model=model,
        data=data,
        steps=_steps(
            settings,
            size.default_steps(model, batch_size),
            model.num_parameters(embeddings=False),
            batch_size * model.sequence_length,
        ),
        batch_size=batch_size,
        hyperparameters=_effective(optimizer, schedule, settings, z_loss=variant.z_loss),
        schedule=schedule,
        precision=cast(Precision, settings.get("precision", size.precision)),
        seed=seed,
        eval_sequences=_whole(settings, "eval_sequences", size.eval_sequences),
    )


def _steps(
    settings: Mapping[str, Setting], default: int, parameters: int, tokens_per_step: int
) -> int:
    if "steps" in settings or "tokens_per_parameter" not in settings:
        return _whole(settings, "steps", default)
    ratio = cast(float, settings["tokens_per_parameter"])
    return max(1, round(ratio * parameters / tokens_per_step))


def _whole(settings: Mapping[str, Setting], name: str, default: int) -> int:
    return int(cast(float, settings.get(name, default)))


def _effective(
    optimizer: str, schedule: ScheduleName, settings: Mapping[str, Setting], *, z_loss: float
) -> dict[str, float]:
    defaults = {name: rule.default for name, rule in hyperparameters(optimizer).items()}
    chosen: dict[str, Any] = defaults | {"z_loss": z_loss}
    chosen |= {name: value for name, value in settings.items() if name in defaults}
    tied = {name: value.tie for name, value in chosen.items() if isinstance(value, Tie)}
    chosen |= {name: chosen[target] for name, target in tied.items()}
    return {name: float(chosen[name]) for name in optimizers.hyperparameters(optimizer, schedule)}
