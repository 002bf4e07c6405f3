"""The main job in a real browser: fill in the form, see the curve grow, open a trial."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visit
from tests.browser.filling import ENDED, TRAINED_MS, fill_form, submit_form

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_sweep_from_the_form_to_its_curve(visit: Visit) -> None:
    page = visit.page
    fill_form(page, seed=0)
    submit_form(page)
    expect(page.locator("h1")).to_have_text("lr of adamw lion")
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)
    expect(page.locator('[data-live="counts"]')).to_contain_text("6 done, 0 running, 0 queued")
    expect(page).to_have_title("lr of adamw lion · Sweeper")
    rows = page.locator('[data-live="stability"] tbody tr')
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("adamw")
    expect(rows.nth(0)).to_contain_text(re.compile(r"\d\.\d{4}"))
    points = page.locator("#figure .scatterlayer .trace .points path.point")
    expect(points.first).to_be_visible()
    assert points.count() >= 6
    tolerance = page.get_by_role("spinbutton")
    tolerance.fill("1.5")
    tolerance.press("Enter")
    expect(page.locator("#caption")).to_contain_text("within 1.5 nats")
    tolerance.fill("")
    tolerance.press("Enter")
    assert page.url.endswith("tolerance=1.5")
    # plotly takes clicks on a layer over all marks.
    box = points.first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    expect(page.locator("#figure .hoverlayer .hovertext").first).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(re.compile("/trials/"))
    expect(page.locator("#figure .scatterlayer .js-line").first).to_be_attached()
    expect(page.locator('[data-live="attempts"] tbody tr')).to_have_count(1)


def test_a_sweep_of_two_axes_has_a_heat_map(visit: Visit) -> None:
    page = visit.page
    spec = {
        "name": "a map",
        "axis": {"parameter": "lr", "multiples": [0.316, 1, 3.16]},
        "second_axis": {"parameter": "momentum", "values": [0.5, 0.9]},
        "optimizers": ["adamw"],
        "base": {"steps": 20},
    }
    sweep_id = page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    page.goto(f"/sweeps/{sweep_id}?open=maps")
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)
    cells = page.locator("#heatmap .heatmaplayer image")
    expect(cells).to_be_visible()
    expect(page.locator("#heatmap-caption")).to_contain_text("best of each row")
    expect(page.locator("#maps tbody tr")).to_have_count(2)
    expect(page.locator("#maps tbody")).to_contain_text(re.compile(r"\d\.\d{4}"))
    box = cells.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 6, box["y"] + box["height"] / 8, steps=3)
    expect(page.locator("#heatmap .hoverlayer .hovertext").first).to_contain_text("momentum 0.9")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(re.compile("/trials/"))


def test_without_events_the_page_looks_by_itself_and_says_so(visit: Visit) -> None:
    page = visit.page
    fill_form(page, seed=1)
    page.route("**/events?*", lambda route: route.fulfill(status=503))
    submit_form(page)
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)
    expect(page.locator("#figure .scatterlayer .trace").first).to_be_attached()
    # The comparison comes with the end of the sweep; its folds are in the address all the same.
    compared = page.locator('[data-live="comparison"] > .scroll tbody tr')
    expect(compared).to_have_count(2)
    expect(compared.nth(0)).to_contain_text("one seed: no verdict")
    page.locator("#shapes > summary").click()
    expect(page).to_have_url(re.compile("open=shapes"))
    page.reload()
    expect(page.locator("#shapes table")).to_be_visible()
    visit.complaints[:] = [c for c in visit.complaints if "503" not in c]


def test_pause_resume_and_cancel(visit: Visit) -> None:
    page = visit.page
    fill_form(page, seed=2)
    page.get_by_label("Steps", exact=True).fill("5000")
    expect(page.locator("#p-tokens")).to_have_text(re.compile(r"\d"))
    submit_form(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#state")).not_to_contain_text("paused")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(ENDED)
    expect(page.locator("#state")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def test_the_theme_is_chosen_and_stays(visit: Visit) -> None:
    page = visit.page
    page.goto("/")
    page.get_by_role("button", name="Switch between light and dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/new")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_list_needs_no_javascript(browser: Browser, base_url: str) -> None:
    with browser.new_context(base_url=base_url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/?search=nothing+of+that+name")
        expect(page.locator("main")).to_contain_text("No sweep matches")
        page.get_by_role("searchbox").fill("")
        page.get_by_role("button", name="Filter").click()
        assert page.url.startswith(base_url)


def test_without_javascript_a_page_shows_nothing_that_needs_it(
    visit: Visit, browser: Browser, base_url: str
) -> None:
    spec = {"name": "plain", "axis": {"parameter": "lr", "values": [0.01]}, "optimizers": ["sgd"]}
    sweep = visit.page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    visit.page.request.post(f"/api/v1/sweeps/{sweep}/cancel")
    with browser.new_context(base_url=base_url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/sweeps/{sweep}")
        expect(page.locator("#stability-title")).to_be_visible()
        expect(page.locator("noscript .notice")).to_be_visible()
        expect(page.get_by_text("Drawing the figure")).to_be_hidden()
        for button in page.get_by_role("button").all():
            expect(button).to_have_text("Apply")
        page.goto("/new")
        expect(page.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/new", "/api", "/nowhere"])
def test_a_narrow_screen_scrolls_one_way_only(visit: Visit, path: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.complaints[:] = [c for c in visit.complaints if "404" not in c]


def test_facets_scroll_on_a_narrow_screen(visit: Visit) -> None:
    page = visit.page
    spec = {
        "name": "facets",
        "axis": {"parameter": "lr", "values": [0.001, 0.01]},
        "optimizers": ["adamw"],
        "scales": ["nano", "micro"],
    }
    sweep = page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    page.request.post(f"/api/v1/sweeps/{sweep}/cancel")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/sweeps/{sweep}")
    page.wait_for_selector("#figure .main-svg")
    assert page.evaluate("figure.scrollWidth > 1.3 * figure.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_watch_sees_what_it_should(visit: Visit) -> None:
    page = visit.page
    page.goto("/")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "globalThis.ran = true";
          document.head.append(script);
          new Image().src = "http://127.0.0.2:9/x.png";
          return fetch("http://127.0.0.2:9/").catch(() => {});
        }"""
    )
    assert page.evaluate("globalThis.ran === undefined")
    for words in ("script-src", "img-src", "connect-src"):
        assert any(words in complaint for complaint in visit.complaints), words
    visit.complaints.clear()


def test_a_lost_connection_is_told(visit: Visit) -> None:
    page = visit.page
    fill_form(page, seed=3)
    page.get_by_label("Steps", exact=True).fill("5000")
    submit_form(page)
    expect(page.locator("#lost")).to_be_hidden()
    page.route("**/*", lambda route: route.abort())
    page.get_by_label("diverged band").uncheck()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#lost")).to_be_visible()
    page.unroute("**/*")
    expect(page.locator("#lost")).to_be_hidden()
    sweep_id = page.url.rpartition("/")[2].partition("?")[0]
    page.request.post(f"/api/v1/sweeps/{sweep_id}/cancel")
    page.wait_for_selector(ENDED)
    assert "diverged=0" in page.url
    visit.complaints.clear()
