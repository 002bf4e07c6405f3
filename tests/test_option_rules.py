"""Options of optimizers: rules for them are told in the same words, and they tell runs apart."""

from typing import Annotated, Any

import pytest

from sweeper.expand import expand
from sweeper.spec import parse
from tests.sweeps import DATA, MOMENTUM, body, problems
from trainers.config import Option
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Entry, Momentum, Optimizer, chain
from trainers.optimizers.sgd import heavy_ball
from trainers.optimizers.transforms import descend


def build(
    momentum: Momentum = 0.9,
    frequency: Annotated[int, Option(low=1, high=100, help="steps")] = 10,
    one_sided: Annotated[bool, Option(help="switch")] = False,
) -> Optimizer:
    return chain(heavy_ball(momentum), descend())


@pytest.fixture
def with_options(monkeypatch: pytest.MonkeyPatch) -> str:
    """An optimizer with a number, a switch and a schedule of its own."""
    monkeypatch.setitem(REGISTRY, "opted", Entry(build, 0.1, "", "", schedule="constant"))
    return "opted"


FREQUENCY = {"parameter": "frequency", "values": [1, 10]}
BAD_OPTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"base": {"frequency": 0}}, "/base/frequency", "`1 <= frequency <= 100` must hold, but got"),
    ({"base": {"frequency": 1.5}}, "/base/frequency", "frequency must be a whole number, but got"),
    ({"base": {"frequency": True}}, "/base/frequency", "a number is needed, but got True"),
    ({"base": {"one_sided": 1}}, "/base/one_sided", "must be true or false, but got 1"),
    ({"base": {"one_sided": "yes"}}, "/base/one_sided", "must be true or false, but got 'yes'"),
    ({"base": {"momentum": True}}, "/base/momentum", "a number is needed, but got True"),
    ({"base": {"frequency": {"tie": "lr"}}}, "/base/frequency", "cannot be tied to 'lr'"),
    (
        {"base": {"decay_convention": "l2"}},
        "/base/decay_convention",
        "must be one of independent, coupled, but got 'l2'",
    ),
    (
        {"axis": FREQUENCY | {"values": [0.5]}},
        "/axis/values/0",
        "frequency must be a whole number, but got frequency=0.5 (opted)",
    ),
    (
        {"axis": FREQUENCY | {"values": [101]}},
        "/axis/values/0",
        "`1 <= frequency <= 100` must hold, but got frequency=101 (opted)",
    ),
    (
        {"axis": FREQUENCY, "optimizers": ["opted", "sgd"]},
        "/optimizers/1",
        "sgd has no 'frequency'; it has: ",
    ),
    (
        {"axis": {"parameter": "one_sided", "values": [1]}},
        "/axis/parameter",
        "unknown hyperparameter 'one_sided'; known: ",
    ),
    (
        {"axis": {"parameter": "lr_floor", "values": [0.1]}},
        "/optimizers/0",
        "opted has no 'lr_floor' under the constant schedule",
    ),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD_OPTIONS)
def test_options_break_rules_in_the_same_words(
    changes: dict[str, Any], pointer: str, message: str, with_options: str
) -> None:
    found = problems(**{"optimizers": [with_options]} | changes)
    assert pointer in found, found
    assert message in found[pointer]


def test_settings_that_differ_in_nothing_of_the_optimizer_are_checked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[float] = []

    def check(momentum: float, **options: float) -> None:
        checked.append(momentum)
        if momentum == 0.5:
            raise ValueError("a half will not do")

    monkeypatch.setitem(REGISTRY, "checked", Entry(build, 0.1, "", "", check=check))
    expand(parse(body(optimizers=["checked"], seeds=[0, 1])), DATA)
    assert checked == [0.9]
    found = problems(optimizers=["adamw", "checked"], axis=MOMENTUM | {"values": [0.5]})
    assert found == {
        "/optimizers/1": "checked refuses momentum=0.5, frequency=10, one_sided=false: "
        "a half will not do"
    }


def test_options_are_part_of_the_effective_configuration(with_options: str) -> None:
    sweep = body(optimizers=[with_options, {"name": with_options, "one_sided": True}])
    expansion = expand(parse(sweep | {"axis": FREQUENCY}), DATA)
    labels = [variant.label for variant in expansion.variants]
    assert labels == ["opted", "opted, one_sided=true"]
    found = [dict(trial.config.options) for trial in expansion.trials]
    assert found == [
        {"frequency": frequency, "one_sided": one_sided}
        for one_sided in (False, True)
        for frequency in (1, 10)
    ]
    assert all(type(options["frequency"]) is int for options in found)
    assert {trial.config.schedule for trial in expansion.trials} == {"constant"}
    assert len({trial.stack_key for trial in expansion.trials}) == 4
