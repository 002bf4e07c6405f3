"""The commands on sweeps, against a real service."""

import json
import os
import shutil
import sqlite3
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import run_sweeper
from tests.served import TINY, Served, finished_sweep, service

pytestmark = pytest.mark.ray


@pytest.fixture
def served() -> Served:
    return service()


@pytest.fixture
def sweep_id() -> str:
    return finished_sweep()


def _run(served: Served, *arguments: str, cwd: Path, stdin: str | None = None) -> str:
    shown = run_sweeper(*arguments, "--url", served.url, cwd=cwd, stdin=stdin)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_submit_prints_the_id_alone(served: Served, sweep_id: str, tmp_path: Path) -> None:
    printed = _run(served, "submit", "-", cwd=tmp_path, stdin=json.dumps(TINY))
    with Client(served.url) as client:
        sweep = client.sweep(printed.strip())
    assert (sweep["name"], sweep["state"], sweep["points"]["done"]) == ("tiny", "done", 6)


def test_options_of_submit_replace_parts_of_the_file(
    served: Served, sweep_id: str, tmp_path: Path
) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps(TINY))
    options = ["--name", "other", "--seed", "1", "--seed", "2", "--steps", "12", "--priority", "3"]
    found = json.loads(_run(served, "preview", "sweep.json", *options[2:8], "--json", cwd=tmp_path))
    assert (found["points"], found["trials"]["new"]) == (12, 12)
    printed = _run(served, "submit", "sweep.json", *options, cwd=tmp_path).strip()
    with Client(served.url) as client:
        spec = client.sweep(printed)["spec"]
        client.cancel(printed)
    assert (spec["name"], spec["seeds"], spec["priority"]) == ("other", [1, 2], 3)
    assert spec["base"] == {"steps": 12, "eval_sequences": 8}


def test_plan_shows_stacks_and_hours(served: Served, sweep_id: str, tmp_path: Path) -> None:
    body = json.dumps(TINY | {"seeds": [77]})
    shown = run_sweeper("plan", "-", "--url", served.url, cwd=tmp_path, stdin=body)
    assert shown.returncode == 0, shown.stderr
    header, *rows = shown.stdout.splitlines()
    assert header.split()[:3] == ["optimizer", "scale", "precision"]
    assert {row.split()[0] for row in rows} == {"adamw", "sgd"}
    assert "6 trials: 6 new, 0 there already" in shown.stderr
    assert "core-hours" in shown.stderr
    options = ("--json", "--measure", "--data", str(served.home))
    found = json.loads(_run(served, "plan", "-", *options, cwd=tmp_path, stdin=body))
    assert found["forecast"]["source"] == "measured"
    assert found["forecast"]["machine_known"]
    assert found["forecast"]["machine"]["cpus"] == os.cpu_count()


def test_dry_run_stores_nothing(served: Served, sweep_id: str, tmp_path: Path) -> None:
    with Client(served.url) as client:
        before = len(list(client.sweeps()))
        printed = _run(served, "submit", "-", "--dry-run", cwd=tmp_path, stdin=json.dumps(TINY))
        assert len(list(client.sweeps())) == before
    assert "6 points, 6 trials: 0 new, 6 there already" in printed


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"optimizers": ["adamx"]}, ("/optimizers/0", "unknown optimizer 'adamx'", "known:")),
        ({"axis": {"parameter": "lr", "values": [0.0]}}, ("/axis/values/0", "lr=0", "zero: true")),
        ({"scales": ["huge"]}, ("/scales/0", "unknown scale 'huge'", "nano")),
        ({"nothing": 1}, ("/nothing", "unknown key")),
        ({"axis": {"parameter": "eps", "values": [1e-8]}}, ("sgd has no 'eps'", "it has:")),
    ],
)
def test_bad_input_is_one_line_with_the_rule_and_the_choices(
    change: dict[str, object], parts: tuple[str, ...], served: Served, tmp_path: Path
) -> None:
    shown = run_sweeper(
        *("submit", "-", "--url", served.url), cwd=tmp_path, stdin=json.dumps(TINY | change)
    )
    assert (shown.returncode, shown.stdout, shown.stderr.count("\n")) == (output.USAGE, "", 1)
    for part in parts:
        assert part in shown.stderr


def test_a_body_over_the_limit_exits_2(served: Served, tmp_path: Path) -> None:
    large = TINY | {"axis": {"parameter": "lr", "values": [0.123456789] * 100_000}}
    shown = run_sweeper("submit", "-", "--url", served.url, cwd=tmp_path, stdin=json.dumps(large))
    assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1)


@pytest.mark.parametrize("command", ["show", "watch", "cancel", "pause", "retry", "curves"])
def test_an_unknown_sweep_exits_3(command: str, served: Served, tmp_path: Path) -> None:
    shown = run_sweeper(command, "nothing", "--url", served.url, cwd=tmp_path)
    assert (shown.returncode, shown.stderr.count("\n")) == (output.NOT_FOUND, 1)


