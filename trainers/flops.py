"""Floating-point operations of training, counted rather than measured."""

from trainers.config import ModelConfig, TrainConfig


def training_flops(config: TrainConfig) -> float:
    """Floating-point operations of all optimizer steps, evaluation and the optimizer left out."""
    return float(config.tokens) * flops_per_token(config.model)


def flops_per_token(model: ModelConfig) -> int:
    """Floating-point operations of a forward and a backward pass, for each token of a sequence.

    Six per weight of a matrix product and token (two forward, four backward), and causal attention,
    which sees half of the sequence on average: the counting of arXiv 2204.02311, appendix B, with
    the causal mask taken into account.
    """
    matrices = 12 * model.layers * model.width**2 + model.vocabulary * model.width
    attention = 6 * model.layers * model.width * model.sequence_length
    return 6 * matrices + attention
