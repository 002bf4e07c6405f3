"""Pages of what is no ordinary sweep: a search, and results from elsewhere."""

import pytest
from playwright.sync_api import expect

from sweeper.client import Client
from tests.browser.conftest import Visit
from tests.browser.filling import ENDED, TRAINED_MS

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]

SEARCH = {
    "name": "a search",
    "search": {"over": {"lr": {"low": 1e-3, "high": 0.1}}, "trials": 2, "at_once": 1},
    "optimizers": ["adamw"],
    "seeds": [21],
    "base": {"steps": 5},
}
ELSEWHERE = {
    "name": "from elsewhere",
    "imported_from": "a paper",
    "axis": {"parameter": "lr"},
    "rows": [
        {
            "label": "adamw",
            "optimizer": "adamw",
            "scale": "130m",
            "value": value,
            "outcome": "finite",
            "final_loss": 3.5,
            "id": f"run-{value}",
        }
        for value in (0.1, 0.2)
    ],
}


def test_a_search_shows_its_candidates(visit: Visit, base_url: str) -> None:
    page = visit.page
    with Client(base_url) as client:
        sweep_id = client.submit(SEARCH)["id"]
        page.goto(f"/sweeps/{sweep_id}")
        page.wait_for_selector(ENDED, timeout=TRAINED_MS)
        best = client.searched(sweep_id)[0]["best"]
    row = page.locator("#search-title").locator("xpath=../..").locator("tbody tr")
    expect(row).to_contain_text(f"lr {best['values']['lr']:g}")
    expect(page.locator("#figure .scatterlayer .points path")).to_have_count(2)
    expect(page.locator("#extend")).to_have_count(0)
    page.locator("#figure .scatterlayer .points path").first.hover(force=True)
    expect(page.locator("#figure .hovertext").first).to_be_visible()


def test_results_from_elsewhere_can_be_named(visit: Visit, base_url: str) -> None:
    page = visit.page
    with Client(base_url) as client:
        sweep_id = client.import_results(ELSEWHERE)["id"]
    page.goto(f"/sweeps/{sweep_id}")
    expect(page.locator("#figure .main-svg").first).to_be_visible()
    expect(page.locator("#extend")).to_have_count(0)
    page.locator("#details > summary").click()
    page.locator("#edit-name").fill("another name")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("another name")