def test_show_and_curves_print_the_same_numbers(
    served: Served, sweep_id: str, tmp_path: Path
) -> None:
    curves = json.loads(_run(served, "curves", sweep_id, "--json", cwd=tmp_path))
    shown = _run(served, "show", sweep_id, cwd=tmp_path)
    assert [curve["label"] for curve in curves] == ["adamw", "sgd"]
    for curve in curves:
        assert f"{curve['stability']['best_loss']:.4g}" in shown
    table = _run(served, "curves", sweep_id, cwd=tmp_path)
    assert len(table.splitlines()) == 1 + 6


def test_the_candidates_of_a_search_are_shown_with_their_values(
    served: Served, tmp_path: Path
) -> None:
    over = {"lr": {"low": 1e-3, "high": 1e-1}}
    body = {"name": "centre", "search": {"over": over, "trials": 2}, "optimizers": ["sgd"]}
    asked = json.dumps(body | {"base": TINY["base"]})
    shown = _run(served, "submit", "-", "--wait", cwd=tmp_path, stdin=asked)
    found = json.loads(_run(served, "show", "--json", cwd=tmp_path))
    (searched,) = found["search"]
    best = searched["best"]
    row = ["sgd", "nano", "2", str(best["number"]), f"{best['loss']:.4g}", "lr"]
    assert shown.splitlines()[1].split() == [*row, f"{best['values']['lr']:g}"]
    assert _run(served, "show", found["sweep"]["id"], cwd=tmp_path) == shown
    candidates = _run(served, "curves", found["sweep"]["id"], cwd=tmp_path).splitlines()[1:]
    values = [f"{each['values']['lr']:g}" for each in searched["candidates"]]
    assert [line.split()[-1] for line in candidates] == values


def test_compare_prints_numbers_and_verdicts(served: Served, sweep_id: str, tmp_path: Path) -> None:
    printed = _run(served, "compare", sweep_id, "--low", "1e-3", "--high", "1e-1", cwd=tmp_path)
    assert [line.split()[0] for line in printed.splitlines()[1:3]] == ["adamw", "sgd"]
    words = "not distinguishable: a test needs two seeds in common (1 of 1 pairs)"
    assert printed.splitlines()[-1] == words
    found = json.loads(_run(served, "compare", sweep_id, "--json", cwd=tmp_path))
    assert found["pairs"][0]["second"] == "sgd"
    shown = run_sweeper("compare", sweep_id, sweep_id, "--url", served.url, cwd=tmp_path)
    assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1)


def test_watch_of_a_finished_sweep_ends_at_once(
    served: Served, sweep_id: str, tmp_path: Path
) -> None:
    found = json.loads(_run(served, "watch", sweep_id, "--json", cwd=tmp_path))
    assert (found["sweep"]["state"], len(found["curves"])) == ("done", 2)


def test_ls_filters_by_name_and_state(served: Served, sweep_id: str, tmp_path: Path) -> None:
    options = ["--search", "tiny", "--state", "done", "--limit", "1", "--json"]
    found = json.loads(_run(served, "ls", *options, cwd=tmp_path))
    assert [(sweep["name"], sweep["state"]) for sweep in found] == [("tiny", "done")]
    assert "tiny" in _run(served, "ls", cwd=tmp_path)


def test_a_cancelled_sweep_makes_watch_exit_4(
    served: Served, sweep_id: str, tmp_path: Path
) -> None:
    body = TINY | {"name": "long", "base": {"steps": 5000}}
    long_id = _run(served, "submit", "-", cwd=tmp_path, stdin=json.dumps(body)).strip()
    assert "paused" in _run(served, "pause", long_id, cwd=tmp_path)
    resumed = json.loads(_run(served, "resume", long_id, "--json", cwd=tmp_path))
    assert resumed["intent"] == "active"
    assert "cancelled" in _run(served, "cancel", long_id, cwd=tmp_path)
    watched = run_sweeper("watch", long_id, "--url", served.url, cwd=tmp_path)
    assert watched.returncode == output.FAILURES
    assert "6 cancelled of 6 points" in watched.stderr


def test_export_writes_every_format(served: Served, sweep_id: str, tmp_path: Path) -> None:
    for name in ("r.csv", "r.parquet", "r.json", "r.html", "r.db"):
        assert _run(served, "export", sweep_id, "-o", name, cwd=tmp_path) == ""
    csv = pd.read_csv(tmp_path / "r.csv")
    parquet = pd.read_parquet(tmp_path / "r.parquet")
    assert csv["final_loss"].tolist() == parquet["final_loss"].tolist()
    assert len(json.loads((tmp_path / "r.json").read_text())["items"]) == len(csv) == 6
    assert "plotly" in (tmp_path / "r.html").read_text()
    with sqlite3.connect(tmp_path / "r.db") as studies:
        assert studies.execute("SELECT count(*) FROM trials").fetchone() == (6,)
    studies.close()


