"""Every rule a submission can break: the place, the rule, the value and the choices are named."""

from typing import Annotated, Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.expand import expand
from sweeper.spec import parse
from trainers.config import DataConfig, Option
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Entry, Momentum, Optimizer, chain
from trainers.optimizers.sgd import heavy_ball
from trainers.optimizers.transforms import descend

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
