"""A sweep becomes points and trials: grids, sharing, effective configurations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.expand import expand
from sweeper.grids import axis_values, significant
from sweeper.spec import AxisSpec, parse
from sweeper.trials import Expansion, fingerprint
from tests.sweeps import DATA, LR, body, problems
from trainers.config import TrainConfig


def expanded(**changes: Any) -> Expansion:
    return expand(parse(body(**changes)), DATA)


def configs(**changes: Any) -> list[TrainConfig]:
    expansion = expanded(**changes)
    by_fingerprint = {trial.fingerprint: trial.config for trial in expansion.trials}
    return [by_fingerprint[point.fingerprint] for point in expansion.points]


def axis(**fields: Any) -> AxisSpec:
    return AxisSpec.model_validate({"parameter": "lr"} | fields)


def test_a_generated_log_grid_is_written_as_the_study_writes_it() -> None:
    values = axis_values(axis(low=1e-4, high=1.0, points=9))
    assert values == (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1, 3.16e-1, 1.0)


def test_a_one_minus_log_grid_is_even_in_the_distance_from_one() -> None:
    grid = axis(parameter="beta2", low=0.9, high=0.999, points=3)
    assert axis_values(grid) == (0.9, 0.99, 0.999)


def test_linear_grids_and_zero() -> None:
    grid = axis(parameter="warmup_fraction", low=0.1, high=0.3, points=3)
    assert axis_values(grid) == (0.1, 0.2, 0.3)
    assert axis_values(axis(parameter="weight_decay", values=[0.1, 0.01], zero=True)) == (
        0.0,
        0.01,
        0.1,
    )


@given(st.floats(1e-9, 1e3), st.floats(1.5, 1e6), st.integers(2, 40))
def test_generated_log_values_ascend_between_their_ends(
    low: float, factor: float, points: int
) -> None:
    values = axis_values(axis(low=low, high=low * factor, points=points))
    assert list(values) == sorted(values)
    assert values[0] == significant(low)
    assert values[-1] == significant(low * factor)


def test_points_are_values_times_seeds_of_every_variant_in_order() -> None:
    expansion = expanded(
        axis={"parameter": "lr", "values": [1e-2, 1e-3]},
        optimizers=["adamw", {"name": "sgd", "values": [1.0]}],
        scales=["nano", "micro"],
        seeds=[0, 7],
    )
    labels = [(v.label, v.scale) for v in expansion.variants]
    assert labels == [("adamw", "nano"), ("sgd", "nano"), ("adamw", "micro"), ("sgd", "micro")]
    first = [(p.variant, p.value, p.seed) for p in expansion.points[:6]]
    assert first == [
        (0, 1e-3, 0),
        (0, 1e-3, 7),
        (0, 1e-2, 0),
        (0, 1e-2, 7),
        (1, 1.0, 0),
        (1, 1.0, 7),
    ]
    assert len(expansion.trials) == len(expansion.points) == 12


def test_a_trial_asked_for_twice_is_one_trial() -> None:
    two_ways = expanded(
        axis={"parameter": "momentum", "values": [0.9]},
        optimizers=[
            {"name": "adamw", "label": "a"},
            {"name": "adamw", "label": "b", "beta2": 0.95},
        ],
    )
    assert len(two_ways.points) == 2
    assert len(two_ways.trials) == 1


def test_inert_points_share_one_trial() -> None:
    expansion = expanded(
        axis={"parameter": "eps", "values": [1e-15, 1e-8]},
        optimizers=["adamw", {"name": "lion", "inert": True}],
    )
    assert len(expansion.points) == 4
    assert len(expansion.trials) == 3


def test_sweeps_meet_in_the_same_trial() -> None:
    by_lr = expanded(axis={"parameter": "lr", "values": [3.16e-3]})
    by_momentum = expanded(axis={"parameter": "momentum", "values": [0.9]})
    assert by_lr.trials[0].fingerprint == by_momentum.trials[0].fingerprint


@pytest.mark.parametrize("value", [1, 1.0])
def test_one_and_one_point_zero_are_the_same_value(value: float) -> None:
    point = expanded(axis={"parameter": "lr", "values": [value]}).points[0]
    assert (
        point.fingerprint
        == expanded(axis={"parameter": "lr", "values": [1.0]}).points[0].fingerprint
    )


def test_zero_has_one_sign() -> None:
    zeros = expanded(axis={"parameter": "momentum", "values": [0.0]}).trials
    assert expanded(axis={"parameter": "momentum", "values": [-0.0]}).trials == zeros


def test_the_configuration_is_effective() -> None:
    (config,) = configs(axis={"parameter": "lr", "values": [0.5]}, optimizers=["lion"], base={})
    assert dict(config.hyperparameters) == {
        "lr": 0.5,
        "momentum": 0.9,
        "beta2": 0.95,
        "weight_decay": 0.0,
        "warmup_fraction": 0.1,
        "lr_floor": 0.1,
        "grad_clip": 1.0,
        "z_loss": 1e-4,
    }
    assert config.steps == 3862


def test_base_reaches_only_the_schedules_that_read_the_setting() -> None:
    constant, cosine = configs(
        axis={"parameter": "lr", "values": [0.5]},
        optimizers=[{"name": "adamw", "schedule": "constant", "label": "constant"}, "adamw"],
        base={"lr_floor": 0.2, "steps": 5},
    )
    assert "lr_floor" not in constant.hyperparameters
    assert cosine.hyperparameters["lr_floor"] == 0.2


def test_a_setting_that_another_one_follows_has_an_effect() -> None:
    (config,) = configs(
        axis={"parameter": "lr", "values": [0.5]},
        optimizers=[{"name": "adamw", "weight_decay": {"tie": "lr_floor"}}],
        base={"schedule": "constant", "lr_floor": 0.2, "steps": 5},
    )
    assert config.hyperparameters["weight_decay"] == 0.2


def test_base_reaches_only_the_optimizers_that_have_the_setting() -> None:
    adamw, lion = configs(
        axis={"parameter": "lr", "values": [0.5]},
        optimizers=["adamw", "lion"],
        base={"eps": 1e-8, "steps": 5},
    )
    assert adamw.hyperparameters["eps"] == 1e-8
    assert "eps" not in lion.hyperparameters
    assert adamw.steps == lion.steps == 5


def test_a_schedule_without_warmup_drops_what_it_does_not_read() -> None:
    (config,) = configs(
        axis={"parameter": "lr", "values": [0.5]}, base={"schedule": "constant", "steps": 5}
    )
    assert not {"warmup_fraction", "lr_floor"} & config.hyperparameters.keys()


def test_a_tie_follows_the_axis() -> None:
    found = configs(
        axis={"parameter": "momentum", "values": [0.5, 0.9]},
        optimizers=[{"name": "adamw", "beta2": {"tie": "momentum"}}],
    )
    assert [c.hyperparameters["beta2"] for c in found] == [0.5, 0.9]


def test_batch_size_and_steps_can_be_swept() -> None:
    batches = configs(axis={"parameter": "batch_size", "values": [4, 8]}, base={"steps": 5})
    assert [c.batch_size for c in batches] == [4, 8]
    lengths = configs(axis={"parameter": "steps", "values": [4, 8]}, base={})
    assert [c.steps for c in lengths] == [4, 8]
    ratios = configs(axis={"parameter": "tokens_per_parameter", "values": [1, 2]}, base={})
    assert [c.steps for c in ratios] == [193, 386]


def test_batch_and_length_can_be_multiples_of_the_scales() -> None:
    axis = {"parameter": "batch_multiple", "values": [0.5, 1, 2]}
    batches = configs(axis=axis, base={}, scales=["150m"])
    assert [(c.batch_size, c.steps) for c in batches] == [
        (128, 50_000),
        (256, 25_000),
        (512, 12_500),
    ]
    axis = {"parameter": "length_multiple", "values": [1e-3, 1.04]}
    lengths = configs(axis=axis, base={}, scales=["150m"])
    assert [(c.batch_size, c.steps) for c in lengths] == [(256, 25), (256, 26_000)]
    (least,) = configs(axis={"parameter": "batch_multiple", "values": [1e-3]}, base={"steps": 5})
    assert (least.batch_size, least.steps) == (1, 5)


def test_the_architecture_can_be_set_in_parts() -> None:
    optimizers = [
        "adamw",
        {"name": "adamw", "qk_norm": "head"},
        {"name": "adamw", "tied_embeddings": True},
    ]
    expansion = expanded(optimizers=optimizers, axis={"parameter": "lr", "values": [1e-3]})
    assert [v.label for v in expansion.variants] == [
        "adamw",
        "adamw, qk_norm=head",
        "adamw, tied_embeddings=true",
    ]
    models = [trial.config.model for trial in expansion.trials]
    assert [(m.qk_norm, m.tied_embeddings) for m in models] == [
        ("width", False),
        ("head", False),
        ("width", True),
    ]
    assert len({trial.stack_key for trial in expansion.trials}) == 3


def test_the_parameterisation_and_its_base_can_be_set() -> None:
    base = {"parameterisation": "mup", "base_width": 128, "steps": 5}
    (standard,) = configs(axis={"parameter": "lr", "values": [1e-3]}, base={"steps": 5})
    (mup,) = configs(axis={"parameter": "lr", "values": [1e-3]}, base=base)
    model = mup.model
    assert (model.parameterisation, model.base_width, model.base_head_width) == ("mup", 128, 64)
    assert model.width_multiplier == 64 / 128
    assert standard.model.width_multiplier == 1
    assert fingerprint(mup) != fingerprint(standard)


def test_architectures_are_variants_of_their_own() -> None:
    expansion = expanded(architectures=["standard", "plain"], axis=LR | {"points": 2})
    assert [v.label for v in expansion.variants] == ["adamw, standard", "adamw, plain"]
    standard, plain = expansion.trials[0].config, expansion.trials[2].config
    assert (standard.model.qk_norm, standard.hyperparameters["z_loss"]) == ("width", 1e-4)
    assert (plain.model.qk_norm, plain.hyperparameters["z_loss"]) == ("off", 0.0)


def test_trials_that_differ_in_floats_and_seeds_can_be_stacked() -> None:
    expansion = expanded(optimizers=["adamw", "lion"], seeds=[0, 1])
    keys = {t.config.optimizer: t.stack_key for t in expansion.trials}
    assert len(set(keys.values())) == 2
    assert all(t.stack_key == keys[t.config.optimizer] for t in expansion.trials)


def test_the_convention_of_the_decay_makes_another_trial_only_where_there_is_decay() -> None:
    expansion = expanded(
        axis={"parameter": "weight_decay", "values": [0.1], "zero": True},
        optimizers=["adamw", {"name": "adamw", "decay_convention": "coupled"}],
    )
    found = [t.config.decay_convention for t in expansion.trials]
    assert found == ["independent", "independent", "coupled"]
    assert len(expansion.points) == 4
    assert len({t.stack_key for t in expansion.trials}) == 1


def test_a_coupled_decay_may_be_large() -> None:
    coupled = {"name": "lion", "decay_convention": "coupled"}
    found = configs(
        axis={"parameter": "weight_decay", "values": [0.3, 3.0]},
        optimizers=["torch.AdamW", coupled],
    )
    assert [c.hyperparameters["weight_decay"] for c in found] == [0.3, 3.0] * 2
    found = configs(
        axis={"parameter": "momentum", "values": [0.5, 0.9]},
        base={"steps": 10, "weight_decay": 2.0, "decay_convention": "coupled"},
    )
    assert {c.hyperparameters["weight_decay"] for c in found} == {2.0}


def test_an_optimizer_of_torch_is_swept_over_what_its_class_takes() -> None:
    found = configs(
        axis={"parameter": "weight_decay", "values": [0.0, 0.1], "scale": "linear"},
        optimizers=[{"name": "torch.AdamW", "amsgrad": True, "beta2": 0.99}],
    )
    assert [c.hyperparameters["weight_decay"] for c in found] == [0.0, 0.1]
    assert {c.hyperparameters["beta2"] for c in found} == {0.99}
    assert [dict(c.options) for c in found] == [{"amsgrad": True}] * 2
    assert {c.optimizer_version.split()[0] for c in found} == {"torch"}
    assert {c.decay_convention for c in found} == {"own"}


def test_labels_and_messages_show_the_number_that_is_meant() -> None:
    near_one = [{"name": "adamw", "beta2": 1 - 1e-7}, {"name": "adamw", "beta2": 1 - 2e-7}]
    labels = [variant.label for variant in expanded(optimizers=near_one).variants]
    assert labels == ["adamw, beta2=0.9999999", "adamw, beta2=0.9999998"]
    found = problems(base={"steps": 1e9 + 1})
    assert found["/base/steps"].startswith("`1 <= steps <= 1e+09` must hold, but got steps=1000000")
