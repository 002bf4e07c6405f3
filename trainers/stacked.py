"""Building blocks over a leading axis of trials: products, normalisation, norms and clipping.

`K` trials, `M` rows (sequences times positions), `D` width, `F` outputs, `V` vocabulary. Weights
are `(K, in, out)`. No reduction crosses axis 0, so a NaN in one trial stays there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

NORM_EPS = 1e-5
CLIP_EPS = 1e-6


def linear(x_KMD: Tensor, weight_KDF: Tensor) -> Tensor:
    """One matrix product per trial, `(K, M, F)`."""
    return torch.bmm(x_KMD, weight_KDF)


def linear_add(residual_KMF: Tensor, x_KMD: Tensor, weight_KDF: Tensor) -> Tensor:
    """`residual + linear(x, weight)` in the precision of the residual.

    Outside autocast the addition is part of the product, which saves a pass over memory; under
    autocast `baddbmm` would round the residual stream to bf16.
    """
    if torch.is_autocast_enabled(x_KMD.device.type):
        return residual_KMF + torch.bmm(x_KMD, weight_KDF)
    return torch.baddbmm(residual_KMF, x_KMD, weight_KDF)


def embedding(ids_KM: Tensor, table_KVD: Tensor) -> Tensor:
    """The rows of each trial's own table, `(K, M, D)`.

    Looked up in one table, a copy with all trials' rows: the gradient of an embedding is summed in
    parts. That of an index adds up a row's occurrences one after the other on a GPU, and each of
    256 bytes occurs often (`indexing_backward_kernel` in PyTorch's `Indexing.cu`).
    """
    K, V, _ = table_KVD.shape
    first_K1 = V * torch.arange(K, device=ids_KM.device)[:, None]
    rows_RD = table_KVD.clone(memory_format=torch.contiguous_format).flatten(0, 1)
    return functional.embedding(ids_KM + first_K1, rows_RD)


def standardize(x_KMD: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the last axis: LayerNorm without its scale."""
    return functional.layer_norm(x_KMD, x_KMD.shape[-1:], eps=NORM_EPS)


def layer_norm(x_KMD: Tensor, scale_KD: Tensor) -> Tensor:
    """LayerNorm with a scale per trial and no shift."""
    return standardize(x_KMD) * scale_KD[:, None]


def scale_inputs(scale_KD: Tensor, weight_KDF: Tensor) -> Tensor:
    """The weight that does to `standardize(x)` what `weight` does to `layer_norm(x, scale)`.

    A weight has fewer rows than a batch, so this is the cheaper side to multiply.
    """
    return scale_KD[:, :, None] * weight_KDF


def concatenate(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers of a trial in one row, `(K, P)`."""
    return torch.cat([tensor.flatten(1) for tensor in tensors], dim=1)


def views(flat_KP: Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The inverse of `concatenate`, in the memory of its result."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = torch.split_with_sizes(flat_KP, sizes, dim=1)
    return {
        name: part.unflatten(1, tuple(shape))  # type: ignore[no-untyped-call]
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def norms(flat_KP: Tensor) -> Tensor:
    """One Euclidean norm per trial, `(K,)`."""
    norm_K: Tensor = torch.linalg.vector_norm(flat_KP, dim=1)
    return norm_K


def clip_factors(norm_K: Tensor, limit_K: Tensor) -> Tensor:
    """What to multiply gradients with so that their norm is at most `limit`, `(K,)`.

    `min(1, limit / (norm + 1e-6))`, PyTorch's rule, so that the factor is defined for norm 0. Of an
    infinite norm it is NaN, which ends the trial; zero would have it stand still to the end.
    """
    factor_K = (limit_K.to(norm_K.dtype) / (norm_K + CLIP_EPS)).clamp(max=1.0)
    return torch.where(norm_K.isinf(), torch.nan, factor_K)
