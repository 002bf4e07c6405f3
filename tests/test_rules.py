"""Every rule a submission can break: the place, the rule, the value and the choices are named."""

from typing import Any

import pytest

from tests.sweeps import LR, MOMENTUM, lr, problems

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"optimizers": ["adamx"]}, "/optimizers/0", "unknown optimizer 'adamx'; known: adafactor, a"),
    ({"optimizers": ["torch.LBFGS"]}, "/optimizers/0", "torch.LBFGS cannot be swept: its step "),
    ({"optimizers": ["my_optimizer.py"]}, "/optimizers/0", "unknown optimizer 'my_optimizer.py'"),
    ({"optimizers": ["/my/optimizer.py"]}, "/optimizers/0/name", "must match"),
    (
        {"optimizers": [{"name": "torch.AdamW", "decay_convention": "coupled"}]},
        "/optimizers/0/decay_convention",
        "torch.AdamW has no 'decay_convention'; it has: amsgrad, base_head_width, ",
    ),
    ({"optimizers": []}, "/optimizers", "must have at least 1 item, but got []"),
    ({"optimizers": [3]}, "/optimizers/0", "an object is needed, but got 3"),
    ({"axis": "lr"}, "/axis", "an object is needed, but got 'lr'"),
    ({"optimizers": [{"name": "adamw", "strength": None}]}, "/optimizers/0/strength", "got None"),
    ({"base": {"strings": None}}, "/base/strings", "a finite number, true or false, the name of"),
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
        {"axis": {"parameter": "eps", "values": [1e-8]}, "optimizers": ["adamw", "lion"]},
        "/optimizers/1",
        "lion has no 'eps'; it has: batch_multiple, batch_size, beta2, grad_clip, length_multiple",
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
        "lion has no 'eps'; it has: base_head_width, base_width, batch_multiple, ",
    ),
    (
        {"optimizers": [{"name": "adamw", "momentum": 1.0}]},
        "/optimizers/0/momentum",
        "`0 <= momentum < 1` must hold, but got momentum=1",
    ),
    (
        {"optimizers": [{"name": "adamw", "momentum": float("nan")}]},
        "/optimizers/0/momentum",
        "a finite number, true or false, the name of a choice",
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
    (
        {"base": {"lr_floor": 0.1, "schedule": "constant"}, "optimizers": ["adamw", "sgd"]},
        "/base/lr_floor",
        "lr_floor has no effect under the schedule constant; schedules that read it: warmup_cosine"
        ", warmup_stable_decay",
    ),
    (
        {"base": {"base_width": 128}, "optimizers": ["adamw"]},
        "/base/base_width",
        "base_width has no effect but under parameterisation mup",
    ),
    (
        {
            "optimizers": [
                {"name": "adamw", "parameterisation": "mup"},
                {"name": "sgd", "base_head_width": 32},
            ]
        },
        "/optimizers/1/base_head_width",
        "base_head_width has no effect but under parameterisation mup",
    ),
    (
        {"base": {"parameterisation": "mup", "base_width": 0.5}},
        "/base/base_width",
        "base_width must be a whole number, but got base_width=0.5",
    ),
    (
        {"base": {"parameterisation": "mup"}, "optimizers": ["adamw", "soap"]},
        "/base/parameterisation",
        "soap has no learning rates for mup: its preconditioners have a scale of their own",
    ),
    (
        {"optimizers": ["adamw", {"name": "torch.AdamW", "parameterisation": "mup"}]},
        "/optimizers/1/parameterisation",
        "torch.AdamW has no learning rates for mup: how its steps scale with the width is not ",
    ),
    (
        {"base": {"lr_floor": 0.1}, "optimizers": ["schedule_free_sgd"]},
        "/base/lr_floor",
        "lr_floor has no effect under the schedule warmup_constant; schedules that read it: ",
    ),
    (
        {
            "optimizers": [
                "adamw",
                {"name": "sgd", "schedule": "constant", "warmup_fraction": 0.1},
            ]
        },
        "/optimizers/1/warmup_fraction",
        "warmup_fraction has no effect under the schedule constant; schedules that read it: ",
    ),
    (
        {"optimizers": ["adamw", {"name": "torch.SGD", "nesterov": True}]},
        "/optimizers/1/nesterov",
        "torch.SGD refuses momentum=0, dampening=0, weight_decay=0, nesterov=true: "
        "Nesterov momentum requires a momentum and zero dampening",
    ),
    (
        {"optimizers": ["torch.SGD"], "base": {"nesterov": True}},
        "/base/nesterov",
        "torch.SGD refuses momentum=0, ",
    ),
    (
        {"optimizers": [{"name": "torch.SGD", "nesterov": True}], "axis": MOMENTUM},
        "/optimizers/0/nesterov",
        "torch.SGD refuses momentum=0, ",
    ),
    (
        {
            "optimizers": [
                {"name": "torch.SGD", "nesterov": True, "momentum": 0.9, "dampening": 0.5}
            ]
        },
        "/optimizers/0",
        "torch.SGD refuses momentum=0.9, dampening=0.5, weight_decay=0, nesterov=true: ",
    ),
    ({"optimizers": ["adamw", "adamw"]}, "/optimizers/1/label", "'adamw' is taken"),
    ({"base": {"steps": 0}}, "/base/steps", "`1 <= steps <= 1e+09` must hold, but got steps=0"),
    ({"base": {"steps": 1e200}}, "/base/steps", "but got steps=1e+200 (adamw)"),
    ({"base": {"batch_size": 1e200}}, "/base/batch_size", "`1 <= batch_size <= 1e+06` must hold"),
    (
        {"axis": {"parameter": "tokens_per_parameter", "values": [1e308]}, "base": {}},
        "/axis/values/0",
        "`0 < tokens_per_parameter <= 1e+06` must hold",
    ),
    (
        {"axis": lr(2.0), "base": {"steps": 1, "weight_decay": {"tie": "lr"}}},
        "/base/weight_decay",
        "`0 <= weight_decay < 1` must hold, but got weight_decay=2",
    ),
    (
        {"axis": {"parameter": "weight_decay", "values": [0.5, 2]}},
        "/axis/values/1",
        "`0 <= weight_decay < 1` must hold, but got weight_decay=2 (adamw)",
    ),
    (
        {
            "base": {"weight_decay": 2},
            "optimizers": [{"name": "lion", "decay_convention": "coupled"}, "adamw"],
        },
        "/base/weight_decay",
        "`0 <= weight_decay < 1` must hold, but got weight_decay=2 (adamw)",
    ),
    ({"base": {"steps": "many"}}, "/base/steps", "a number is needed, but got 'many'"),
    (
        {"base": {"step": 1}},
        "/base/step",
        "unknown key 'step'; known: base_head_width, base_width, batch_multiple, ",
    ),
    ({"base": {"steps": 1, "tokens_per_parameter": 1}}, "/optimizers/0", "the length is given "),
    (
        {"axis": {"parameter": "batch_multiple", "values": [2]}, "base": {"batch_size": 8}},
        "/optimizers/0",
        "the batch is given twice: by batch_size and by batch_multiple",
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
