"""The same recipe as a good user writes it for plain Ray Tune, one trial per CPU.

An `nn.Module` with fused attention, `torch.optim` with `foreach`, one thread each, reused actors,
one report at the end. Reads configurations as JSON from the standard input, prints wall and losses.
The initial weights and the batches are the service's, so that the losses can be compared.
"""

import json
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.gpu_plain import load_initial
from trainers.config import ModelConfig, TrainConfig, from_dict
from trainers.data import TRAIN, VALIDATION, Batches, open_tokens, validation_windows
from trainers.metrics import evaluation_steps


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        width = model.width
        self.heads = model.heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        # Factored moments are those of q, of k and of v.
        self.qkv.weight.parts = 3  # type: ignore[attr-defined]
        self.q_norm = nn.LayerNorm(width, bias=False)
        self.k_norm = nn.LayerNorm(width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """`(B, T, D)` to the same."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).split(D, dim=-1)
        q, k = (
            rotate(self.q_norm(q), self.heads, rotation),
            rotate(self.k_norm(k), self.heads, rotation),
        )
        v = v.view(B, T, self.heads, -1).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))


class Transformer(nn.Module):
    """The service's `standard` architecture."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(model.vocabulary, model.width)
        self.layers = nn.ModuleList(Block(model) for _ in range(model.layers))
        self.norm = nn.LayerNorm(model.width, bias=False)
        self.output = nn.Linear(model.width, model.vocabulary, bias=False)
        half = model.width // model.heads
        frequency = 10_000.0 ** -(torch.arange(0, half, 2, dtype=torch.float64) / half)
        angle = torch.arange(model.sequence_length, dtype=torch.float64)[:, None] * frequency
        rotation = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(B, T, V)`."""
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.rotation[: tokens.shape[1]])
        return self.output(self.norm(x))


def rotate(x: Tensor, heads: int, rotation: Tensor) -> Tensor:
    """Rotary positions, `(B, N, T, H)`."""
    B, T, _ = x.shape
    pairs = torch.view_as_complex(x.view(B, T, heads, -1, 2))
    return torch.view_as_real(pairs * rotation[:, None]).flatten(3).transpose(1, 2)


class Sign(torch.optim.Optimizer):
    """Lion, and Signum where both betas are equal."""

    def __init__(self, params: Any, lr: float, momentum: float, beta2: float) -> None:
        super().__init__(params, {"lr": lr})
        self.momentum, self.beta2 = momentum, beta2

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        group = self.param_groups[0]
        params = group["params"]
        grads = [p.grad for p in params]
        averages = [self.state[p].setdefault("m", torch.zeros_like(p)) for p in params]
        directions = torch._foreach_lerp(averages, grads, 1 - self.momentum)
        torch._foreach_sign_(directions)
        torch._foreach_lerp_(averages, grads, 1 - self.beta2)
        torch._foreach_add_(params, directions, alpha=-group["lr"])


class Factored(torch.optim.Optimizer):
    """Adam with a factored second average."""

    def __init__(self, params: Any, lr: float, momentum: float, beta2: float, eps: float) -> None:
        super().__init__(params, {"lr": lr})
        self.momentum, self.beta2, self.eps, self.steps = momentum, beta2, eps, 0

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        group = self.param_groups[0]
        params = group["params"]
        grads = [p.grad for p in params]
        self.steps += 1
        averages = [self.state[p].setdefault("m", torch.zeros_like(p)) for p in params]
        torch._foreach_lerp_(averages, grads, 1 - self.momentum)
        roots = [self._root(p) for p in params]
        correction = math.sqrt(1 - self.beta2**self.steps)
        torch._foreach_add_(roots, self.eps * correction)
        scale = -group["lr"] * correction / (1 - self.momentum**self.steps)
        torch._foreach_addcdiv_(params, averages, roots, value=scale)

    def _root(self, p: Tensor) -> Tensor:
        state, squares = self.state[p], p.grad.square()
        if p.dim() == 1:
            v = state.setdefault("v", squares.new_zeros(1))
            return (
                v.lerp_(squares.mean(0, keepdim=True), 1 - self.beta2).sqrt().expand_as(p).clone()
            )
        blocks = squares.view(getattr(p, "parts", 1), -1, squares.shape[1])
        row = state.setdefault("row", squares.new_zeros(blocks.shape[:2]))
        column = state.setdefault("column", squares.new_zeros(blocks.shape[::2]))
        row.lerp_(blocks.mean(2), 1 - self.beta2)
        column.lerp_(blocks.mean(1), 1 - self.beta2)
        mean = row.mean(1, keepdim=True)
        share = row / torch.where(mean == 0, 1, mean)
        return (share.sqrt()[:, :, None] * column.sqrt()[:, None]).view_as(p)


def optimizer(config: TrainConfig, params: Any) -> torch.optim.Optimizer:
    """The optimizer of this run."""
    values = config.hyperparameters
    lr, momentum, beta2 = values["lr"], values["momentum"], values.get("beta2", 0.0)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(params, lr=lr, momentum=momentum, foreach=True)
        case "adamw":
            betas, eps = (momentum, beta2), values["eps"]
            return torch.optim.AdamW(
                params, lr=lr, betas=betas, eps=eps, weight_decay=0.0, foreach=True
            )
        case "adafactor":
            return Factored(params, lr, momentum, beta2, values["eps"])
        case "lion":
            return Sign(params, lr, momentum, beta2)
        case "signum":
            return Sign(params, lr, momentum, momentum)
    raise ValueError(f"unknown optimizer {config.optimizer!r}")


def scheduled(step: int, config: TrainConfig) -> float:
    """The warmup-cosine multiplier."""
    floor = config.hyperparameters["lr_floor"]
    warmup = config.hyperparameters["warmup_fraction"] * config.steps
    if step < warmup:
        return floor + (1 - floor) * step / warmup
    progress = min(1.0, (step - warmup) / (config.steps - warmup))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def train(config: TrainConfig, data_dir: Path) -> float | None:
    """The final validation loss; None once a loss is not finite."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(config.seed)
    net = Transformer(config.model)
    load_initial(net, config)
    chosen = optimizer(config, list(net.parameters()))
    window = config.model.sequence_length
    batches = Batches(
        open_tokens(data_dir, config.data, TRAIN),
        [config.seed],
        batch_size=config.batch_size,
        window=window,
    )
    held_out = open_tokens(data_dir, config.data, VALIDATION)
    windows = validation_windows(held_out, config.eval_sequences, window)
    validation = torch.from_numpy(windows.astype("int64"))
    evaluate(net, validation, config)
    loss = math.inf
    for step in range(1, config.steps + 1):
        tokens = torch.from_numpy(batches.batch(step)[0])
        for group in chosen.param_groups:
            group["lr"] = config.hyperparameters["lr"] * scheduled(step, config)
        logits = net(tokens[:, :-1]).flatten(0, 1)
        entropy = functional.cross_entropy(logits, tokens[:, 1:].flatten())
        z = config.hyperparameters["z_loss"] * logits.logsumexp(-1).square().mean()
        chosen.zero_grad()
        (entropy + z).backward()
        nn.utils.clip_grad_norm_(
            net.parameters(), config.hyperparameters["grad_clip"], foreach=True
        )
        chosen.step()
        if step in evaluation_steps(config.steps):
            loss = evaluate(net, validation, config)
            if not math.isfinite(loss):
                return None
    return loss


@torch.no_grad()
def evaluate(net: Transformer, validation: Tensor, config: TrainConfig) -> float:
    """Cross-entropy on the held-out windows."""
    total = 0.0
    for tokens in torch.split(validation, config.batch_size):
        logits = net(tokens[:, :-1]).flatten(0, 1)
        entropy = functional.cross_entropy(logits, tokens[:, 1:].flatten())
        total += float(entropy) * len(tokens)
    return total / len(validation)


def trainable(config: Mapping[str, Any]) -> None:
    """What Ray Tune runs."""
    from ray import tune

    loss = train(from_dict(json.loads(config["spec"])), Path(config["data_dir"]))
    tune.report({"index": config["index"], "loss": math.nan if loss is None else loss})


def main() -> None:
    """Run all configurations on the standard input."""
    os.environ |= {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    import ray
    from ray import tune

    asked = json.load(sys.stdin)
    ray.init(
        address="local",  # Whatever else there is: these cores are what is compared.
        num_cpus=asked["cpus"],
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    space = [
        {"index": n, "spec": json.dumps(plain), "data_dir": asked["data_dir"]}
        for n, plain in enumerate(asked["configs"])
    ]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        grid = tune.Tuner(
            tune.with_resources(lambda config: trainable(config["trial"]), {"cpu": 1}),
            param_space={"trial": tune.grid_search(space)},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(storage_path=scratch, verbose=0),
        ).fit()
        wall_s = time.monotonic() - started
        found = {r.metrics["index"]: r.metrics["loss"] for r in grid}  # type: ignore[attr-defined]
    losses = [None if math.isnan(found[n]) else found[n] for n in range(len(space))]
    print(json.dumps({"wall_s": wall_s, "losses": losses}))
    ray.shutdown()


if __name__ == "__main__":
    main()
