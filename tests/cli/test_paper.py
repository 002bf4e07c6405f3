"""`export --paper`: a folder that holds together, is the same twice, and replaces only itself."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import environment, run_sweeper
from tests.imports.rows import body
from tests.served import TINY, Served, finished_sweep, service

pytestmark = pytest.mark.ray

PICTURES = {f"figures/stability.{form}" for form in ("svg", "pdf", "png")}
FILES = {
    *("README.md", "report.html", "sweep.yaml", "trials.jsonl", "versions.json", "references.bib"),
    *("data/results.csv", "data/curves.csv", "data/stability.csv", "figures/stability.json"),
    "SHA256SUMS",
}


@pytest.fixture
def served() -> Served:
    return service()


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def export(served: Served, sweep_id: str, folder: str, cwd: Path) -> str:
    shown = run_sweeper("export", sweep_id, "--paper", folder, "--url", served.url, cwd=cwd)
    assert shown.returncode == 0, shown.stderr
    return shown.stderr


@pytest.mark.browser
def test_a_paper_has_everything_and_is_the_same_twice(served: Served, tmp_path: Path) -> None:
    sweep_id = finished_sweep()
    export(served, sweep_id, "one", tmp_path)
    found = content(tmp_path / "one")
    assert set(found) == FILES | PICTURES
    sums = dict(line.split("  ")[::-1] for line in found["SHA256SUMS"].decode().splitlines())
    assert sums == {
        path: hashlib.sha256(data).hexdigest()
        for path, data in found.items()
        if path != "SHA256SUMS"
    }
    assert yaml.safe_load(found["sweep.yaml"]) == TINY
    trials = [json.loads(line) for line in found["trials.jsonl"].splitlines()]
    assert {trial["config"]["hyperparameters"]["lr"] for trial in trials} == {0.001, 0.01, 0.1}
    assert all(trial["provenance"]["packages"]["torch"] for trial in trials)
    with Client(served.url) as client:
        stability = pd.read_csv(tmp_path / "one" / "data" / "stability.csv")
        assert list(stability["best_loss"]) == list(client.stability(sweep_id)["best_loss"])
    assert b"sweeper reproduce " in found["README.md"]
    export(served, sweep_id, "one", tmp_path)  # It replaces what it has written before.
    assert content(tmp_path / "one") == found
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_without_a_chromium_the_rest_is_written(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")
    assert environment()["BROWSER_PATH"] == "/nonexistent"
    said = export(served, finished_sweep(), "one", tmp_path)
    assert said.splitlines()[0].startswith("no pictures: pictures need a Chromium")
    found = content(tmp_path / "one")
    assert set(found) == FILES
    assert b"no pictures were drawn" in found["README.md"]


def test_an_imported_sweep_says_how_to_import_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent")
    with Client(served.url) as client:
        whole = body({"id": "a"}, {"value": 0.1, "outcome": "diverged", "final_loss": None})
        sweep_id = client.import_results(whole | {"imported_from": "Marin a/b/1.json"})["id"]
    export(served, sweep_id, "one", tmp_path)
    found = content(tmp_path / "one")
    assert b"were imported from Marin a/b/1.json" in found["README.md"].replace(b"\n", b" ")
    assert b"sweeper submit" not in found["README.md"]
    assert b"wen2025fantastic" in found["references.bib"]
    again = run_sweeper(
        *("import", "one/data/results.csv", "--name", "again", "--url", served.url), cwd=tmp_path
    )
    assert again.returncode == 0, again.stderr


def test_other_folders_are_left_alone(served: Served, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    sweep_id = finished_sweep()
    for arguments in (["--paper", "mine"], ["--paper", "x", "-o", "r.csv"], ["--paper", "no/x"]):
        shown = run_sweeper("export", sweep_id, *arguments, "--url", served.url, cwd=tmp_path)
        assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1), shown.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes"]
