"""Every rule a submission can break: the place, the rule, the value and the choices are named."""

from typing import Any

import pytest

from tests.sweeps import LR, MOMENTUM, lr, problems

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"optimizers": ["/my/optimizer.py"]}, "/optimizers/0/name", "must match"),
    ({"optimizers": []}, "/optimizers", "must have at least 1 item, but got []"),
    ({"axis": "lr"}, "/axis", "an object is needed, but got 'lr'"),
    (
        {"optimizers": [{"name": "adamw", "overrides": {"momentum": 0.5}}]},
        "/optimizers/0/overrides",
        "is needed, but got {'momentum': 0.5}",
    ),
    ({"scales": ["huge"]}, "/scales/0", "unknown scale 'huge'; known: "),
    ({"scales": ["nano", "nano"]}, "/scales", "must not repeat, but these do: nano"),
    ({"architectures": ["odd"]}, "/architectures/0", "unknown architecture 'odd'; known: plain, s"),
    ({"data": "c4"}, "/data", "unknown data set 'c4'; known: embedded"),
    ({"seeds": [1, 1]}, "/seeds", "must not repeat, but these do: 1"),
    ({"seeds": [-1]}, "/seeds/0", "greater than or equal to 0"),
    ({"seeds": [0.5]}, "/seeds/0", "got 0.5"),
    ({"seeds": []}, "/seeds", "at least 1"),
    ({"nam": 1}, "/nam", "unknown key 'nam'; known: name, axis"),
    ({"name": None}, "/name", "is required"),
    ({"name": "<b>"}, "/name", "must match"),
    ({"name": "x" * 121}, "/name", "must match"),
    (
        {
            "axis": {"parameter": "steps", "scale": "linear"}
            | {"low": -1.7e308, "high": 1.7e308, "points": 3},
            "base": None,
        },
        "/axis/high",
        "`|high| <= 1e+300` must hold, but got high=1.7e+308",
    ),
    ({"axis": LR | {"high": 1.797e308}}, "/axis/high", "`|high| <= 1e+300` must hold, but got"),
    ({"axis": LR | {"point": 3}}, "/axis/point", "unknown key 'point'; known: values, low"),
    ({"axis": {"parameter": "lr"}}, "/axis", "give the values in one way: `values`, `multiples`"),
    ({"axis": LR | {"values": [1.0]}}, "/axis", "give the values in one way"),
    (
        {"axis": {"parameter": "rate", "values": [1]}},
        "/axis/parameter",
        "unknown hyperparameter 'rate'; known: ",
    ),
    ({"axis": lr()}, "/axis/values", "at least 1"),
    (
        {"axis": lr(0.0)},
        "/axis/values/0",
        "`lr > 0` must hold on a log axis, but got lr=0; `zero: ",
    ),
    ({"axis": lr(-1.0)}, "/axis/values/0", "`lr > 0` must hold on a log axis, but got lr=-1"),
    ({"axis": lr(float("nan"))}, "/axis/values/0", "a finite number is needed, but got nan"),
    ({"axis": lr(1.0, float("inf"))}, "/axis/values/1", "a finite number is needed, but got inf"),
    ({"axis": lr(0.1, 0.2, 0.1)}, "/axis/values", "must not repeat, but these do: 0.1"),
    ({"axis": lr(0.1, zero=True)}, "/axis/zero", "`lr > 0` must hold, but got lr=0 (adamw)"),
    ({"axis": MOMENTUM | {"zero": True}}, "/axis/zero", "is for log axes, but this one is one_m"),
    ({"axis": LR | {"low": 0.0}}, "/axis/low", "`low > 0` must hold on a log axis, but got low=0"),
    ({"axis": LR | {"low": 1.0}}, "/axis/high", "`low < high` must hold, but got 1, 0.1"),
    ({"axis": LR | {"points": 1}}, "/axis/points", "greater than or equal to 2"),
    ({"axis": LR | {"scale": "cubic"}}, "/axis/scale", "must be one of 'log', 'linear' or"),
    ({"axis": LR | {"high": 1.01e-4, "points": 9}}, "/axis", "must not repeat"),
    ({"axis": MOMENTUM | {"values": [1.0]}}, "/axis/values/0", "`momentum < 1` must hold"),
    (
        {"axis": {"parameter": "momentum", "low": 0.0, "high": 1.0, "points": 3}},
        "/axis/high",
        "`high < 1` must hold on a one_minus_log axis, but got high=1",
    ),
    (
        {"axis": {"parameter": "momentum", "values": [1.0], "scale": "linear"}},
        "/axis/values/0",
        "`0 <= momentum < 1` must hold, but got momentum=1 (adamw)",
    ),
    (
        {"axis": {"parameter": "steps", "values": [1.5]}, "base": {}},
        "/axis/values/0",
        "steps must be a whole number, but got steps=1.5",
    ),
    (
        {"optimizers": [{"name": "adamw", "inert": True}]},
        "/optimizers/0/inert",
        "is for optimizers without 'lr', but adamw has it",
    ),
    ({"optimizers": ["adamw", "adamw"]}, "/optimizers/1/label", "'adamw' is taken"),
    (
        {"axis": {"parameter": "tokens_per_parameter", "values": [1e308]}, "base": {}},
        "/axis/values/0",
        "`0 < tokens_per_parameter <= 1e+06` must hold",
    ),
    ({"seeds": list(range(1000)), "axis": LR | {"points": 11}}, "", "at most 10000 points, but "),
    ({"priority": 1000}, "/priority", "less than or equal to 100"),
    ({"fresh": 1}, "/fresh", "valid boolean"),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD)
def test_a_broken_rule_names_place_rule_value_and_choices(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**changes)
    assert pointer in found, found
    assert message in found[pointer]


def test_all_broken_rules_of_one_kind_are_told_at_once() -> None:
    found = problems(optimizers=["adamx", "adamw"], scales=["huge"], seeds=[1, 1])
    assert set(found) == {"/optimizers/0", "/scales/0", "/seeds"}
