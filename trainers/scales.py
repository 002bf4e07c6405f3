"""Sizes of models and variants of their architecture: those of the study, and proxies of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainers.config import ModelConfig, Precision, QkNorm


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A model size of the study or a proxy of it, with its batch, length and precision."""

    width: int
    layers: int
    heads: int
    sequence_length: int
    batch_size: int
    precision: Precision
    steps: int | None = None
    """Fixed length; None: `tokens_per_parameter` decides."""
    tokens_per_parameter: float = 20.0
    eval_sequences: int = 256

    def model(self, vocabulary: int, qk_norm: QkNorm = "width") -> ModelConfig:
        """The model of this scale over the data set's vocabulary."""
        return ModelConfig(
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            sequence_length=self.sequence_length,
            vocabulary=vocabulary,
            qk_norm=qk_norm,
        )

    def default_steps(self, model: ModelConfig, batch_size: int) -> int:
        """Steps of a run that says nothing about its length, at least one."""
        if batch_size < 1:
            raise ValueError(f"batch_size >= 1 must hold, but got batch_size={batch_size}")
        if self.steps is not None:
            return max(1, round(self.steps * self.batch_size / batch_size))
        tokens = self.tokens_per_parameter * model.num_parameters(embeddings=False)
        return max(1, round(tokens / (batch_size * model.sequence_length)))


def _study(width: int, layers: int, heads: int, steps: int) -> Scale:
    return Scale(
        width=width,
        layers=layers,
        heads=heads,
        sequence_length=512,
        batch_size=256,
        precision="bf16",
        steps=steps,
        eval_sequences=32_000,
    )


def _proxy(width: int, layers: int, heads: int, sequence_length: int, batch_size: int) -> Scale:
    return Scale(
        width=width,
        layers=layers,
        heads=heads,
        sequence_length=sequence_length,
        batch_size=batch_size,
        precision="fp32" if width < 256 else "bf16",
        eval_sequences=128 if width < 128 else 256,
    )


SCALES: Mapping[str, Scale] = {
    "nano": _proxy(64, 2, 2, 64, 8),
    "micro": _proxy(128, 4, 4, 128, 16),
    "10m": _proxy(384, 6, 6, 256, 64),
    "35m": _proxy(512, 12, 8, 512, 128),
    "85m": _proxy(768, 12, 12, 512, 256),
    "150m": _study(1024, 12, 16, 25_000),
    "150m-long": _study(1024, 12, 16, 100_000),
    "300m": _study(1024, 24, 16, 50_000),
    "600m": _study(1408, 24, 22, 100_000),
    "1.2b": _study(2048, 24, 32, 200_000),
}
"""Proxies from two CPU cores up, then the scales of rosieyzh/optimizers-llm@a1f8a3f (configs/)."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A variant of the model: normalisation of queries and keys, and the weight of the z-loss."""

    qk_norm: QkNorm
    z_loss: float


ARCHITECTURES: Mapping[str, Architecture] = {
    "standard": Architecture(qk_norm="width", z_loss=1e-4),
    "plain": Architecture(qk_norm="off", z_loss=0.0),
}
