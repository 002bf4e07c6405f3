"""Tables of results: our own exports come back as they were, and bad cells are told."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sweeper import export
from sweeper.errors import InvalidRequest
from sweeper.imports.files import read_file
from sweeper.imports.form import parse
from sweeper.imports.found import placed
from sweeper.imports.plan import plan

HEAD = "label,optimizer,scale,value,final_loss"
LINE = "adamw,adamw,130m,0.008,3.5"


def told(path: Path) -> str:
    """Why a file is refused, as the command tells it."""
    with pytest.raises(InvalidRequest) as caught:
        _read(path)
    return str(caught.value)


def _read(path: Path) -> None:
    found = read_file(path, None, nameless=False)
    body: dict[str, Any] = {"name": "x", "imported_from": "x", "rows": list(found.rows)}
    try:
        plan(parse(body | {"axis": {"parameter": found.parameter or "lr"}}))
    except InvalidRequest as error:
        raise placed(error, found.places) from None


def written(folder: Path, *lines: str) -> Path:
    path = folder / "results.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_five_columns_are_enough(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, HEAD, LINE), None, nameless=False)
    assert found.rows == (
        {
            "label": "adamw",
            "optimizer": "adamw",
            "scale": "130m",
            "value": 0.008,
            "final_loss": 3.5,
            "outcome": "finite",
        },
    )
    assert found.places == ("results.csv, line 2",)
    assert found.left_out == ()


@pytest.mark.parametrize("loss", ["nan", "NaN", "inf", "-inf", "Infinity"])
def test_a_loss_that_is_no_number_is_divergence(loss: str, tmp_path: Path) -> None:
    path = written(tmp_path, HEAD, f"adamw,adamw,130m,0.008,{loss}")
    (row,) = read_file(path, None, nameless=False).rows
    assert row["outcome"] == "diverged"
    assert "final_loss" not in row


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEAD, LINE, "adamw,adamw,130m,0.016,low"], "line 3, final_loss: a finite number"),
        ([HEAD, LINE, "adamw,adamw,130m,,3.5"], "line 3, value: is required"),
        ([HEAD + ",trial_id", LINE + ",a", LINE + ","], "line 3, id: a text is needed"),
        ([HEAD + ",outcome", LINE + ",lost"], "line 2, outcome: must be one of 'finite'"),
        ([HEAD + ",state", LINE + ",lost"], "line 2, state: must be one of done, cancelled"),
        ([HEAD + ",seed", LINE + ",1.5"], "line 2, seed: a whole number is needed"),
        ([HEAD + ",parameter", LINE + ",lr", LINE + ",eps"], "line 3, parameter: one axis"),
        ([HEAD, LINE + ",more"], "line 2: 5 columns are needed"),
        ([HEAD, "adamw,adamw"], "line 2: 5 columns are needed"),
        ([HEAD, LINE, LINE], "line 3: adamw at 0.008 with seed 0 is there already"),
        ([HEAD + ",config", LINE + ",no json"], "line 2, config: an object is needed"),
    ],
)
def test_a_bad_cell_is_told_with_its_line(lines: list[str], message: str, tmp_path: Path) -> None:
    assert f"results.csv, {message}" in told(written(tmp_path, *lines))


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + ",state,colour", LINE + ",done,red", LINE + ",running,blue")
    found = read_file(path, None, nameless=False)
    assert len(found.rows) == 1
    assert found.left_out == ("1 points without a result", "unknown columns colour")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a.json, line 1, column 2: it is no JSON"),
        ('{"a": 1}', "a.json: a list of results is needed"),
        ('{"items": [], "items": []}', "a.json: key 'items' occurs twice in one object"),
        ("[1]", "a.json, /items/0: an object is needed, but got 1"),
        ('[{"value": "0.1"}]', "a.json, /items/0, value: a finite number is needed"),
    ],
)
def test_json_is_told_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert message in told(path)


FRAME = pd.DataFrame(
    {
        "variant": [0, 0, 1],
        "label": ["adamw", "adamw", "-x"],
        "optimizer": ["adamw", "adamw", "sgd"],
        "scale": "nano",
        "architecture": "standard",
        "parameter": "lr",
        "axis_scale": "log",
        "value": [1e-3, 0.1 + 0.2, 1e-3],
        "seed": [0, 1, 2],
        "origin": ["grid", "extend", "refine"],
        "trial_id": ["a", "b", "c"],
        "state": "done",
        "outcome": ["finite", "diverged", "finite"],
        "final_loss": [2.5, float("nan"), 1 / 3],
        "initial_loss": [5.5, 5.5, 5.5],
        "last_finite_loss": [2.5, 7.5, 1 / 3],
        "diverged_at_step": pd.array([None, 17, None], dtype="Int64"),
        "finished_at": pd.Timestamp("2026-01-02T03:04:05Z"),
        "config": [json.dumps({"hyperparameters": {"lr": 1e-3}, "steps": 10, "seed": 0})] * 3,
        "provenance": [json.dumps({"host": "here"})] * 3,
    }
)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_comes_back_as_it_was(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"results.{form}"
    path.write_text(export.to_csv(FRAME) if form == "csv" else export.to_json(FRAME), newline="")
    found = read_file(path, None, nameless=False)
    assert (found.parameter, found.scale, found.left_out) == ("lr", "log", ())
    for row, was in zip(found.rows, FRAME.to_dict("records"), strict=True):
        for key in ("label", "optimizer", "value", "seed", "origin", "outcome", "initial_loss"):
            assert row[key] == was[key], key
        assert row["id"] == was["trial_id"]
        assert row.get("diverged_at_step") == (17 if was["outcome"] == "diverged" else None)
        assert row["config"]["hyperparameters"] == {"lr": 1e-3}
        assert row["provenance"] == {"host": "here"}
        if was["outcome"] == "finite":
            assert row["final_loss"] == was["final_loss"]


def test_candidates_of_a_search_are_refused_once(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD},origin", f"{LINE},search", f"{LINE},search")
    words = "results.csv: candidates of a search have no axis, so they cannot be imported"
    assert told(path) == words
