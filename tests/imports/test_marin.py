"""Marin's result files: what is taken, what is left out, what is refused and where."""

from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.imports.files import read_file
from sweeper.imports.form import parse
from tests.imports.rows import MARIN, marin_file


def refusal(path: Path, parameter: str | None = None) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_file(path, parameter, nameless=False)
    return str(caught.value)


def test_the_base_and_its_changes_become_a_curve(tmp_path: Path) -> None:
    found = read_file(marin_file(tmp_path), None, nameless=False)
    assert [(r["value"], r["outcome"], r.get("final_loss")) for r in found.rows] == [
        (0.001, "finite", 3.2516477108001709),
        (0.004, "finite", 7.829463958740234),
        (0.008, "diverged", None),
    ]
    assert found.left_out == ("lion/130m/8.json: 1 runs without a loss",)
    base = found.rows[0]
    assert (base["label"], base["optimizer"], base["scale"]) == ("lion 8x", "lion", "130m")
    assert (base["id"], base["best_loss"]) == ("lion-base", MARIN["min_loss"])
    changed = found.rows[1]["config"]
    assert changed["hyperparameters"]["lr"] == 0.004
    assert changed["hyperparameters"]["warmup_steps"] == 2000
    assert (changed["batch_size"], changed["options"]) == (128, {"nesterov": False})


@pytest.mark.parametrize(("parameter", "value"), [("momentum", 0.95), ("warmup_steps", 500.0)])
def test_any_number_of_the_base_can_be_the_axis(
    parameter: str, value: float, tmp_path: Path
) -> None:
    found = read_file(marin_file(tmp_path), parameter, nameless=False)
    assert [row["value"] for row in found.rows][1:] == [value]


def test_the_path_may_be_the_upstream_one(tmp_path: Path) -> None:
    path = marin_file(tmp_path, "soape/130m/8")
    moved = path.with_suffix("") / "result.json"
    moved.parent.mkdir()
    path.rename(moved)
    found = read_file(moved, None, nameless=False)
    assert (found.rows[0]["optimizer"], found.source) == ("soap", "Marin soap/130m/8.json")


def test_the_lowest_loss_stands_for_a_base_that_is_missing(tmp_path: Path) -> None:
    result = dict.fromkeys(MARIN["result"])
    names = dict.fromkeys(MARIN["name"])
    found = read_file(marin_file(tmp_path, result=result, name=names), None, nameless=False)
    assert [(row["value"], row["final_loss"]) for row in found.rows] == [(0.001, 3.2508)]
    assert "id" not in found.rows[0]
    assert "min_loss" in found.rows[0]["provenance"]["loss_is"]


def test_a_loss_without_a_run_is_refused_unless_allowed(tmp_path: Path) -> None:
    path = marin_file(tmp_path, name=MARIN["name"] | {"learning_rate=0.004": None})
    message = refusal(path)
    assert message.startswith("lion/130m/8.json, name['learning_rate=0.004']: ")
    assert "but got null" in message
    assert "--allow-null-ids" in message
    assert "id" not in read_file(path, None, nameless=True).rows[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result": MARIN["result"] | {"warmup=500": "3.26"}}, "'NaN' or null is needed"),
        ({"result": MARIN["result"] | {"warmup=500": [1]}}, "result['warmup=500']: "),
        ({"result": MARIN["result"] | {"warmup": 3.0}}, "'Baseline' or 'param=value'"),
        ({"name": MARIN["name"] | {"warmup=500": 7}}, "but got 7"),
        ({"min_loss": "3.2"}, "min_loss: a number is needed, but got '3.2'"),
        ({"name": ["a"]}, "name: an object is needed"),
        ({"name": None}, "'name' is required"),
    ],
)
def test_the_whole_file_is_checked(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    told = refusal(marin_file(tmp_path, **changes))
    assert told.startswith("lion/130m/8.json")
    assert message in told


def test_a_value_that_is_no_number_is_told_with_its_key(tmp_path: Path) -> None:
    named = MARIN["name"] | {"learning_rate=high": "x"}
    path = marin_file(tmp_path, result=MARIN["result"] | {"learning_rate=high": 3.0}, name=named)
    found = read_file(path, None, nameless=False)
    body = {"name": "x", "imported_from": "x", "axis": {"parameter": "lr"}}
    with pytest.raises(InvalidRequest, match=r"/rows/3/value: a finite number .* got 'high'"):
        parse(body | {"rows": list(found.rows)})
    assert found.places[3] == "lion/130m/8.json, result['learning_rate=high']"


def test_what_is_no_axis_and_what_is_no_path_are_told(tmp_path: Path) -> None:
    assert "no 'eps' in best_config; known: batch_size, beta2" in refusal(
        marin_file(tmp_path), "eps"
    )
    assert "known: " in refusal(marin_file(tmp_path), "nesterov")
    assert "the path must tell" in refusal(marin_file(tmp_path, "lion/130m/best"))
