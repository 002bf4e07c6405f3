"""Pages: each template uses exactly the fields of its context, and what users wrote stays text."""

import ast
import dataclasses
import json
import re
import shlex
from typing import Any

import pytest
from jinja2 import meta, nodes
from starlette.testclient import TestClient

from api import static_files
from api.pages import asked, build, contexts, words
from api.pages.render import FOLDER, environment, template_name
from sweeper.failures import Failure, FailureKind
from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

PAGES = (
    contexts.ListPage,
    contexts.SweepPage,
    contexts.TrialPage,
    contexts.NewPage,
    contexts.RoutesPage,
    contexts.ErrorPage,
)


@pytest.mark.parametrize("context", PAGES)
def test_a_template_uses_what_its_context_has(context: Any) -> None:
    env = environment()
    source = (FOLDER / template_name(context)).read_text(encoding="utf-8")
    tree = env.parse(source)
    own = {node.target for node in tree.find_all(nodes.Import)}
    own |= {node.name for node in tree.find_all(nodes.Macro)}
    used = meta.find_undeclared_variables(tree) - env.globals.keys() - own
    assert used == {field.name for field in dataclasses.fields(context)}


def test_every_template_is_a_page_or_shared() -> None:
    parts = ["base", "comparison", "heatmap", "keeping", "parts", "search"]
    parts += ["form_axis", "form_optimizers", "form_search"]
    shared = {f"{name}.html" for name in parts}
    assert {path.name for path in FOLDER.iterdir()} == shared | {template_name(c) for c in PAGES}


def test_templates_hold_neither_scripts_nor_handlers() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        for tag in re.findall(r"<script[^>]*>", text):
            assert "src=" in tag or 'type="application/json"' in tag, (path.name, tag)
        assert not re.search(r"\son[a-z]+=", text), path.name
        assert "| safe" not in text, path.name
        assert not re.search(r"(src|href)=\"https?:", text), path.name


def test_the_empty_list_shows_a_first_sweep(client: TestClient) -> None:
    text = client.get("/").text
    for words_ in ("curl http://127.0.0.1:8000/api/v1/sweeps", "sweeper submit", "sweeper.client"):
        assert words_ in text


def test_the_list_is_filtered_without_javascript(client: TestClient, sweep_id: str) -> None:
    client.post("/api/v1/sweeps", json=SPEC | {"name": "other one"})
    assert {"a sweep", "other one"} <= set(names(client.get("/").text))
    assert names(client.get("/?search=other").text) == ["other one"]
    assert names(client.get("/?state=done").text) == []
    assert "No sweep matches" in client.get("/?state=done").text
    assert 'value="other"' in client.get("/?search=other").text


def names(text: str) -> list[str]:
    return re.findall(r'<a href="/sweeps/[^"]+">([^<]+)</a>', text)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "1e-4 to 0.1"),
        ({"optimizers": ["adamw", {"name": "sgd", "values": [10.0, 0.0]}]}, "0 to 10"),
        ({"axis": SPEC["axis"] | {"zero": True}}, "0, 1e-4 to 0.1"),
        ({"axis": {"parameter": "lr", "multiples": [0.1, 1, 10]}}, "0.1 to 10 times the centre"),
    ],
)
def test_a_list_says_what_was_asked_for(changes: dict[str, Any], shown: str) -> None:
    assert asked.axis_range(SPEC | changes).replace(words.DASH, "to") == shown
    assert asked.axes(SPEC | {"second_axis": {"parameter": "eps"}}) == "lr, eps"


def test_a_long_list_goes_on_with_its_filter(client: TestClient) -> None:
    for i in range(51):
        client.post("/api/v1/sweeps", json=SPEC | {"name": f"sweep {i}"})
    text = client.get("/?search=sweep").text
    assert len(names(text)) == 50
    address = re.search(r'rel="next" href="([^"]+)"', text)
    assert address is not None
    assert names(client.get(address[1].replace("&amp;", "&")).text) == ["sweep 0"]


