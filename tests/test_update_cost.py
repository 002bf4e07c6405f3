from typing import Any

import pytest

from sweeper.effective import effective_config
from trainers.config import DataConfig, TrainConfig
from trainers.optimizers import REGISTRY
from trainers.update_cost import UpdateCost, update_cost

DATA = DataConfig(name="x", sha256="0" * 64, vocabulary=256)


def config(optimizer: str, scale: str = "nano", **settings: Any) -> TrainConfig:
    return effective_config(
        optimizer=optimizer,
        scale=scale,
        architecture="standard",
        settings=settings,
        seed=0,
        data=DATA,
    )


def counted(optimizer: str, **settings: Any) -> UpdateCost:
    found = update_cost(config(optimizer, **settings))
    assert found is not None
    return found


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_every_built_in_optimizer_can_be_counted(optimizer: str) -> None:
    found = counted(optimizer)
    parameters = config(optimizer).model.num_parameters()
    assert found.flops >= 2 * parameters
    assert found.gradients == (1.1 if optimizer == "sophia" else 1.0)


def test_adamw_writes_nine_elements_and_keeps_eight_bytes_per_parameter() -> None:
    parameters = config("adamw").model.num_parameters()
    found = counted("adamw")
    assert found.flops == pytest.approx(9 * parameters, rel=1e-3)
    assert found.state_bytes == 8 * parameters


def test_muon_multiplies_matrices_as_its_rule_says() -> None:
    # 20 m^2 n + 10 m^3 per hidden matrix; q, k, v, out are 64 x 64, the two of the MLP 64 x 256.
    square, wide = 30 * 64**3, 20 * 64**2 * 256 + 10 * 64**3
    products = 2 * (4 * square + 2 * wide)
    found = counted("muon")
    elements = found.flops - products
    assert 0 < elements < 20 * config("muon").model.num_parameters()


def test_rare_decompositions_cost_their_share() -> None:
    often, seldom, never = (
        counted("soap", precondition_frequency=every).flops for every in (1, 10, 1_000_000)
    )
    assert seldom - never == pytest.approx((often - never) / 10, rel=1e-3)


def test_numbers_and_seeds_do_not_change_a_count() -> None:
    assert counted("adamw", lr=1e-3) == counted("adamw", lr=1e-2, momentum=0.5)


def test_what_is_not_built_in_is_not_counted() -> None:
    assert update_cost(config("torch.AdamW")) is None
