"""The report of a sweep: whole, the same twice, and without a way to the network."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from sweeper.report.page import DASH
from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC
from tests.api.test_search import SEARCH
from tests.imports.rows import body

POLICY = "default-src 'none'; script-src 'sha256-"


class Reader(HTMLParser):
    """The texts of a page outside its scripts, and the addresses it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skipped = int(tag in ("script", "style"))
        self.addresses += [str(v) for k, v in attrs if k in ("src", "href", "action", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        self.skipped = 0

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.texts.append(data)


def report(client: TestClient, sweep_id: str) -> str:
    answer = client.get(f"/api/v1/sweeps/{sweep_id}/report.html")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="report-{sweep_id}.html"'
    return answer.text


def read(page: str) -> str:
    reader = Reader()
    reader.feed(page)
    assert reader.addresses == []
    return " ".join(" ".join(reader.texts).split())


def test_it_has_everything(client: TestClient, store: Store, sweep_id: str) -> None:
    played.finish_all(store)
    page = report(client, sweep_id)
    text = read(page)
    sweep = client.get(f"/api/v1/sweeps/{sweep_id}").json()
    for curve in client.get(f"/api/v1/sweeps/{sweep_id}/curves").json()["items"]:
        assert curve["label"] in text
        assert f"{curve['stability']['best_loss']:.4f}" in text
        assert f"{curve['stability']['sensitivity']:.4f}" in text
        for point in curve["points"]:
            assert f"{point['loss_mean']:.4f}" in text
    assert "parameter: lr" in text
    assert "model.width 64" in text
    assert f"{sweep['points']['diverged']} of them diverged" in text
    assert "No trial failed or was cancelled." in text
    assert "zhao2024deconstructing" in text
    assert "chen2023symbolic" in text  # the source of lion
    assert page == report(client, sweep_id)


def test_it_allows_no_script_but_its_own(client: TestClient, sweep_id: str) -> None:
    page = report(client, sweep_id)
    assert POLICY in page
    policy = page[page.index(POLICY) :].partition('"')[0]
    scripts = re.findall(r"<script[^>]*>", page)
    assert policy.count("sha256-") == len(scripts) > 1
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert "unsafe-eval" not in policy


def test_diverged_and_failed_points_are_told(client: TestClient, sweep_id: str) -> None:
    client.post(f"/api/v1/sweeps/{sweep_id}/cancel")
    assert "cancelled" in read(report(client, sweep_id)).partition("Failures")[2][:200]
    bad = {"value": 0.1, "outcome": "diverged", "final_loss": None, "diverged_at_step": 17}
    imported = client.post("/api/v1/sweeps/import", json=body({"id": "a"}, bad)).json()["id"]
    text = read(report(client, imported))
    assert "diverged at step 17" in text
    assert "Imported from a file: not trained here." in text
    assert "imported_from a file" in text


def test_of_a_search_it_has_every_candidate_with_its_values(
    client: TestClient, store: Store
) -> None:
    search_id = client.post("/api/v1/sweeps", json=SEARCH).json()["id"]
    assert f"adamw nano 2 {DASH} {DASH} {DASH}" in read(report(client, search_id))
    played.finish_all(store)
    text = read(report(client, search_id))
    (found,) = client.get(f"/api/v1/sweeps/{search_id}/search").json()["items"]
    best = found["best"]
    in_words = f"{best['number']} {best['loss']:.4f} lr {best['values']['lr']:g}"
    assert f"adamw nano 2 {in_words}" in text
    for each in found["candidates"]:
        assert f"adamw nano {each['number']} {each['loss']:.4f} lr {each['values']['lr']:g}" in text
    assert "Sensitivity" not in text


@pytest.mark.parametrize("name", ["lr [a] (b), 50%", "a/b: c?"])
def test_any_name_is_shown_as_it_is(name: str, client: TestClient) -> None:
    sweep_id = client.post("/api/v1/sweeps", json=SPEC | {"name": name}).json()["id"]
    assert name in read(report(client, sweep_id))
