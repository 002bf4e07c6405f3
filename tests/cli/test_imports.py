"""`sweeper import` against a real service: round trips, curves of others, bad files."""

import json
from pathlib import Path

import pytest

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import run_sweeper
from tests.imports.rows import MARIN, marin_file
from tests.served import Served, finished_sweep, service

pytestmark = pytest.mark.ray


@pytest.fixture
def served() -> Served:
    return service()


def run(served: Served, *arguments: str, cwd: Path) -> str:
    shown = run_sweeper(*arguments, "--url", served.url, cwd=cwd)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()


@pytest.mark.parametrize("suffix", ["csv", "json", "db"])
def test_an_export_comes_back_with_the_same_curves(
    suffix: str, served: Served, tmp_path: Path
) -> None:
    ours = finished_sweep()
    run(served, "export", ours, "-o", f"r.{suffix}", cwd=tmp_path)
    theirs = run(served, "import", f"r.{suffix}", "--name", "again", cwd=tmp_path)
    with Client(served.url) as client:
        sweep = client.sweep(theirs)
        assert (sweep["state"], sweep["points"]["done"]) == ("done", 6)
        columns = ["label", "optimizer", "scale", "value", "loss_mean", "seeds", "diverged"]
        before, after = client.curves(ours)[columns], client.curves(theirs)[columns]
        assert before.equals(after)
        assert set(client.results(ours)["trial_id"]).isdisjoint(client.results(theirs)["trial_id"])


def test_curves_of_several_files_stand_side_by_side(served: Served, tmp_path: Path) -> None:
    names = {key: f"other {name}" for key, name in MARIN["name"].items() if name}
    marin_file(tmp_path)
    marin_file(tmp_path, "adamw/130m/8", name=names)
    files = ["lion/130m/8.json", "adamw/130m/8.json"]
    shown = run_sweeper(
        *("import", *files, "--name", "published", "--json", "--url", served.url), cwd=tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    assert "left out: lion/130m/8.json: 1 runs without a loss" in shown.stderr
    with Client(served.url) as client:
        sweep_id = json.loads(shown.stdout)["id"]
        assert list(client.stability(sweep_id)["label"]) == ["lion 8x", "adamw 8x"]
        assert {trace.name for trace in client.figure(sweep_id).data} == {"lion 8x", "adamw 8x"}


BAD = "label,optimizer,scale,value,final_loss,trial_id\na,a,s,0.1,3.0,x\na,a,s,0.2,{},{}\n"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (BAD.format("low", "y"), ["--parameter", "lr"], "r.csv, line 3, final_loss: a finite"),
        (BAD.format("3.1", ""), ["--parameter", "lr"], "r.csv, line 3, id: a text is needed"),
        (BAD.format("3.1", "y"), [], "--parameter says it"),
        (BAD.format("3.1", "y"), ["--parameter", "l r"], "/axis/parameter"),
    ],
)
def test_a_bad_file_is_one_line_and_imports_nothing(
    text: str, arguments: list[str], message: str, served: Served, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(text)
    command = ["import", "r.csv", "--name", "not stored", *arguments, "--url", served.url]
    shown = run_sweeper(*command, cwd=tmp_path)
    assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1)
    assert message in shown.stderr
    with Client(served.url) as client:
        assert list(client.sweeps(search="not stored")) == []


def test_a_file_that_is_not_there_exits_2(served: Served, tmp_path: Path) -> None:
    for name in ("none.csv", "none.json", "none.db"):
        shown = run_sweeper("import", name, "--name", "x", "--url", served.url, cwd=tmp_path)
        assert (shown.returncode, shown.stderr.count("\n")) == (output.USAGE, 1), shown.stderr
