"""From what is set to the run that it describes: defaults filled in, no setting without effect."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from sweeper.settings import (
    WIDTHS,
    has_own_decay,
    hyperparameters,
    parameterisation_of,
    schedule_of,
)
from sweeper.spec import Setting, Tie
from trainers import optimizers
from trainers.config import (
    DataConfig,
    DecayConvention,
    ModelConfig,
    Precision,
    QkNorm,
    ScheduleName,
    TrainConfig,
)
from trainers.functions import TrainingFunction
from trainers.scales import ARCHITECTURES, SCALES


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
    model = _model(size.model(data.vocabulary, variant.qk_norm), settings)
    batch_size = _whole(settings, "batch_size", _times(settings, "batch_multiple", size.batch_size))
    schedule = schedule_of(optimizer, settings)
    values = _effective(optimizer, schedule, settings, z_loss=variant.z_loss)
    chosen = optimizers.registered(optimizer)
    config = TrainConfig(
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
        hyperparameters=values,
        options=_options(optimizer, settings),
        decay_convention=_decay_convention(optimizer, values, settings),
        optimizer_version=chosen.version,
        schedule=schedule,
        precision=cast(Precision, settings.get("precision", size.precision)),
        seed=seed,
        eval_sequences=_whole(settings, "eval_sequences", size.eval_sequences),
    )
    return chosen.effective(config) if isinstance(chosen, TrainingFunction) else config


def _model(usual: ModelConfig, settings: Mapping[str, Setting]) -> ModelConfig:
    """The scale's and the architecture's model, but for what the settings say."""
    return replace(
        usual,
        qk_norm=cast(QkNorm, settings.get("qk_norm", usual.qk_norm)),
        tied_embeddings=bool(settings.get("tied_embeddings", usual.tied_embeddings)),
        parameterisation=parameterisation_of(settings),
        **{name: _whole(settings, name, getattr(usual, name)) for name in WIDTHS},
    )


def _steps(
    settings: Mapping[str, Setting], default: int, parameters: int, tokens_per_step: int
) -> int:
    if "tokens" in settings:
        return max(1, round(cast(float, settings["tokens"]) / tokens_per_step))
    if "tokens_per_parameter" in settings:
        ratio = cast(float, settings["tokens_per_parameter"])
        return max(1, round(ratio * parameters / tokens_per_step))
    return _whole(settings, "steps", _times(settings, "length_multiple", default))


def _whole(settings: Mapping[str, Setting], name: str, default: int) -> int:
    return int(cast(float, settings.get(name, default)))


def _times(settings: Mapping[str, Setting], name: str, default: int) -> int:
    return max(1, round(cast(float, settings.get(name, 1)) * default))


def _options(optimizer: str, settings: Mapping[str, Setting]) -> dict[str, int | str | bool]:
    known = optimizers.options(optimizer)
    chosen = {name: settings.get(name, option.default) for name, option in known.items()}
    return {
        name: bool(value) if known[name].is_switch else int(cast(float, value))
        for name, value in chosen.items()
    }


def _decay_convention(
    optimizer: str, values: Mapping[str, float], settings: Mapping[str, Setting]
) -> DecayConvention:
    """What the settings choose; without decay it has no effect, and is the default."""
    if has_own_decay(optimizer):
        return "own"
    chosen = settings.get("decay_convention", "independent")
    return cast(DecayConvention, chosen) if values.get("weight_decay") else "independent"


def _effective(
    optimizer: str, schedule: ScheduleName, settings: Mapping[str, Setting], *, z_loss: float
) -> dict[str, float]:
    defaults = {name: rule.default for name, rule in hyperparameters(optimizer).items()}
    chosen: dict[str, Any] = dict(defaults)
    if "z_loss" not in optimizers.registered(optimizer).hyperparameters:
        chosen["z_loss"] = z_loss
    chosen |= {name: value for name, value in settings.items() if name in defaults}
    tied = {name: value.tie for name, value in chosen.items() if isinstance(value, Tie)}
    chosen |= {name: chosen[target] for name, target in tied.items()}
    return {name: float(chosen[name]) for name in optimizers.hyperparameters(optimizer, schedule)}
