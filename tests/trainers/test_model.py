import dataclasses
import math
from typing import get_args

import pytest
import torch

from tests.trainers import oracle
from tests.trainers.builders import tiny_model
from trainers.config import ModelConfig, QkNorm
from trainers.model import forward, init_params, param_roles, param_specs, truncated_normal
from trainers.optimizers.base import ParamRole
from trainers.scales import SCALES

STUDY_COUNTS = {
    "150m": (151_045_120, 216_843_264),
    "300m": (302_089_216, 367_887_360),
    "600m": (571_086_208, 661_558_656),
    "1.2b": (1_208_158_208, 1_339_754_496),
}


def count(model: ModelConfig, *, embeddings: bool) -> int:
    tables = set() if embeddings else {"embedding", "output"}
    return sum(
        torch.empty(spec.shape, device="meta").numel()
        for name, spec in param_specs(model).items()
        if name not in tables
    )


@pytest.mark.parametrize("scale", STUDY_COUNTS)
def test_parameter_counts_are_those_of_the_study(scale: str) -> None:
    model = SCALES[scale].model(32_128)
    assert (count(model, embeddings=False), count(model, embeddings=True)) == STUDY_COUNTS[scale]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("qk_norm", get_args(QkNorm))
@pytest.mark.parametrize("scale", SCALES)
def test_parameter_counts_have_a_closed_form(scale: str, qk_norm: QkNorm, tied: bool) -> None:
    model = dataclasses.replace(SCALES[scale].model(256, qk_norm), tied_embeddings=tied)
    for embeddings in (False, True):
        expected = model.num_parameters(embeddings=embeddings)
        assert count(model, embeddings=embeddings) == expected


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("qk_norm", get_args(QkNorm))
def test_forward_equals_a_textbook_model_under_vmap(qk_norm: QkNorm, tied: bool) -> None:
    model = tiny_model(qk_norm, tied=tied)
    params = {k: v.double() for k, v in init_params(model, [3, 4, 5]).items()}
    generator = torch.Generator().manual_seed(0)
    for name, value in params.items():
        if "norm" in name:
            value += 0.3 * torch.randn(value.shape, generator=generator)
    tokens = torch.randint(0, 256, (3, 4, 16), generator=generator)

    def single(params: dict[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        return oracle.logits(params, tokens, layers=model.layers, heads=model.heads)

    expected = torch.func.vmap(torch.func.vmap(single, (None, 0)))(params, tokens).flatten(1, 2)
    # The rotation is computed in fp32.
    torch.testing.assert_close(forward(params, tokens, model), expected, rtol=1e-5, atol=1e-5)


def test_initialisation_depends_on_the_seed_alone() -> None:
    together = init_params(tiny_model(), [7, 8, 7])
    alone = init_params(tiny_model(), [7])
    for name, value in together.items():
        assert torch.equal(value[0], alone[name][0])
        assert torch.equal(value[2], alone[name][0])
    assert not torch.equal(together["output"][0], together["output"][1])


def test_standard_deviations_are_those_of_the_study() -> None:
    model = dataclasses.replace(tiny_model(width=128), layers=3)
    params = init_params(model, [0])
    # A normal cut at three standard deviations has 0.9866 of its spread.
    cut = 0.98658
    residual = math.sqrt(2 * 3)
    expected = {
        "embedding": 128**-0.5,
        "output": 128**-0.5,
        "layers.2.q": 128**-0.5,
        "layers.2.mlp_in": 128**-0.5,
        "layers.2.out": 128**-0.5 / residual,
        "layers.2.mlp_out": 512**-0.5 / residual,
    }
    for name, std in expected.items():
        assert params[name].std().item() == pytest.approx(cut * std, rel=0.02)
        assert params[name].abs().max().item() <= 3 * std
    assert (params["layers.0.q_norm"] == 1).all()


def test_truncated_normal_has_its_quantiles() -> None:
    draws = truncated_normal((200_000,), 2.0, torch.Generator().manual_seed(1))
    assert draws.abs().max().item() <= 6.0
    assert (draws < 2.0).float().mean().item() == pytest.approx(0.8422, abs=0.004)
    assert (draws < 0.0).float().mean().item() == pytest.approx(0.5, abs=0.004)


def test_a_position_sees_no_later_token() -> None:
    model = tiny_model()
    params = init_params(model, [0])
    tokens = torch.arange(16).view(1, 1, 16)
    changed = tokens.clone()
    changed[..., 9] = 200
    before, after = forward(params, tokens, model), forward(params, changed, model)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9:], after[:, 9:])


def test_every_role_is_present() -> None:
    assert set(param_roles(tiny_model()).values()) == set(ParamRole)
