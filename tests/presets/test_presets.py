"""Every preset is a sweep that can be submitted as it is."""

import itertools
import math

import pytest

from sweeper import presets
from sweeper.expand import expand
from sweeper.spec import parse
from trainers.config import DataConfig

DATA = {"embedded": DataConfig(name="embedded", sha256="0" * 64, vocabulary=256)}


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_expands(name: str) -> None:
    preset = presets.preset(name)
    expansion = expand(parse(preset.sweep), DATA)
    assert preset.name == name
    assert preset.summary.endswith(".")
    assert len(expansion.points) > len(expansion.variants) > 0


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown preset 'none'; known: demo, eps, lr"):
        presets.preset("none")


def test_the_demo_has_seven_half_decades_for_each_of_five_optimizers() -> None:
    expansion = expand(parse(presets.preset("demo").sweep), DATA)
    names = [variant.optimizer for variant in expansion.variants]
    assert sorted(names) == ["adafactor", "adamw", "lion", "sgd", "signum"]
    for i in range(5):
        values = [point.value for point in expansion.points if point.variant == i]
        exponents = [math.log10(value) for value in values]
        gaps = [high - low for low, high in itertools.pairwise(exponents)]
        assert len(values) == 7
        assert gaps == pytest.approx([0.5] * 6, abs=2e-3)


def test_the_studys_grids_have_its_sizes() -> None:
    sizes = {n: expand(parse(presets.preset(n).sweep), DATA) for n in ("lr", "momentum", "eps")}
    assert {n: len(e.points) for n, e in sizes.items()} == {"lr": 45, "momentum": 35, "eps": 16}
    # lion has no epsilon: its four points are one trial.
    assert len(sizes["eps"].trials) == 13
