"""The form in a real browser: what it shows, builds, remembers and refuses."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.filling import ENDED, TRAINED_MS, fill_form, submit_form

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]


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
    page.get_by_label("Hyperparameter", exact=True).select_option("eps")
    page.get_by_label("lion", exact=True).check()
    lion = page.locator('[data-optimizer="lion"]')
    expect(lion.locator(".hint")).to_contain_text("has no eps; it has")
    expect(page.get_by_label("Low", exact=True)).to_have_value("1e-15")
    page.get_by_label("Low", exact=True).fill("1e-12")
    lion.get_by_label("keep as a flat reference line").check()
    expect(page.locator("#p-points")).to_have_text("14")
    page.goto(page.url)
    expect(page.get_by_label("Hyperparameter", exact=True)).to_have_value("eps")
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


def test_a_search_is_filled_in_submitted_and_swept_through(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    page.get_by_label("What the sweep looks for").select_option("search")
    expect(page.locator("#p-points")).to_have_text("12")
    expect(page.get_by_label("Hyperparameter", exact=True)).to_be_hidden()
    page.get_by_label("Hyperparameter 2").select_option("momentum")
    expect(page.get_by_label("Lowest 2")).to_have_value("0.5")
    expect(page.get_by_label("Hyperparameter 3")).to_be_visible()
    expect(page.get_by_label("Hyperparameter 4")).to_be_hidden()
    page.get_by_label("Highest 2").fill("1.5")
    wrong = page.locator(".field", has=page.get_by_label("Highest 2")).locator(".error-text")
    expect(wrong).to_contain_text("high < 1")
    page.get_by_label("Highest 2").fill("0.9")
    page.get_by_label("Candidates of each curve").fill("3")
    page.get_by_label("Steps", exact=True).fill("20")
    expect(page.locator("#p-points")).to_have_text("3")
    page.goto(page.url)
    expect(page.locator("#p-points")).to_have_text("3")
    submit_form(page)
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)
    search = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Sweep through them").click()
    expect(page.locator("#as-is")).to_be_hidden()
    expect(page.get_by_label("Through the best of a search")).to_have_value(search)
    expect(page.get_by_label("Name", exact=True)).to_have_value("lr through search of adamw")
    expect(page.locator("#p-points")).to_have_text("5")
    visit.complaints[:] = [c for c in visit.complaints if "422" not in c]


def test_a_search_can_be_submitted_again(visit: Visit) -> None:
    page = visit.page
    spec = {
        "name": "search again",
        "search": {
            "over": {"lr": {"low": 0.001, "high": 0.1}, "eps": {"low": 1e-9, "high": 1e-6}},
            "trials": 3,
            "at_once": 2,
        },
        "optimizers": ["adamw"],
        "base": {"steps": 20},
    }
    first = page.request.post("/api/v1/sweeps", data=spec).json()["id"]
    page.request.post(f"/api/v1/sweeps/{first}/cancel")
    page.goto(f"/new?from={first}")
    expect(page.locator("#p-points")).to_have_text("3")
    expect(page.locator("#as-is")).to_be_hidden()
    submit_form(page)
    second = page.url.rpartition("/")[2]
    sent = page.request.get(f"/api/v1/sweeps/{second}").json()["spec"]
    assert {key: sent[key] for key in spec} == spec
    # Its page is alive: the figure is drawn, and the end is seen without a reload.
    page.wait_for_selector("#figure .main-svg")
    page.wait_for_selector(ENDED, timeout=TRAINED_MS)


def test_only_a_search_can_be_swept_through_and_only_a_request_is_a_template(visit: Visit) -> None:
    page = visit.page
    rows = [{"label": "a", "optimizer": "adamw", "scale": "x", "value": 0.1, "outcome": "diverged"}]
    body = {"name": "theirs", "imported_from": "a file", "axis": {"parameter": "lr"}, "rows": rows}
    imported = page.request.post("/api/v1/sweeps/import", data=body).json()["id"]
    for asked, said in (("through", "There is no search"), ("from", "was imported")):
        page.goto(f"/new?{asked}={imported}")
        expect(page.locator("#preset-summary")).to_contain_text(said)
        expect(page.locator("#p-points")).to_have_text("7")


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


def test_rounds_and_the_scale_of_a_second_axis_are_in_the_form(visit: Visit) -> None:
    page = visit.page
    page.goto("/new")
    page.get_by_text("Second axis").click()
    page.get_by_label("Second one").select_option("weight_decay")
    page.get_by_label("Second: Values").fill("1e-4 1e-3")
    page.get_by_label("Second: also the value 0").check()
    expect(page.locator("#p-variants")).to_have_text("3")
    expect(page.locator("#p-added")).to_be_hidden()
    page.get_by_text("Further values, added").click()
    page.get_by_label("Bracketing: budget").fill("4")
    page.get_by_label("Refinement: budget").fill("0")
    wrong = page.locator(".field", has=page.get_by_label("Refinement: budget"))
    expect(wrong.locator(".error-text")).to_contain_text("greater than or equal to 1")
    page.get_by_label("Refinement: budget").fill("5")
    expect(page.locator("#p-added")).to_have_text("27")
    page.get_by_label("Its scale").select_option("linear")
    expect(page.get_by_label("Second: also the value 0")).to_be_hidden()
    expect(page.locator("#p-variants")).to_have_text("2")
    page.goto(page.url)
    expect(page.locator("#p-added")).to_have_text("18")
    expect(page.get_by_label("Bracketing: budget")).to_be_visible()
    submit_form(page)
    sweep = page.url.rpartition("/")[2]
    page.request.post(f"/api/v1/sweeps/{sweep}/cancel")
    spec = page.request.get(f"/api/v1/sweeps/{sweep}").json()["spec"]
    assert (spec["extend"], spec["refine"]) == ({"budget": 4}, {"budget": 5})
    assert spec["second_axis"]["scale"] == "linear"
    page.goto(f"/new?from={sweep}")
    expect(page.get_by_label("Refinement: budget")).to_have_value("5")
    expect(page.locator("#as-is")).to_be_hidden()
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
