"""A trial trained once more: the same bits from the same stack, and a clear word otherwise."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from sweeper import reproduce
from tests.dispatch import tiny
from trainers import provenance
from trainers.config import TrainConfig, to_dict
from trainers.runs import reset_process, start

LRS = (0.01, 0.02, 1e30)
"""The last one diverges."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(home: Path) -> dict[str, dict[str, Any]]:
    """The answers of REST about three trials of one stack, by id."""
    configs = [tiny.config(home, lr, steps=12, seed=i) for i, lr in enumerate(LRS)]
    reset_process(1)
    run = start(configs, data_dir=tiny.datasets(home))
    while not run.finished:
        run.advance()
    return {
        f"t{slot}": answer(config, run.result(slot), slot) for slot, config in enumerate(configs)
    }


def answer(config: TrainConfig, result: Any, slot: int) -> dict[str, Any]:
    facts = provenance.of_process() | provenance.of_device("cpu") | {"threads": 1, "resumed_at": 0}
    stack = {"id": 1, "slot": slot, "threads": 1, "members": ["t0", "t1", "t2"], "part_of": None}
    known = {"id": f"t{slot}", "fingerprint": "f", "state": "done", "config": to_dict(config)}
    return {**known, **asdict(result), "stack": stack, "provenance": facts}


def judged(trial: dict[str, Any], trained: dict[str, Any], home: Path) -> reproduce.Verdict:
    wanted = reproduce.original(trial, trained.__getitem__)
    seen: list[tuple[int, int]] = []
    result = reproduce.train_again(
        wanted, tiny.datasets(home), lambda step, steps: seen.append((step, steps))
    )
    assert seen[-1] == (12, 12)
    return reproduce.verdict(wanted, result)


@pytest.mark.parametrize("name", ["t0", "t1", "t2"])
def test_the_same_stack_gives_the_same_bits(name: str, trained: dict[str, Any], home: Path) -> None:
    found = judged(trained[name], trained, home)
    assert (found.equal, found.numbers, found.provenance, found.remarks) == (True, (), (), ())
    assert trained["t2"]["outcome"] == "diverged"


def test_a_stack_whose_other_trials_are_gone_gives_them_too(
    trained: dict[str, Any], home: Path
) -> None:
    stack = trained["t1"]["stack"] | {"members": [None, "t1", None]}
    found = judged(trained["t1"] | {"stack": stack}, trained, home)
    assert found.equal
    assert "2 of the 3 trials of its stack are gone" in found.remarks[0]


def test_other_numbers_are_shown_with_what_else_is_different(
    trained: dict[str, Any], home: Path
) -> None:
    loss = trained["t0"]["final_loss"]
    was = loss + 2.0**-40
    facts = trained["t0"]["provenance"] | {"device_class": "another processor"}
    found = judged(trained["t0"] | {"final_loss": was, "provenance": facts}, trained, home)
    assert not found.equal
    assert found.numbers == (reproduce.Difference(name="final_loss", then=was, now=loss),)
    assert [(fact.name, fact.then) for fact in found.provenance] == [
        ("device_class", "another processor")
    ]


def test_interrupted_and_split_stacks_are_said_to_be(trained: dict[str, Any]) -> None:
    facts = trained["t0"]["provenance"] | {"resumed_at": 7}
    stack = trained["t0"]["stack"] | {"part_of": 4}
    trial = trained["t0"] | {"provenance": facts, "stack": stack}
    resumed, split = reproduce.original(trial, trained.__getitem__).remarks
    assert "from a checkpoint at step 7" in resumed
    assert "split from a larger one" in split


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": None, "state": "running"}, "t0 is running: it has no result"),
        ({"fingerprint": "imported:1"}, "was imported from None: it was not trained here"),
        ({"provenance": {"device": "NVIDIA"}}, "trained on NVIDIA, and there is no cuda device"),
    ],
)
def test_what_cannot_be_repeated_is_told(
    changes: dict[str, Any],
    message: str,
    trained: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        reproduce.original(trained["t0"] | changes, trained.__getitem__)


def test_a_cpu_is_no_remedy_for_what_was_trained_on_one(
    trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"on cpu, and there is no cuda device here$"):
        reproduce.original(trained["t0"], trained.__getitem__, device="cuda")


def test_data_that_has_changed_is_told(trained: dict[str, Any], home: Path) -> None:
    wanted = reproduce.original(trained["t0"], trained.__getitem__)
    data = replace(wanted.configs[0].data, sha256="0" * 64)
    changed = replace(wanted, configs=tuple(replace(c, data=data) for c in wanted.configs))
    with pytest.raises(ValueError, match="not the one that was asked for"):
        reproduce.train_again(changed, tiny.datasets(home), lambda step, steps: None)
