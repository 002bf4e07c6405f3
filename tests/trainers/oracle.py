"""The language model once more, for one trial, as a textbook would write it."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def norm(x: Tensor, scale: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * scale


def norm_of_parts(x: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm of every part of a row that is as long as the scales are: the row, or each head."""
    return torch.cat([norm(part, scale) for part in torch.split(x, len(scale), -1)], -1)


def rotate(x: Tensor) -> Tensor:
    """Rotary embedding of `(T, H)`: component pairs (0, 1), (2, 3), ... turn with the position."""
    T, H = x.shape
    angle = torch.arange(T, dtype=x.dtype)[:, None] * 10_000.0 ** (
        -torch.arange(0, H, 2, dtype=x.dtype) / H
    )
    even, odd = x[:, 0::2], x[:, 1::2]
    turned = even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()
    return torch.stack(turned, -1).reshape(T, H)


def attention(params: dict[str, Tensor], layer: str, x: Tensor, heads: int) -> Tensor:
    y = norm(x, params[layer + "attention_norm"])
    q, k, v = (y @ params[layer + name] for name in "qkv")
    T, D = x.shape
    if layer + "q_norm" in params:
        q = norm_of_parts(q, params[layer + "q_norm"])
        k = norm_of_parts(k, params[layer + "k_norm"])
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    mixed = []
    for columns in torch.split(torch.arange(D), D // heads):
        scores = rotate(q[:, columns]) @ rotate(k[:, columns]).T / math.sqrt(D // heads)
        mixed.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[:, columns])
    return torch.cat(mixed, -1) @ params[layer + "out"]


def logits(params: dict[str, Tensor], tokens: Tensor, *, layers: int, heads: int) -> Tensor:
    """Logits `(T, V)` of one sequence `(T,)`."""
    x = functional.embedding(tokens, params["embedding"])
    for layer in (f"layers.{i}." for i in range(layers)):
        x = x + attention(params, layer, x, heads)
        h = norm(x, params[layer + "mlp_norm"]) @ params[layer + "mlp_in"]
        x = x + functional.gelu(h) @ params[layer + "mlp_out"]
    return norm(x, params["norm"]) @ params.get("output", params["embedding"].T)
