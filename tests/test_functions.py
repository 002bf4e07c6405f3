"""Training functions in sweeps: rules, effective configurations, identities, what is listed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings
from sweeper.errors import InvalidRequest
from sweeper.optimizer_info import optimizers
from sweeper.planning.machine import Machine
from sweeper.planning.sizing import stack_cap
from sweeper.planning.speeds import Speeds
from sweeper.planning.stacking import plan
from sweeper.service import Service
from sweeper.storage.store import Store
from tests.sweeps import problems
from tests.test_expand import configs, expanded
from tests.trainers.optimizers.test_plugins import DOCUMENTATION, example
from trainers.config import from_dict, to_dict

READS_ALL = """
from typing import Annotated
from trainers.config import Hyperparameter
from trainers.functions import TrainingFunction

Temperature = Annotated[float, Hyperparameter(default=1.0, high=10.0)]
Weight = Annotated[float, Hyperparameter(default=0.5)]

def anneal(*, steps, seed, batch_size, eval_sequences, precision, model, data, data_dir, device,
           temperature: Temperature = 1.0, z_loss: Weight = 0.5):
    yield 0, {"validation_loss": 1.0}

TRAINERS = {"anneal": TrainingFunction(anneal, "", "")}
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sine.py").write_text(example("fit_sine"))
    (tmp_path / "all.py").write_text(READS_ALL)
    monkeypatch.setenv("SWEEPER_PLUGINS", f"{tmp_path}/sine.py:{tmp_path}/all.py")
    return tmp_path


SINE: dict[str, Any] = {"optimizers": ["fit_sine"], "axis": {"parameter": "lr", "values": [0.1]}}
ITS_NUMBERS = "batch_multiple, batch_size, hidden, length_multiple, lr, momentum, steps"
BAD: list[tuple[dict[str, Any], str, str]] = [
    (
        {"axis": {"parameter": "beta2", "values": [0.9]}},
        "/optimizers/0",
        f"fit_sine has no 'beta2'; it has: {ITS_NUMBERS}; `inert: true` keeps",
    ),
    (
        {"axis": {"parameter": "tokens_per_parameter", "values": [1]}, "base": None},
        "/optimizers/0",
        f"fit_sine has no 'tokens_per_parameter'; it has: {ITS_NUMBERS}",
    ),
    (
        {"axis": {"parameter": "lr", "values": [0.1], "zero": True}},
        "/axis/zero",
        "`lr > 0` must hold, but got lr=0 (fit_sine)",
    ),
    (
        {"axis": {"parameter": "hidden", "values": [0.5]}},
        "/axis/values/0",
        "hidden must be a whole number, but got hidden=0.5 (fit_sine)",
    ),
    (
        {"base": {"weight_decay": 0.1}},
        "/base/weight_decay",
        f"unknown key 'weight_decay'; known: {ITS_NUMBERS}",
    ),
    (
        {"optimizers": [{"name": "fit_sine", "schedule": "constant"}]},
        "/optimizers/0/schedule",
        f"fit_sine has no 'schedule'; it has: {ITS_NUMBERS}",
    ),
    (
        {"optimizers": [{"name": "fit_sine", "momentum": 1.0}]},
        "/optimizers/0/momentum",
        "`0 <= momentum < 1` must hold, but got momentum=1",
    ),
    ({"optimizers": ["my_training.py"]}, "/optimizers/0", "unknown optimizer 'my_training.py'"),
    ({"optimizers": ["fit_cosine"]}, "/optimizers/0", "known: adafactor, "),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD)
def test_a_broken_rule_names_place_rule_value_and_choices(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**SINE | changes)
    assert message in found.get(pointer, f"not among {found}")


def test_a_configuration_holds_what_the_function_reads() -> None:
    (config,) = configs(**SINE)
    assert dict(config.hyperparameters) == {"lr": 0.1, "momentum": 0.9}
    assert dict(config.options) == {"hidden": 32}
    assert (config.steps, config.batch_size) == (10, 8)
    plain = to_dict(config)
    assert (plain["schedule"], plain["data"]["name"]) == ("own", "none")
    assert "decay_convention" not in plain
    assert to_dict(from_dict(plain)) == plain
    (config,) = configs(
        axis={"parameter": "temperature", "values": [3]}, optimizers=["anneal"], scales=["micro"]
    )
    assert dict(config.hyperparameters) == {"temperature": 3.0, "z_loss": 0.5}
    assert (config.model.width, config.batch_size, config.data.name) == (128, 16, "embedded")


