"""The language model: a pre-norm decoder over stacked parameters, read top to bottom.

`K` trials, `B` sequences, `T` positions, `M = B T` rows, `D` width, `N` heads, `H` head width, `F
= 4 D` hidden, `V` vocabulary. The study's architecture (arXiv 2407.07972,
optimizers-llm@a1f8a3f): LayerNorm with scale only, rotary positions, full causal attention, GELU,
untied embeddings, no biases. In bf16 products and attention are; the residual stream stays in fp32,
where the study's is in bf16, as it casts all parameters (`fsdp.precision: mixed`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional

from trainers import parameterisation
from trainers.config import ModelConfig
from trainers.optimizers.base import ParamRole
from trainers.stacked import embedding, layer_norm, linear, linear_add, scale_inputs, standardize

ROPE_BASE = 10_000.0
INIT_CUT_STD = 3.0

Params = dict[str, Tensor]


@dataclass(frozen=True)
class ParamSpec:
    """Shape of one trial's parameter, what it is for, and how it starts.

    `std` is that of the normal it is drawn from, cut at three of them; None: it starts at one.
    """

    shape: tuple[int, ...]
    role: ParamRole
    std: float | None = None


def param_specs(model: ModelConfig) -> dict[str, ParamSpec]:
    """Every parameter by name, in the order in which they are drawn."""
    D, V = model.width, model.vocabulary
    std = parameterisation.table_std(model)
    specs = {"embedding": ParamSpec((V, D), ParamRole.EMBEDDING, std)}
    for layer in range(model.layers):
        block = _block_specs(model, layer)
        specs |= {f"layers.{layer}.{name}": spec for name, spec in block.items()}
    specs["norm"] = ParamSpec((D,), ParamRole.NORM)
    if not model.tied_embeddings:
        specs["output"] = ParamSpec((D, V), ParamRole.LAST_LAYER, std)
    return specs


def _block_specs(model: ModelConfig, layer: int) -> dict[str, ParamSpec]:
    D, F = model.width, 4 * model.width
    depth = math.sqrt(2 * (layer + 1))
    norm = ParamSpec((D,), ParamRole.NORM)
    specs = {
        "attention_norm": norm,
        "q": ParamSpec((D, D), ParamRole.ATTENTION_Q, D**-0.5),
        "k": ParamSpec((D, D), ParamRole.ATTENTION_K, D**-0.5),
        "v": ParamSpec((D, D), ParamRole.ATTENTION_V, D**-0.5),
        "out": ParamSpec((D, D), ParamRole.ATTENTION_OUT, D**-0.5 / depth),
        "mlp_norm": norm,
        "mlp_in": ParamSpec((D, F), ParamRole.MLP, D**-0.5),
        "mlp_out": ParamSpec((F, D), ParamRole.MLP, F**-0.5 / depth),
    }
    if model.qk_norm_size:
        qk_norm = ParamSpec((model.qk_norm_size,), ParamRole.NORM)
        specs |= {"q_norm": qk_norm, "k_norm": qk_norm}
    return specs


def param_roles(model: ModelConfig) -> dict[str, ParamRole]:
    """What each parameter is for; optimizers choose their blocks by it."""
    return {name: spec.role for name, spec in param_specs(model).items()}


def init_params(model: ModelConfig, seeds: Sequence[int], device: str = "cpu") -> Params:
    """Parameters of a stack, `(K, …)` each; those of a trial depend on its own seed only.

    Drawn on the CPU whatever the device, so that they do not depend on it.
    """
    specs = param_specs(model)
    params = {
        name: torch.ones(len(seeds), *spec.shape, device=device) for name, spec in specs.items()
    }
    for slot, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        for name, spec in specs.items():
            if spec.std is not None:
                params[name][slot] = truncated_normal(spec.shape, spec.std, generator)
    return params


def truncated_normal(shape: Sequence[int], std: float, generator: torch.Generator) -> Tensor:
    """Normal draws with values beyond three `std` excluded, by the inverse of its distribution."""
    edge = math.erf(INIT_CUT_STD / math.sqrt(2))
    uniform = torch.rand(*shape, generator=generator).mul_(2 * edge).sub_(edge)
    return (
        uniform.erfinv_().mul_(std * math.sqrt(2)).clamp_(-INIT_CUT_STD * std, INIT_CUT_STD * std)
    )


def forward(
    params: Params, tokens_KBT: Tensor, model: ModelConfig, parts: "Parts | None" = None
) -> Tensor:
    """Logits of the next token at every position, `(K, M, V)` with `M = B T`."""
    apply = parts or PARTS
    x_KMD = embedding(tokens_KBT.flatten(1), params["embedding"])
    rotation = rotations(tokens_KBT.shape[2], model.head_width, x_KMD.device)
    for layer in range(model.layers):
        x_KMD = apply.block(_of_layer(params, layer), x_KMD, rotation, model)
    tied = model.tied_embeddings
    output_KDV = params["embedding"].transpose(1, 2) if tied else params["output"]
    factor = parameterisation.output_factor(model)
    scale_KD = params["norm"] if factor == 1 else params["norm"] * factor
    return apply.head(x_KMD, scale_KD, output_KDV)


def block(params: Params, x_KMD: Tensor, rotation: Tensor, model: ModelConfig) -> Tensor:
    """A layer with its own parameters, by their names within it."""
    return _mlp(params, _attention(params, x_KMD, rotation, model))


def head(x_KMD: Tensor, scale_KD: Tensor, output_KDV: Tensor) -> Tensor:
    """From what the last layer left to logits."""
    return linear(standardize(x_KMD), scale_inputs(scale_KD, output_KDV))


@dataclass(frozen=True)
class Parts:
    """Where a forward pass takes its time: parts of the model that can be compiled by themselves.

    All layers are one program then, however many there are.
    """

    block: Callable[[Params, Tensor, Tensor, ModelConfig], Tensor]
    head: Callable[[Tensor, Tensor, Tensor], Tensor]


PARTS = Parts(block, head)


def _of_layer(params: Params, layer: int) -> Params:
    prefix = f"layers.{layer}."
    return {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}


@cache
def rotations(T: int, H: int, device: torch.device) -> Tensor:
    """Cosine and sine of position times frequency, `(T, 1, H / 2, 2)`."""
    frequency = ROPE_BASE ** -(torch.arange(0, H, 2, dtype=torch.float64) / H)
    angle = torch.arange(T, dtype=torch.float64)[:, None] * frequency
    unit = torch.polar(torch.ones_like(angle), angle)[:, None].to(torch.complex64)
    return torch.view_as_real(unit).to(device)


def _attention(params: Params, x_KMD: Tensor, rotation: Tensor, model: ModelConfig) -> Tensor:
    K, M, D = x_KMD.shape
    T, N, H = len(rotation), model.heads, model.head_width
    y_KMD, scale_KD = standardize(x_KMD), params["attention_norm"]
    q_KMD = linear(y_KMD, scale_inputs(scale_KD, params["q"]))
    k_KMD = linear(y_KMD, scale_inputs(scale_KD, params["k"]))
    v_KMD = linear(y_KMD, scale_inputs(scale_KD, params["v"]))
    if model.qk_norm_size:
        q_KMD = _qk_norm(q_KMD, params["q_norm"])
        k_KMD = _qk_norm(k_KMD, params["k_norm"])
    # K joins the sequences as one batch axis, (K B, N, T, H). All three in the precision of
    # products, without a mask: what flash attention takes.
    q, k, v = (x.view(-1, T, N, H) for x in (q_KMD, k_KMD, v_KMD))
    q = _rotate(q, rotation).to(v.dtype).transpose(1, 2)
    k = _rotate(k, rotation).to(v.dtype).transpose(1, 2)
    v = v.transpose(1, 2)
    scale = parameterisation.attention_scale(model)
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    return linear_add(x_KMD, mixed.transpose(1, 2).reshape(K, M, D), params["out"])


def _qk_norm(x_KMD: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm over as many neighbours as a trial has scales: those of all heads, or of one."""
    groups = x_KMD.view(len(x_KMD), -1, scale.shape[1])
    return layer_norm(groups, scale).view_as(x_KMD)


def _mlp(params: Params, x_KMD: Tensor) -> Tensor:
    weight_KDF = scale_inputs(params["mlp_norm"], params["mlp_in"])
    h_KMF = linear(standardize(x_KMD), weight_KDF)
    return linear_add(x_KMD, functional.gelu(h_KMF), params["mlp_out"])


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotary position embedding in fp32; neighbouring components of a head form a pair.

    Pairing neighbours and pairing halves differ by a permutation of the head's components, which
    q and k share: neighbours are one complex product, halves are five passes over memory. The
    compiler knows no complex numbers, but makes one pass of any arithmetic.
    """
    pairs = x.float().view(*x.shape[:-1], -1, 2)
    if is_compiling():
        cosine, sine = rotation.unbind(-1)
        turned = pairs.flip(-1) * torch.stack((-sine, sine), -1)
        return (pairs * cosine[..., None] + turned).flatten(-2)
    product = torch.view_as_complex(pairs) * torch.view_as_complex(rotation)
    return torch.view_as_real(product).flatten(-2)
