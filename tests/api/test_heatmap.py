"""A sweep of two axes over REST and on its page."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

MAP: dict[str, Any] = SPEC | {"second_axis": {"parameter": "momentum", "values": [0.5, 0.9]}}


@pytest.fixture
def map_id(client: TestClient, store: Store) -> str:
    sweep_id = client.post("/api/v1/sweeps", json=MAP).json()["id"]
    played.finish_all(store)
    return str(sweep_id)


def test_a_map_has_the_losses_of_the_curves(client: TestClient, map_id: str) -> None:
    maps = client.get(f"/api/v1/sweeps/{map_id}/heatmap").json()["items"]
    curves = client.get(f"/api/v1/sweeps/{map_id}/curves").json()["items"]
    assert [m["label"] for m in maps] == ["adamw", "lion"]
    rows = [row for m in maps for row in m["rows"]]
    for row, curve in zip(rows, curves, strict=True):
        assert curve["label"].endswith(f", momentum={row['second']:g}")
        assert [c["loss"] for c in row["cells"]] == [p["finite_mean"] for p in curve["points"]]
        if not row["ridge"]["interpolated"]:
            assert row["ridge"]["value"] == curve["stability"]["best_value"]
            assert row["ridge"]["reason"] == curve["stability"]["optimum_reason"]
    assert sum(cell["diverged"] for row in rows for cell in row["cells"]) > 0


def test_its_figure_is_asked_for_by_name(client: TestClient, map_id: str, sweep_id: str) -> None:
    address = f"/api/v1/sweeps/{map_id}/figure"
    figure = client.get(f"{address}?figure=heatmap&theme=dark").json()
    assert [trace["type"] for trace in figure["data"]].count("heatmap") == 2
    assert figure["layout"]["meta"]["theme"] == "dark"
    assert "heatmap" in client.get(f"{address}.html?figure=heatmap").text
    assert client.get(f"{address}?figure=pie").status_code == 422
    one = client.get(f"/api/v1/sweeps/{sweep_id}/figure?figure=heatmap").json()
    assert [note["text"] for note in one["layout"]["annotations"]] == [
        "no second axis, or no points yet"
    ]


def test_its_page_holds_the_map_in_tables(client: TestClient, map_id: str, sweep_id: str) -> None:
    text = client.get(f"/sweeps/{map_id}").text
    (adamw, _) = client.get(f"/api/v1/sweeps/{map_id}/heatmap").json()["items"]
    for row in adamw["rows"]:
        assert f"{row['ridge']['loss']:.4f}" in text
        for cell in row["cells"]:
            assert cell["loss"] is None or f"{cell['loss']:.4f}" in text
    assert "1 of 1 diverged" in text
    assert "heatmap.js" in text
    assert "heatmap" not in client.get(f"/sweeps/{sweep_id}").text
    assert "lr, momentum" in client.get("/").text
