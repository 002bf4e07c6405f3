"""Width: the table of muP, and what it is for."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainers.builders import tiny_config, tiny_model
from tests.trainers.test_loop import run_to_end
from trainers.config import (
    ModelConfig,
    Parameterisation,
    TrainConfig,
    from_dict,
    stack_key,
    to_dict,
)
from trainers.loop import StackRun
from trainers.model import forward, init_params, param_specs
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Context, ParamRole
from trainers.parameterisation import at_width, attention_scale, lr_factors, output_factor

SCALED = [name for name, entry in REGISTRY.items() if entry.scaling]
HEADS = 2


def model_of(width: int, parameterisation: Parameterisation = "mup") -> ModelConfig:
    """Relative to a model of 64, whose heads are 32 wide."""
    return dataclasses.replace(
        tiny_model(width=width),
        parameterisation=parameterisation,
        base_width=64,
        base_head_width=64 // HEADS,
    )


def config_of(data_dir: Path, optimizer: str, model: ModelConfig) -> TrainConfig:
    config = tiny_config(data_dir, optimizer, changes={"weight_decay": 1e-3})
    return dataclasses.replace(config, model=model)


def test_the_table() -> None:
    model = model_of(256)
    specs = param_specs(model)
    assert specs["embedding"].std == specs["output"].std == 64**-0.5
    assert specs["layers.0.q"].std == 256**-0.5
    assert specs["layers.1.mlp_out"].std == pytest.approx((4 * 256) ** -0.5 / 2)
    assert output_factor(model) == 1 / 4
    assert attention_scale(model) == pytest.approx(32**0.5 / 128)
    hidden, tables = (
        (ParamRole.MLP, ParamRole.ATTENTION_K),
        (
            ParamRole.EMBEDDING,
            ParamRole.NORM,
            ParamRole.LAST_LAYER,
        ),
    )
    adam, sgd, spectral = (lr_factors(model, scaling) for scaling in ("adam", "sgd", "spectral"))
    assert [adam[role] for role in (*hidden, *tables)] == [1 / 4] * 2 + [1] * 3
    assert [sgd[role] for role in (*hidden, *tables)] == [1] * 2 + [4] * 3
    assert set(spectral.values()) == {1}


def test_every_optimizer_scales_in_a_way_or_says_why_not(data_dir: Path) -> None:
    assert {"adamw", "lion", "sgd", "muon"} <= {*SCALED}
    for name, entry in REGISTRY.items():
        config = config_of(data_dir, name, model_of(64))
        if entry.scaling is None:
            assert not entry.unscaled.endswith("not stated")
            with pytest.raises(ValueError, match=f"{name} has no learning rates for mup: "):
                StackRun([config], data_dir=data_dir)
        else:
            StackRun([config], data_dir=data_dir)


def test_scales_that_heads_share_have_no_rule_under_sgd(data_dir: Path) -> None:
    model = dataclasses.replace(model_of(64), qk_norm="head")
    with pytest.raises(ValueError, match="sgd has no learning rate for scales that all heads"):
        StackRun([config_of(data_dir, "sgd", model)], data_dir=data_dir)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "adafactor"])
def test_at_the_base_width_it_is_the_standard_one_bit_for_bit(
    data_dir: Path, optimizer: str
) -> None:
    standard, mup = (
        run_to_end(
            StackRun([config_of(data_dir, optimizer, model_of(64, each))], data_dir=data_dir)
        )
        for each in ("standard", "mup")
    )
    assert mup == standard


def moved(data_dir: Path, optimizer: str, model: ModelConfig) -> float:
    """How far four steps move what the last layer sees, as a root mean square.

    Their learning rate is a tenth of the usual one: far less than what ends all growth. Two models
    are averaged.
    """
    config = config_of(data_dir, optimizer, model)
    values = {**config.hyperparameters, "lr": config.hyperparameters["lr"] / 10}
    if "warmup_fraction" in values:
        values["warmup_fraction"] = 0.0
    config = dataclasses.replace(config, hyperparameters=values, steps=100)
    run = StackRun([config, dataclasses.replace(config, seed=1)], data_dir=data_dir)
    tokens = torch.randint(0, 256, (2, 4, 15), generator=torch.Generator().manual_seed(0))

    def features() -> Tensor:
        look = torch.eye(model.width).expand(2, -1, -1) * model.width_multiplier
        params = run._network.params(run._flat.clone())
        return forward(params | {"norm": torch.ones(2, model.width), "output": look}, tokens, model)

    before = features()
    run._evaluated_at_start = True
    while run.step < 4:
        run.advance()
    return float((features() - before).square().mean().sqrt())


@pytest.mark.parametrize("optimizer", SCALED)
def test_steps_move_wide_models_as_far_as_narrow_ones(data_dir: Path, optimizer: str) -> None:
    narrow, wide = (moved(data_dir, optimizer, model_of(width)) for width in (64, 256))
    assert 0.5 < wide / narrow < 2


def test_the_coordinates_of_adam_from_64_to_512(data_dir: Path) -> None:
    """The check of the paper's appendix D: about constant, where the standard one grows."""
    widths = (64, 128, 256, 512)
    mup, standard = (
        [moved(data_dir, "adamw", model_of(width, each)) for width in widths]
        for each in ("mup", "standard")
    )
    assert max(mup) < 1.6 * min(mup)
    assert standard == sorted(standard)
    assert standard[-1] > 3 * standard[0]


def test_decay_does_not_follow_the_learning_rate() -> None:
    """Without a gradient a step is decay alone, and the same at any width."""
    entry = REGISTRY["sgd_ema"]
    optimizer = entry.construct({"momentum": torch.zeros(1, dtype=torch.float64)}, {}, {})
    wide = at_width(optimizer, model_of(256), "adam")
    value, zero = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    lr, peak, decay = torch.tensor([0.2]), torch.tensor([0.4]), torch.tensor([0.05])
    context = Context(1, lr, peak, decay, ParamRole.MLP, {})
    expected, _ = optimizer.update(zero, optimizer.init(value, None), value, context)
    found, _ = wide.update(zero, wide.init(value, None), value, context)
    torch.testing.assert_close(found, expected)
    assert expected.mean().item() == pytest.approx(-0.2 * 0.05)


def test_what_has_no_effect_is_not_part_of_the_identity(data_dir: Path) -> None:
    standard = tiny_config(data_dir)
    other = dataclasses.replace(standard, model=dataclasses.replace(standard.model, base_width=64))
    assert to_dict(other) == to_dict(standard)
    assert "parameterisation" not in to_dict(standard)["model"]
    assert from_dict(to_dict(standard)) == standard
    mup = config_of(data_dir, "adamw", model_of(64))
    assert from_dict(to_dict(mup)) == mup
    assert len({stack_key(config) for config in (standard, other, mup)}) == 2


def test_tied_tables_start_alike_at_every_width() -> None:
    model = dataclasses.replace(model_of(256), tied_embeddings=True)
    params = init_params(model, [0])
    assert params["embedding"].std().item() == pytest.approx(0.98658 * 64**-0.5, rel=0.02)
    assert forward(params, torch.zeros(1, 1, 4, dtype=torch.int64), model).shape == (1, 4, 256)


def test_a_base_has_a_width() -> None:
    with pytest.raises(ValueError, match="base_width >= 1 must hold, but got base_width=0"):
        dataclasses.replace(tiny_model(), base_width=0)
    with pytest.raises(ValueError, match="base_head_width >= 1 must hold"):
        dataclasses.replace(tiny_model(), base_head_width=-1)
