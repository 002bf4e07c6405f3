"""Living with a sweep in a real browser: extend it, say what it is, archive it, delete it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.filling import ENDED, TRAINED_MS, fill_form, submit_form
from tests.imports.rows import body

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_sweep_is_extended_named_archived_and_deleted(visit: Visit) -> None:
    page = visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    fill_form(page, seed=11)
    submit_form(page)
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)
    page.locator("#extend > summary").click()
    values, said = page.locator("#extend-values"), page.locator("#extend-said")
    values.fill("0.5 -1")
    page.get_by_role("button", name="Add points").click()
    expect(said).to_contain_text("/values/1: `lr > 0` must hold")
    expect(values).to_have_attribute("aria-invalid", "true")
    values.fill("0.5, 0.1")
    page.locator("#extend-variant").select_option("adamw")
    page.get_by_role("button", name="Add points").click()
    expect(said).to_have_text("Points: 1 added, 1 there already. Trials: 1 new.")
    expect(page.locator('[data-live="counts"]')).to_contain_text("7 done", timeout=TRAINED_MS)
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)

    page.locator("#details > summary").click()
    page.locator("#edit-name").fill("a kept sweep")
    page.locator("#edit-tags").fill("paper, first look")
    page.locator("#edit-note").fill("<b>why</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("a kept sweep")
    expect(page.locator(".note")).to_have_text("<b>why</b>")
    expect(page.locator(".said .tag")).to_have_text(["first look", "paper"])
    page.get_by_role("button", name="Archive").click()
    expect(page.locator('[data-live="said"]')).to_contain_text("Archived: lists leave it out.")

    page.goto("/?tag=paper")
    expect(page.locator("table.sweeps tbody tr")).to_have_count(0)
    page.get_by_label("archived").check()
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="a kept sweep").click()
    page.locator("#details > summary").click()
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/$"))
    page.goto("/?archived=true&search=a+kept+sweep")
    expect(page.locator("table.sweeps tbody tr")).to_have_count(0)
    visit.complaints[:] = [c for c in visit.complaints if "422" not in c]


def test_an_imported_sweep_is_named_and_deleted(visit: Visit) -> None:
    page = visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    answer = page.request.post("/api/v1/sweeps/import", data=body({}, {"value": 0.016}))
    page.goto(f"/sweeps/{answer.json()['id']}")
    page.locator("#details > summary").click()
    page.locator("#edit-name").fill("named here")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("named here")
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/$"))
    expect(page.get_by_role("link", name="named here")).to_have_count(0)
