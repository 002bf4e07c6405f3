"""Rules of settings and options: the place, the rule, the value and the choices are named."""

from typing import Any

import pytest

from tests.sweeps import MOMENTUM, lr, problems

BAD_SETTINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"optimizers": ["adamx"]}, "/optimizers/0", "unknown optimizer 'adamx'; known: adafactor, a"),
    ({"optimizers": ["torch.LBFGS"]}, "/optimizers/0", "torch.LBFGS cannot be swept: its step "),
    ({"optimizers": ["my_optimizer.py"]}, "/optimizers/0", "unknown optimizer 'my_optimizer.py'"),
    (
        {"optimizers": [{"name": "torch.AdamW", "decay_convention": "coupled"}]},
        "/optimizers/0/decay_convention",
        "torch.AdamW has no 'decay_convention'; it has: amsgrad, base_head_width, ",
    ),
    ({"optimizers": [3]}, "/optimizers/0", "an object is needed, but got 3"),
    ({"optimizers": [{"name": "adamw", "strength": None}]}, "/optimizers/0/strength", "got None"),
    ({"base": {"strings": None}}, "/base/strings", "a finite number, true or false, the name of"),
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
    ({"base": {"steps": 0}}, "/base/steps", "`1 <= steps <= 1e+09` must hold, but got steps=0"),
    ({"base": {"steps": 1e200}}, "/base/steps", "but got steps=1e+200 (adamw)"),
    ({"base": {"batch_size": 1e200}}, "/base/batch_size", "`1 <= batch_size <= 1e+06` must hold"),
    (
        {"axis": lr(2.0), "base": {"steps": 1, "weight_decay": {"tie": "lr"}}},
        "/base/weight_decay",
        "`0 <= weight_decay < 1` must hold, but got weight_decay=2",
    ),
    ({"base": {"eps": 1e-40}}, "/base/eps", "`eps >= 1e-30` must hold, but got eps=1e-40 (adamw)"),
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
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD_SETTINGS)
def test_a_broken_rule_names_place_rule_value_and_choices(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**changes)
    assert pointer in found, found
    assert message in found[pointer]
