"""Configurations of runs small enough for a test."""

from collections.abc import Mapping
from pathlib import Path

from trainers.config import ModelConfig, QkNorm, TrainConfig
from trainers.data import EMBEDDED, dataset
from trainers.functions import TrainingFunction
from trainers.optimizers import hyperparameters, options, registered


def tiny_model(
    qk_norm: QkNorm = "width", *, width: int = 16, vocabulary: int = 256, tied: bool = False
) -> ModelConfig:
    return ModelConfig(
        width=width,
        layers=2,
        heads=2,
        sequence_length=16,
        vocabulary=vocabulary,
        qk_norm=qk_norm,
        tied_embeddings=tied,
    )


def tiny_config(
    data_dir: Path,
    optimizer: str = "adamw",
    *,
    steps: int = 12,
    seed: int = 0,
    changes: Mapping[str, float] | None = None,
) -> TrainConfig:
    chosen = registered(optimizer)
    schedule = chosen.schedule
    defaults = {k: v.default for k, v in hyperparameters(optimizer, schedule).items()}
    config = TrainConfig(
        optimizer=optimizer,
        model=tiny_model(),
        data=dataset(data_dir, EMBEDDED),
        steps=steps,
        batch_size=4,
        hyperparameters=defaults | dict(changes or {}),
        options={k: v.default for k, v in options(optimizer).items()},
        schedule=schedule,
        optimizer_version=chosen.version,
        seed=seed,
        eval_sequences=8,
    )
    return chosen.effective(config) if isinstance(chosen, TrainingFunction) else config
