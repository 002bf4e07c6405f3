"""The report as a file in a real browser: it draws, prints, and asks nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from sweeper.imports.form import parse
from sweeper.imports.plan import plan
from sweeper.service import Service
from sweeper.storage.store import Store
from tests.browser.conftest import WATCH_POLICY
from tests.imports.rows import body

pytestmark = pytest.mark.browser


@pytest.fixture
def report(sqlite_store: Store, tmp_path: Path) -> Path:
    rows = [{"value": 10.0**-i, "final_loss": 3.0 + i, "seed": s} for i in (1, 2) for s in (0, 1)]
    long = [row | {"label": "a curve with a rather long label, for its place"} for row in rows]
    bad = {"value": 1.0, "outcome": "diverged", "final_loss": None, "diverged_at_step": 7}
    sweep_id = sqlite_store.sweeps.take_in(plan(parse(body(*rows, *long, bad)))).sweep_id
    path = tmp_path / "report.html"
    path.write_text(Service(sqlite_store, tmp_path / "datasets").figures.report(sweep_id))
    return path


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The opened file; its complaints and requests end the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.add_init_script(WATCH_POLICY)
    opened, complaints = context.new_page(), list[str]()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url))
    opened.goto(report.as_uri())
    opened.wait_for_selector(".main-svg .scatterlayer .point")
    yield opened
    context.close()
    assert complaints == [report.as_uri()]


def test_it_draws_under_its_own_policy(page: Page) -> None:
    names = page.locator(".legendtext").all_text_contents()
    assert names == ["adamw 1x", "a curve with a rather long label, for its place"]
    assert page.locator("h1").text_content() == "theirs"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_prints_on_a_page_without_cutting_the_figure(page: Page) -> None:
    page.set_viewport_size({"width": 680, "height": 960})  # A4 between margins of 15 mm.
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("document.querySelector('.main-svg').clientWidth === 680")
    assert page.evaluate("document.documentElement.scrollWidth") == 680
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
