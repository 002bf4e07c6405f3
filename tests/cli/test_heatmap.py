"""`sweeper heatmap` on a sweep of two axes that was really trained, and the client's view of it."""

import json
from pathlib import Path

import pytest

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import run_sweeper
from tests.served import TINY, finished_sweep, service

pytestmark = [pytest.mark.ray, pytest.mark.browser]

MAP = TINY | {
    "name": "tiny map",
    "axis": {"parameter": "lr", "multiples": [0.316, 1, 3.16]},
    "second_axis": {"parameter": "momentum", "values": [0.5, 0.9]},
    # trials of its own: other tests count what happens to those of TINY
    "seeds": [7],
}


def test_a_map_is_the_same_as_tables_as_json_and_as_a_page(tmp_path: Path) -> None:
    url = service().url
    with Client(url) as client:
        sweep_id = client.submit(MAP)["id"]
        client.wait(sweep_id)
        maps = client.heat_maps(sweep_id)
        figure = client.figure(sweep_id, figure="heatmap")
    assert [(m["label"], len(m["rows"])) for m in maps] == [("adamw", 2), ("sgd", 2)]
    assert [trace.type for trace in figure.data].count("heatmap") == 2
    there = ("heatmap", sweep_id, "--url", url)
    assert json.loads(run_sweeper(*there, "--json", cwd=tmp_path).stdout) == maps
    tables = run_sweeper(*there, cwd=tmp_path).stdout.splitlines()
    assert [tables[0], tables[4], tables[5]] == [
        "adamw, nano: lr to the right",
        "",
        "sgd, nano: lr to the right",
    ]
    assert tables[1].split() == ["momentum", "0.001", "0.00316", "0.01", "ridge", "loss"]
    assert len(tables) == 2 * (1 + 1 + 2) + 1
    cells = [cell for m in maps for row in m["rows"] for cell in row["cells"]]
    assert [cell["seeds"] for cell in cells] == [1] * 12
    assert f"{cells[0]['loss']:.4g}" in tables[2]
    paper = ("export", sweep_id, "--paper", "paper", "--url", url)
    assert run_sweeper(*paper, cwd=tmp_path).returncode == output.OK
    assert {"heatmap.json", "heatmap.svg", "stability.json"} <= {
        path.name for path in (tmp_path / "paper" / "figures").iterdir()
    }
    assert run_sweeper(*there, "-o", "map.html", cwd=tmp_path).returncode == output.OK
    assert "heatmap" in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_a_sweep_of_one_axis_has_none(tmp_path: Path) -> None:
    shown = run_sweeper("heatmap", finished_sweep(), "--url", service().url, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (output.USAGE, "")
    assert "has one axis; a heat map needs a `second_axis`" in shown.stderr
