"""Labels drawn from a model's own predictions, for optimizers that estimate the curvature."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainers.transfer import to_device


def drawn_labels(logits_KMV: Tensor, seeds: Sequence[int], step: int, row: int = 0) -> Tensor:
    """One token per row, from the softmax of its logits, `(K, M)`.

    A trial's draws depend on its seed, the step, the row's place in the batch (that of the first
    one is `row`) and its logits alone. Where logits are not finite the label is some valid token.
    """
    M, V = logits_KMV.shape[1:]
    cumulative_KMV = torch.softmax(logits_KMV.detach().float(), 2).cumsum(2)
    uniform_KM = np.stack([_uniform(seed, step, row + M)[row:] for seed in seeds])
    threshold_KM = to_device(torch.from_numpy(uniform_KM), cumulative_KMV.device)
    threshold_KM1 = threshold_KM.to(cumulative_KMV.dtype)[:, :, None]
    label_KM1 = torch.searchsorted(cumulative_KMV, threshold_KM1, right=True)
    return label_KM1.squeeze(2).clamp_(max=V - 1)


def _uniform(seed: int, step: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Numbers in [0, 1) of a counter-based generator: nothing needs to be kept between steps."""
    return np.random.Generator(np.random.Philox(key=(seed << 64) + step)).random(count)
