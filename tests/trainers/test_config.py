import dataclasses
import json
from pathlib import Path

import pytest

from tests.trainers.builders import tiny_config, tiny_model
from trainers.config import (
    Hyperparameter,
    Option,
    TrainConfig,
    canonical_json,
    from_dict,
    stack_key,
    to_dict,
)
from trainers.scales import SCALES


@pytest.fixture
def config(data_dir: Path) -> TrainConfig:
    return tiny_config(data_dir)


def test_a_config_survives_json(config: TrainConfig) -> None:
    assert from_dict(json.loads(canonical_json(to_dict(config)))) == config


def test_equal_numbers_have_equal_identities(config: TrainConfig) -> None:
    whole = dict(config.hyperparameters) | {"lr": 1}
    real = dict(reversed([*config.hyperparameters.items()])) | {"lr": 1.0}
    texts = {
        canonical_json(to_dict(dataclasses.replace(config, hyperparameters=values)))
        for values in (whole, real)
    }
    assert len(texts) == 1


def test_a_stack_shares_all_but_hyperparameters_and_seed(config: TrainConfig) -> None:
    moved = dict(config.hyperparameters) | {"lr": 7.0}
    same = [dataclasses.replace(config, seed=9), dataclasses.replace(config, hyperparameters=moved)]
    assert {stack_key(c) for c in same} == {stack_key(config)}
    other = [
        dataclasses.replace(config, steps=99),
        dataclasses.replace(config, optimizer="lion"),
        dataclasses.replace(config, model=tiny_model("off")),
        dataclasses.replace(config, hyperparameters={"lr": 1.0}),
    ]
    assert len({stack_key(c) for c in [config, *other]}) == 5


@pytest.mark.parametrize(
    ("hyperparameter", "inside", "outside", "rule"),
    [
        (
            Hyperparameter(default=0.9, high=1.0),
            (0.0, 0.99),
            (-0.1, 1.0, float("nan")),
            "0 <= x < 1",
        ),
        (Hyperparameter(default=1.0, open_low=True), (1e-30, 1e9), (0.0, float("inf")), "x > 0"),
        (Hyperparameter(default=1.0), (0.0, 5.0), (-1.0, float("inf")), "x >= 0"),
        (Hyperparameter(default=0.1, high=1.0, open_high=False), (0.0, 1.0), (1.1,), "0 <= x <= 1"),
    ],
)
def test_ranges(
    hyperparameter: Hyperparameter, inside: tuple[float, ...], outside: tuple[float, ...], rule: str
) -> None:
    assert all(hyperparameter.admits(value) for value in inside)
    assert not any(hyperparameter.admits(value) for value in outside)
    assert hyperparameter.rule("x") == rule


def test_options_are_whole_numbers_or_switches() -> None:
    number = Option(default=10, low=1, high=100)
    assert all(number.admits(value) for value in (1, 100, 7.0))
    assert not any(number.admits(value) for value in (0, 101, 1.5, True))
    assert (number.rule("x"), Option(low=2).rule("x")) == ("1 <= x <= 100", "x >= 2")
    assert Option(low=2).admits(10**9)
    switch = Option(default=False)
    assert switch.admits(True)
    assert not switch.admits(1)
    assert switch.rule("x") == "x in (false, true)"


def test_the_convention_of_the_decay_is_recorded_where_there_is_decay(config: TrainConfig) -> None:
    coupled = dataclasses.replace(config, decay_convention="coupled")
    assert to_dict(coupled) == to_dict(config)
    decayed = [
        dataclasses.replace(c, hyperparameters=dict(c.hyperparameters) | {"weight_decay": 0.1})
        for c in (config, coupled)
    ]
    assert [to_dict(c)["decay_convention"] for c in decayed] == ["independent", "coupled"]
    assert from_dict(to_dict(decayed[1])) == decayed[1]
    assert len({stack_key(c) for c in (config, coupled, *decayed)}) == 1


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width must be heads times an even head width"):
        dataclasses.replace(tiny_model(), heads=3)


def test_lengths_of_the_study() -> None:
    expected = {"150m": 25_000, "300m": 50_000, "600m": 100_000, "1.2b": 200_000}
    for name, steps in expected.items():
        scale = SCALES[name]
        assert scale.default_steps(scale.model(32_128), 256) == steps
        assert scale.default_steps(scale.model(32_128), 512) == steps // 2


def test_a_proxy_reads_twenty_tokens_per_parameter() -> None:
    scale = SCALES["nano"]
    model = scale.model(256)
    tokens = scale.default_steps(model, 8) * 8 * 64
    assert tokens == pytest.approx(20 * model.num_parameters(embeddings=False), rel=0.01)
