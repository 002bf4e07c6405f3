"""Every rule a submission can break: the place, the rule, the value and the choices are named."""

from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.expand import expand
from sweeper.spec import parse
from trainers.config import DataConfig

DATA = {"embedded": DataConfig(name="embedded", sha256="0" * 64, vocabulary=256)}
LR = {"parameter": "lr", "low": 1e-4, "high": 1e-1, "points": 7}
MOMENTUM = {"parameter": "momentum", "values": [0.0, 0.9]}


def body(**changes: Any) -> dict[str, Any]:
    sweep = {"name": "a sweep", "axis": LR, "optimizers": ["adamw"], "base": {"steps": 10}}
    return {key: value for key, value in (sweep | changes).items() if value is not None}


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        expand(parse(body(**changes)), DATA)
    return {problem.pointer: problem.message for problem in caught.value.problems}


def lr(*values: float, **more: Any) -> dict[str, Any]:
    return {"parameter": "lr", "values": list(values)} | more


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"optimizers": ["adamx"]}, "/optimizers/0", "unknown optimizer 'adamx'; known: adafactor, a"),
    ({"optimizers": []}, "/optimizers", "at least 1"),
    ({"optimizers": [3]}, "/optimizers/0", "got 3"),
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
    ({"axis": LR | {"point": 3}}, "/axis/point", "unknown key 'point'; known: parameter, values"),
    ({"axis": {"parameter": "lr"}}, "/axis", "give `values`, or all of `low`, `high` and `points`"),
    ({"axis": LR | {"values": [1.0]}}, "/axis", "not both"),
    (
        {"axis": {"parameter": "rate", "values": [1]}},
        "/axis/parameter",
        "known: batch_size, beta2, eps",
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
        {"axis": {"parameter": "eps", "values": [1e-8]}, "optimizers": ["adamw", "lion"]},
        "/optimizers/1",
        "lion has no 'eps'; it has: batch_size, beta2, grad_clip, lr",
    ),
    (
        {
            "axis": {"parameter": "warmup_fraction", "values": [0.1]},
            "base": {"schedule": "constant"},
        },
        "/optimizers/0",
        "adamw has no 'warmup_fraction' under the constant schedule; it has: ",
    ),
    (
        {"optimizers": [{"name": "adamw", "inert": True}]},
        "/optimizers/0/inert",
        "is for optimizers without 'lr', but adamw has it",
    ),
    (
        {"optimizers": [{"name": "lion", "eps": 1e-8}]},
        "/optimizers/0/eps",
        "lion has no 'eps'; it has: batch_size, beta2, eval_sequences, grad_clip, lr",
    ),
    (
        {"optimizers": [{"name": "adamw", "momentum": 1.0}]},
        "/optimizers/0/momentum",
        "`0 <= momentum < 1` must hold, but got momentum=1",
    ),
    (
        {"optimizers": [{"name": "adamw", "momentum": float("nan")}]},
        "/optimizers/0/momentum",
        "a finite number, the name of a choice, or",
    ),
    (
        {"optimizers": [{"name": "adamw", "lr": 0.1}]},
        "/optimizers/0/lr",
        "lr is the swept hyperparameter; its values are the axis",
    ),
    (
        {"optimizers": [{"name": "adamw", "beta2": {"tie": "rho"}}]},
        "/optimizers/0/beta2",
        "cannot be tied to 'rho'; known: eps, grad_clip, lr",
    ),
    (
        {"optimizers": [{"name": "adamw", "schedule": "linear"}]},
        "/optimizers/0/schedule",
        "must be one of warmup_cosine, warmup_stable_decay, warmup_constant, constant, ",
    ),
    (
        {
            "optimizers": [
                {"name": "adamw", "beta2": {"tie": "momentum"}, "momentum": {"tie": "eps"}}
            ]
        },
        "/optimizers/0/beta2",
        "cannot be tied to 'momentum', which is tied itself",
    ),
    (
        {"axis": lr(2.0), "optimizers": [{"name": "adamw", "momentum": {"tie": "lr"}}]},
        "/optimizers/0/momentum",
        "`0 <= momentum < 1` must hold, but got momentum=2",
    ),
    ({"optimizers": ["adamw", "adamw"]}, "/optimizers/1/label", "'adamw' is taken"),
    ({"base": {"steps": 0}}, "/base/steps", "`steps >= 1` must hold, but got steps=0"),
    ({"base": {"steps": "many"}}, "/base/steps", "a number is needed, but got 'many'"),
    ({"base": {"step": 1}}, "/base/step", "unknown key 'step'; known: batch_size, beta2, eps"),
    ({"base": {"steps": 1, "tokens_per_parameter": 1}}, "/optimizers/0", "given twice"),
    ({"seeds": list(range(1000)), "axis": LR | {"points": 11}}, "", "at most 10000 points, but "),
    ({"priority": 1000}, "/priority", "less than or equal to 100"),
    ({"fresh": 1}, "/fresh", "valid boolean"),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD)
def test_a_broken_rule_names_place_rule_value_and_choices(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**changes)
    assert message in found.get(pointer, f"not among {found}")


def test_all_broken_rules_of_one_kind_are_told_at_once() -> None:
    found = problems(optimizers=["adamx", "adamw"], scales=["huge"], seeds=[1, 1])
    assert set(found) == {"/optimizers/0", "/scales/0", "/seeds"}
