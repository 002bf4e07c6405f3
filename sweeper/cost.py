"""What a training run costs, counted rather than measured."""

from trainers.config import TrainConfig


def training_flops(config: TrainConfig) -> float:
    """Floating-point operations of all optimizer steps, evaluation and the optimizer left out.

    Six per weight of a matrix product and token (two forward, four backward), and causal attention,
    which sees half of the sequence on average: the counting of arXiv 2204.02311, appendix B, with
    the causal mask taken into account.
    """
    model = config.model
    matrices = 12 * model.layers * model.width**2 + model.vocabulary * model.width
    attention = 6 * model.layers * model.width * model.sequence_length
    return float(config.tokens) * (6 * matrices + attention)
