"""The study's model as it is ordinarily written: nn.Module, torch.optim, torch.compile.

For `gpu.py`, which times it beside a stack of one: the same initial weights, batches and precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.gpu_runs import seconds_per_step
from trainers.config import ModelConfig, TrainConfig
from trainers.model import init_params
from trainers.passes import half


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        width = model.width
        self.heads = model.heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = nn.LayerNorm(width, bias=False)
        self.k_norm = nn.LayerNorm(width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """`(B, T, D)` to the same."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).split(D, dim=-1)
        q, k, v = (
            part.view(B, T, self.heads, -1).transpose(1, 2)
            for part in (self.q_norm(q), self.k_norm(k), v)
        )
        q, k = (rotated(part, cosine, sine).to(v.dtype) for part in (q, k))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))


class Transformer(nn.Module):
    """The `standard` architecture."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(model.vocabulary, model.width)
        self.layers = nn.ModuleList(Block(model) for _ in range(model.layers))
        self.norm = nn.LayerNorm(model.width, bias=False)
        self.output = nn.Linear(model.width, model.vocabulary, bias=False)
        frequency = 10_000.0 ** -(torch.arange(0, model.head_width, 2) / model.head_width)
        angle = torch.arange(model.sequence_length)[:, None] * frequency
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(B, T, V)`."""
        T = tokens.shape[1]
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosine[:T], self.sine[:T])
        return self.output(self.norm(x))


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions of neighbouring pairs, in fp32."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = (even * cosine - odd * sine, even * sine + odd * cosine)
    return torch.stack(turned, -1).flatten(-2)


class PlainRun:
    """One trial of AdamW, step by step, on batches that it is given."""

    def __init__(
        self, config: TrainConfig, *, device: str, micro_batch: int, compile: bool
    ) -> None:
        self.config, self.device, self.micro_batch = config, torch.device(device), micro_batch
        net = Transformer(config.model)
        load_initial(net, config)
        self.net = net.to(self.device)
        values = config.hyperparameters
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=values["lr"] * values["lr_floor"],
            betas=(values["momentum"], values["beta2"]),
            eps=values["eps"],
            weight_decay=0.0,
            fused=True,
        )
        self.loss = torch.compile(self._loss, dynamic=False) if compile else self._loss

    def _loss(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(tokens[:, :-1]).flatten(0, 1).float()
        entropy = functional.cross_entropy(logits, tokens[:, 1:].flatten())
        z = self.config.hyperparameters["z_loss"] * logits.logsumexp(-1).square().mean()
        return entropy + z, entropy.detach()

    def step(self, tokens: Tensor) -> Tensor:
        """One step on tokens `(B, T)`; the cross-entropy before it."""
        parts = torch.split(tokens.to(self.device), self.micro_batch)
        total = torch.zeros((), device=self.device)
        for part in parts:
            share = len(part) / len(tokens)
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"
            ):
                loss, entropy = self.loss(part)
            (loss * share).backward()
            total += entropy * share
        nn.utils.clip_grad_norm_(
            self.net.parameters(), self.config.hyperparameters["grad_clip"], foreach=True
        )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total


@dataclass(frozen=True)
class PlainPace:
    """How the ordinary way went."""

    first_loss: float
    micro_batch: int
    step_s: float


def plain_pace(
    config: TrainConfig,
    tokens: Sequence[Tensor],
    *,
    device: str,
    micro_batch: int,
    compile: bool,
    seconds: float,
) -> PlainPace:
    """With so many sequences at once or, where they do not fit, half of them."""
    while True:
        try:
            return _pace(
                PlainRun(config, device=device, micro_batch=micro_batch, compile=compile),
                tokens,
                seconds,
            )
        except torch.OutOfMemoryError:
            if micro_batch == 1:
                raise
        micro_batch = half(micro_batch)


def _pace(run: PlainRun, tokens: Sequence[Tensor], seconds: float) -> PlainPace:
    first_loss = float(run.step(tokens[0]))
    step_s = seconds_per_step(lambda: run.step(tokens[1]), run.device.type, seconds)
    return PlainPace(first_loss, run.micro_batch, step_s)


def load_initial(net: Any, config: TrainConfig) -> None:
    """The initial weights of this seed, for a model with the layers of the one above."""
    initial = {name: value[0] for name, value in init_params(config.model, [config.seed]).items()}
    with torch.no_grad():
        net.embedding.weight.copy_(initial["embedding"])
        net.output.weight.copy_(initial["output"].T)
        for n, block in enumerate(net.layers):
            part = {key.removeprefix(f"layers.{n}."): value for key, value in initial.items()}
            block.qkv.weight.copy_(torch.cat([part["q"].T, part["k"].T, part["v"].T]))
            block.out.weight.copy_(part["out"].T)
            block.mlp_in.weight.copy_(part["mlp_in"].T)
            block.mlp_out.weight.copy_(part["mlp_out"].T)