def test_a_sweep_page_has_the_numbers_of_its_curves(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    before = client.get(f"/sweeps/{sweep_id}").text
    assert "0 done, 0 running, 8 queued, 0 diverged of 8" in before
    assert "<title>0 % · a sweep · Sweeper</title>" in before
    played.finish_all(store)
    text = client.get(f"/sweeps/{sweep_id}").text
    assert "8 done, 0 running, 0 queued, 3 diverged of 8" in text
    curves = client.get(f"/api/v1/sweeps/{sweep_id}/curves").json()["items"]
    for curve in curves:
        assert f"{curve['stability']['best_loss']:.4f}" in text
        for point in curve["points"]:
            assert f'href="/trials/{point["trials"][0]["trial_id"]}"' in text
    assert "One seed" in text


@pytest.mark.parametrize(
    ("verbs", "offered"),
    [
        ([], ["pause", "cancel"]),
        (["pause"], ["resume", "cancel"]),
        (["cancel"], ["retry"]),
    ],
)
def test_a_page_offers_what_can_be_done(
    client: TestClient, sweep_id: str, verbs: list[str], offered: list[str]
) -> None:
    for verb in verbs:
        client.post(f"/api/v1/sweeps/{sweep_id}/{verb}")
    text = client.get(f"/sweeps/{sweep_id}").text
    assert re.findall(r'data-action="(\w+)"', text) == offered


def test_a_trial_page_tells_of_divergence(client: TestClient, store: Store, sweep_id: str) -> None:
    played.finish_all(store)
    rows = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"]
    diverged = next(row["trial_id"] for row in rows if row["outcome"] == "diverged")
    text = client.get(f"/trials/{diverged}").text
    assert "diverged" in text
    assert "at step 7" in text
    assert "hyperparameters.lr" in text


def test_a_trial_page_tells_how_fast_it_trained(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    rows = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"]
    page = f"/trials/{rows[0]['trial_id']}"
    assert "Tokens per second" not in client.get(page).text
    played.finish_all(store)
    text = client.get(page).text
    assert re.findall(r"Tokens per second</th><td class=\"num\">([^<]+)", text) == ["12\u202f346"]
    assert re.findall(r"MFU</abbr></th><td class=\"num\">([^<]+)", text) == ["12.5 %"]


def test_the_request_of_a_sweep_can_be_sent_again(client: TestClient, sweep_id: str) -> None:
    spec = client.get(f"/api/v1/sweeps/{sweep_id}").json()["spec"]
    curl = shlex.split(build.as_curl("http://here", spec))
    assert curl[:2] == ["curl", "http://here/api/v1/sweeps"]
    assert json.loads(curl[-1]) == SPEC
    python = ast.parse(build.as_python("http://here", spec))
    assigned = next(n for n in ast.walk(python) if isinstance(n, ast.Dict))
    assert ast.literal_eval(assigned) == SPEC


def test_a_cancelled_sweep_can_be_brought_back_though_nothing_of_it_was_lost(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    client.post(f"/api/v1/sweeps/{sweep_id}/cancel")
    assert 'data-action="retry"' in client.get(f"/sweeps/{sweep_id}").text
    client.post(f"/api/v1/sweeps/{sweep_id}/retry")
    assert 'data-action="retry"' not in client.get(f"/sweeps/{sweep_id}").text


def test_a_failed_trial_tells_its_reason(client: TestClient, store: Store, sweep_id: str) -> None:
    epoch = store.queue.take_over(store.queue.dispatcher(), played.OWNER)
    claimed = played.claim(store, epoch, most=1)
    assert claimed is not None
    failure = Failure(
        kind=FailureKind.USER_ERROR, message="it broke", traceback="Traceback", log_tail="last line"
    )
    store.queue.fail(epoch, claimed.stack_id, claimed.attempt, failure)
    played.finish_all(store)
    sweep = client.get(f"/sweeps/{sweep_id}").text
    assert "7 done, 0 running, 0 queued, 3 diverged, 1 failed of 8" in sweep
    assert "done with failures" in sweep
    assert 'data-action="retry"' in sweep
    rows = client.get(f"/api/v1/sweeps/{sweep_id}/trials?state=failed").json()["items"]
    text = client.get(f"/trials/{rows[0]['trial_id']}").text
    assert "user_error: it broke" in text
    assert "last line" in text
    retried = client.post(f"/api/v1/sweeps/{sweep_id}/retry").json()
    assert retried == {"id": sweep_id, "retried": 1}
    assert client.get(f"/api/v1/sweeps/{sweep_id}").json()["state"] == "running"


@pytest.mark.parametrize("path", ["/sweeps/none", "/trials/none", "/nowhere"])
def test_what_is_not_there_is_a_page_too(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "All sweeps" in answer.text


def test_a_name_stays_text(client: TestClient) -> None:
    spec = SPEC | {"optimizers": [{"name": "adamw", "label": "a 'quoted' |label|"}]}
    sweep_id = client.post("/api/v1/sweeps", json=spec).json()["id"]
    text = client.get(f"/sweeps/{sweep_id}").text
    assert "a &#39;quoted&#39; |label|" in text


def test_every_page_lists_the_routes(client: TestClient) -> None:
    text = client.get("/api").text
    assert "/api/v1/sweeps/{sweep_id}/curves" in text
    assert "<code>POST sweeps</code>" in text
    assert "`" not in text


@pytest.mark.parametrize("name", ["style.css", "sweep.js", "plotly.js"])
def test_static_files_are_kept_for_ever(client: TestClient, name: str) -> None:
    answer = client.get(static_files.address(name))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/static/older/{name}").status_code == 404


@pytest.mark.parametrize("name", ["..%2fapp.py", "app.py", ".", "%2e%2e/app.py"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    folder = static_files.address("style.css").rpartition("/")[0]
    assert client.get(f"{folder}/{name}").status_code == 404


STYLE = (static_files.FOLDER / "style.css").read_text(encoding="utf-8")


def palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


PALETTES = [palette(block) for block in re.findall(r"\{[^{}]*--page: #[^{}]*\}", STYLE)]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, relative luminance of sRGB colours."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_off_their_background(theme: int) -> None:
    colours = PALETTES[theme]
    texts = [("text", "page"), ("faint", "page"), ("accent", "page"), ("bad", "page")]
    texts += [("text", "raised"), ("faint", "raised"), ("on-accent", "accent"), ("warn", "page")]
    texts += [("text", "warn-page"), ("text", "bad-page"), ("good", "page"), ("run", "page")]
    for front, back in texts:
        assert contrast(colours[front], colours[back]) >= 4.5, (front, back)
    for front in ("control", "lost"):
        assert contrast(colours[front], colours["page"]) >= 3, front


def test_both_ways_to_the_dark_theme_are_the_same() -> None:
    _, chosen, preferred = PALETTES
    assert chosen == preferred