def test_what_has_no_effect_makes_no_other_trial() -> None:
    shared = expanded(
        **SINE | {"scales": ["nano", "micro"], "architectures": ["standard", "plain"]},
        base={"steps": 10, "batch_size": 4},
    )
    assert (len(shared.points), len(shared.trials)) == (4, 1)
    beside = SINE | {"optimizers": ["fit_sine", "adamw"]}
    base = {"steps": 10, "weight_decay": 0.1, "precision": "bf16", "eval_sequences": 3}
    assert fingerprint(**beside, base=base) == fingerprint(**beside)
    moved = [{"steps": 11}, {"steps": 10, "hidden": 8}, {"steps": 10, "batch_size": 2}]
    assert len({fingerprint(**beside, base=base) for base in [{"steps": 10}, *moved]}) == 4


def fingerprint(**changes: Any) -> str:
    return expanded(**changes).points[0].fingerprint


def test_another_source_is_another_trial(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(**SINE)
    other = files / "other.py"
    other.write_text(example("fit_sine") + "# Another source.\n")
    monkeypatch.setenv("SWEEPER_PLUGINS", str(other))
    assert fingerprint(**SINE) != before


def test_each_trial_is_a_stack_of_its_own(files: Path) -> None:
    trials = expanded(**SINE, seeds=[0, 1, 2]).trials
    assert len({trial.stack_key for trial in trials}) == 1
    for machine in (Machine(cpus=2), Machine(cpus=2, gpus=1, gpu_memory_bytes=1)):
        assert stack_cap(Speeds(machine).of(trials[0].config)) == 1
        free = [
            Waiting(i, trial.stack_key, to_dict(trial.config)) for i, trial in enumerate(trials)
        ]
        assert [(s.size, s.threads) for s in plan(free, machine)] == [(1, 1)] * 3


class Waiting:
    """A free trial of no special demand."""

    demand = 0

    def __init__(self, id: int, stack_key: str, config: dict[str, Any]) -> None:
        self.id, self.stack_key, self.config = id, stack_key, config


def test_a_file_is_chosen_by_name_and_shared(sqlite_store: Store, tmp_path: Path) -> None:
    service = Service(sqlite_store, tmp_path / "datasets")
    asked = {"name": "a sine", **SINE, "base": {"steps": 10}}
    preview = service.preview(asked)
    assert (preview.new, preview.tokens, preview.flops) == (1, 0, 0)
    assert (service.submit(asked).new, service.submit(asked).shared) == (1, 1)
    documented = re.search(r"-d '(.*?)'", DOCUMENTATION.read_text(), re.DOTALL)
    assert documented is not None
    assert service.preview(json.loads(documented[1])).new == 7
    with pytest.raises(InvalidRequest, match="unknown optimizer 'sine'"):
        service.submit(asked | {"optimizers": ["sine"]})


def test_it_is_listed_and_on_the_form(sqlite_store: Store, tmp_path: Path) -> None:
    info = next(info for info in optimizers() if info.name == "anneal")
    assert (info.lr, info.schedule, info.cost.state_bytes) == (None, "own", None)
    app = create_app(sqlite_store, Settings(database=sqlite_store.url, data_dir=tmp_path))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        listed = client.get("/api/v1/optimizers").json()["items"]
        form = client.get("/new").text
    by_name = {item["name"]: item for item in listed}
    assert by_name["anneal"]["lr"] is None
    sine = by_name["fit_sine"]
    assert (sine["lr"], sine["state_bytes"]) == (0.01, None)
    assert sine["hyperparameters"][0] == {
        "name": "lr",
        "default": 0.01,
        "rule": "lr > 0",
        "help": "length of a step",
        "origin": "this file",
    }
    assert [option["rule"] for option in sine["options"]] == ["1 <= hidden <= 4096"]
    assert 'name="o.fit_sine.lr"' in form
    assert 'name="o.fit_sine.hidden"' in form
    assert 'name="o.anneal.temperature"' in form
    assert 'name="o.anneal.lr"' not in form
