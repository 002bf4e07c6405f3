"""The main job in a real browser: fill in the form, see the curve grow, open a trial."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]

ENDED = '#state[data-ended="yes"]'
TRAINED_MS = 120_000


def fill_form(page: Page, *, seed: int) -> None:
    """A sweep of two optimizers at three values, twenty steps each."""
    page.goto("/new")
    page.get_by_label("lion", exact=True).check()
    page.get_by_label("Points", exact=True).fill("3")
    page.get_by_label("Seeds", exact=False).fill(str(seed))
    page.get_by_label("Steps", exact=True).fill("20")
    expect(page.locator("#p-points")).to_have_text("6")


def submit_form(page: Page) -> None:
    page.get_by_role("button", name="Submit sweep").click()
    page.wait_for_url(re.compile("/sweeps/"))


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


def test_a_large_sweep_is_sent_when_the_button_is_pressed_again(visit: Visit) -> None:
    page = visit.page
    fill_form(page, seed=3)
    expect(page.locator("#p-hours")).to_have_text(re.compile(r"\d"))
    expect(page.locator("#p-wall")).to_have_text(re.compile(r"\d\s(s|min|h)"))
    expect(page.locator("#p-stacks tr")).not_to_have_count(0)
    refusal = {"type": "urn:sweeper:problem:needs-confirmation", "detail": "too many", "errors": []}
    page.route(
        re.compile(r"/api/v1/sweeps$"),
        lambda route: route.fulfill(status=428, json=refusal),
    )
    page.get_by_role("button", name="Submit sweep").click()
    expect(page.locator("#general-error")).to_have_text("too many")
    again = page.get_by_role("button", name="Submit it all the same")
    expect(again).to_be_enabled()
    page.get_by_label("Steps", exact=True).fill("21")
    expect(again).to_have_count(0)
    page.get_by_role("button", name="Submit sweep").click()
    again.click()
    page.wait_for_url(re.compile("/sweeps/"))
    visit.complaints[:] = [c for c in visit.complaints if "428" not in c]


def test_what_is_wrong_stands_beside_its_field(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    page.locator('input[name="o.adamw.momentum"]').fill("1.5")
    text = page.locator(".field", has=page.locator('input[name="o.adamw.momentum"]'))
    expect(text.locator(".error-text")).to_contain_text("0 <= momentum < 1")
    page.get_by_role("button", name="Submit sweep").click()
    expect(page.locator('input[name="o.adamw.momentum"]')).to_be_focused()
    expect(page.locator('input[name="o.adamw.momentum"]')).to_have_attribute("aria-invalid", "true")
    visit.complaints[:] = [c for c in visit.complaints if "422" not in c]


def test_the_form_is_in_its_address(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    page.get_by_label("Hyperparameter").select_option("eps")
    page.get_by_label("lion", exact=True).check()
    lion = page.locator('[data-optimizer="lion"]')
    expect(lion.locator(".hint")).to_contain_text("has no eps; it has")
    expect(page.get_by_label("Low", exact=True)).to_have_value("1e-15")
    page.get_by_label("Low", exact=True).fill("1e-12")
    lion.get_by_label("keep as a flat reference line").check()
    expect(page.locator("#p-points")).to_have_text("14")
    page.goto(page.url)
    expect(page.get_by_label("Hyperparameter")).to_have_value("eps")
    expect(page.get_by_label("Low", exact=True)).to_have_value("1e-12")
    expect(lion.get_by_label("keep as a flat reference line")).to_be_checked()
    expect(page.locator("#p-points")).to_have_text("14")
    visit.complaints[:] = [c for c in visit.complaints if "422" not in c]


def test_a_sweep_with_more_than_the_form_shows_is_sent_as_it_stands(visit: Visit) -> None:
    page = visit.page
    spec = {
        "name": "twice adamw",
        "axis": {"parameter": "momentum", "values": [0.5, 0.9]},
        "optimizers": [
            {"name": "adamw", "beta2": 0.99},
            {"name": "adamw", "label": "tied", "beta2": {"tie": "momentum"}},
        ],
        "base": {"steps": 20},
    }
    first = page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    page.request.post(f"/api/v1/sweeps/{first}/cancel")
    page.goto(f"/new?from={first}")
    expect(page.locator("#as-is")).to_be_visible()
    expect(page.locator("#p-points")).to_have_text("4")
    submit_form(page)
    second = page.url.rpartition("/")[2]
    assert page.request.get(f"/api/v1/sweeps/{second}").json()["spec"] == spec
    page.request.post(f"/api/v1/sweeps/{second}/cancel")


def test_a_search_can_be_submitted_again_as_it_is(visit: Visit) -> None:
    page = visit.page
    spec = {
        "name": "search again",
        "search": {"over": {"lr": {"low": 0.001, "high": 0.1}}, "trials": 3},
        "optimizers": ["adamw"],
        "base": {"steps": 20},
    }
    first = page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    page.request.post(f"/api/v1/sweeps/{first}/cancel")
    page.goto(f"/new?from={first}")
    expect(page.locator("#as-is")).to_be_visible()
    expect(page.locator("#p-points")).to_have_text("3")
    submit_form(page)
    second = page.url.rpartition("/")[2]
    assert page.request.get(f"/api/v1/sweeps/{second}").json()["spec"] == spec
    # Its page is alive: the figure is drawn, and the end is seen without a reload.
    page.wait_for_selector("#figure .main-svg")
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)


def test_a_template_that_is_gone_leaves_the_form_as_new(visit: Visit) -> None:
    page = visit.page
    page.goto("/new?from=gone")
    expect(page.locator("#preset-summary")).to_contain_text("no sweep gone")
    expect(page.locator("#p-points")).to_have_text("7")
    expect(page.locator(".error-text:not(#general-error)")).to_have_count(0)
    visit.complaints[:] = [c for c in visit.complaints if "404" not in c]


def test_a_second_axis_and_multiples_are_in_the_form(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    page.get_by_label("Values", exact=True).select_option("half-decades")
    expect(page.get_by_label("Points", exact=True)).to_be_hidden()
    expect(page.locator("#p-points")).to_have_text("7")
    own_low = page.locator('input[name="o.adamw.low"]')
    own_low.fill("1e-2")
    expect(page.locator("#p-points")).to_have_text("3")
    page.get_by_label("Values", exact=True).select_option("multiples of the centre")
    expect(page.locator("#multiples")).to_have_value("0.1 0.316 1 3.16 10")
    expect(own_low).to_be_hidden()
    page.locator('input[name="o.adamw.lr"]').fill("0.01")
    page.get_by_text("Second axis").click()
    page.get_by_label("Second one").select_option("beta2")
    expect(page.locator("#p-points")).to_have_text("25")
    request = page.locator("#request-json")
    expect(request).to_contain_text('"lr": 0.01')
    page.get_by_label("Second: Values").fill("0.9 1")
    place = page.locator(".field", has=page.locator('input[name="second.values"]'))
    expect(place.locator(".error-text")).to_contain_text("`beta2 < 1` must hold")
    page.get_by_label("Second: Values").fill("0.9 0.99")
    expect(page.locator("#p-variants")).to_have_text("2")
    page.goto(page.url)
    expect(page.get_by_label("Second one")).to_have_value("beta2")
    expect(page.locator("#p-points")).to_have_text("10")
    visit.complaints[:] = [c for c in visit.complaints if "422" not in c]


PRESETS = {
    "demo": 35,
    "lr_momentum": 119,
    "lr": 54,
    "momentum": 42,
    "weight_decay": 42,
    "batch": 24,
}


def test_every_preset_that_the_form_can_show_fills_it(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    for preset, points in PRESETS.items():
        page.get_by_label("Preset").select_option(preset)
        expect(page.locator("#p-points")).to_have_text(str(points))
        expect(page.locator("#as-is")).to_be_hidden()


@pytest.mark.parametrize("preset", ["eps", "signum_adam", "qk_norm_z_loss"])
def test_a_preset_fills_the_form(visit: Visit, preset: str) -> None:
    page = visit.page
    page.goto("/new")
    page.get_by_label("Preset").select_option(preset)
    expect(page.get_by_label("Name", exact=True)).not_to_have_value("")
    expect(page.locator("#p-points")).not_to_have_text("7")
    expect(page.locator("#general-error")).to_have_text("")
    expect(page.locator("#p-points")).to_have_text(re.compile(r"^\d"))


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


@pytest.mark.parametrize("path", ["/", "/new", "/api", "/nowhere"])
def test_a_narrow_screen_scrolls_one_way_only(visit: Visit, path: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.complaints[:] = [c for c in visit.complaints if "404" not in c]


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