def test_export_to_stdout_is_csv(served: Served, sweep_id: str, tmp_path: Path) -> None:
    printed = _run(served, "export", sweep_id, cwd=tmp_path)
    assert len(pd.read_csv(StringIO(printed))) == 6


def test_export_says_what_it_cannot_do(served: Served, sweep_id: str, tmp_path: Path) -> None:
    for arguments in (["-o", "r.txt"], ["--format", "parquet"], ["-o", "no/such/r.csv"]):
        shown = run_sweeper("export", sweep_id, *arguments, "--url", served.url, cwd=tmp_path)
        assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1)


def test_commands_find_the_service_of_the_home_folder(
    served: Served, sweep_id: str, tmp_path: Path
) -> None:
    shown = run_sweeper("show", "latest", "--data", str(served.home), "--json", cwd=tmp_path)
    assert shown.returncode == 0
    found = {f["name"]: f["value"] for f in _doctor(served, tmp_path)}
    assert served.url in found["service"]
    assert "journal mode" in found["database"]


def test_a_second_service_on_the_home_folder_is_refused(served: Served, tmp_path: Path) -> None:
    shown = run_sweeper("serve", "--port", "0", "--data", str(served.home), cwd=tmp_path)
    assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1)
    assert served.url in shown.stderr


def test_db_check_finds_nothing_lost(served: Served, sweep_id: str, tmp_path: Path) -> None:
    shown = run_sweeper("db", "check", "--data", str(served.home), "--json", cwd=tmp_path)
    assert (shown.returncode, json.loads(shown.stdout)) == (0, {"problems": []})


def _doctor(served: Served, cwd: Path) -> list[dict[str, str]]:
    shown = run_sweeper("doctor", "--data", str(served.home), "--json", cwd=cwd)
    found: list[dict[str, str]] = json.loads(shown.stdout)
    return found


def test_doctor_names_the_browser_of_the_tests(served: Served, tmp_path: Path) -> None:
    found = {f["name"]: f["value"] for f in _doctor(served, tmp_path)}
    assert found["chromium (browser tests)"] == (shutil.which("chromium") or "none")


def test_a_sweep_is_extended_edited_and_deleted(served: Served, tmp_path: Path) -> None:
    body = json.dumps(TINY | {"name": "short lived", "fresh": True})
    sweep_id = _run(served, "submit", "-", cwd=tmp_path, stdin=body).strip()
    said = _run(served, "extend", sweep_id, "--value", "0.3", "--seed", "0", cwd=tmp_path)
    assert said == "points: 2 added, 0 there already; trials: 2 new, 0 there already\n"
    edit = ("edit", sweep_id, "--tag", "b", "--tag", "a", "--priority", "-3")
    assert _run(served, *edit, cwd=tmp_path) == f"{sweep_id}: short lived; priority -3 #a #b\n"
    edited = json.loads(
        _run(served, "edit", sweep_id, "--untag", "a", "--note", "x", "--json", cwd=tmp_path)
    )
    assert (edited["tags"], edited["note"]) == (["b"], "x")
    listed = json.loads(_run(served, "ls", "--tag", "b", "--json", cwd=tmp_path))
    assert [sweep["id"] for sweep in listed] == [sweep_id]
    _run(served, "cancel", sweep_id, cwd=tmp_path)
    assert "archived" in _run(served, "archive", sweep_id, cwd=tmp_path)
    assert sweep_id in _run(served, "ls", "--archived", cwd=tmp_path)
    assert sweep_id in _run(served, "du", cwd=tmp_path)
    gone = _run(served, "delete", sweep_id, "--yes", cwd=tmp_path)
    assert gone == f"{sweep_id}: deleted, 8 points, 8 trials\n"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("edit", "ID"), 2, "give at least one of --name"),
        (("edit", "ID", "--untag", "z"), 2, "the sweep has no tag 'z'; it has: none"),
        (("edit", "ID", "--tag", "a,b"), 2, "/tags/0: must match"),
        (("extend", "ID"), 2, "give `values`, `seeds` or both"),
        (("delete", "nothing", "--yes"), 3, "there is no sweep 'nothing'"),
        (("delete", "ID"), 1, "Delete 'tiny' with its 6 points?"),
    ],
)
def test_what_cannot_be_changed_is_told(
    arguments: tuple[str, ...], code: int, part: str, served: Served, sweep_id: str, tmp_path: Path
) -> None:
    filled = [sweep_id if word == "ID" else word for word in arguments]
    shown = run_sweeper(*filled, "--url", served.url, cwd=tmp_path, stdin="")
    assert (shown.returncode, part in shown.stderr) == (code, True), shown.stderr
