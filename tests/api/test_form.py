"""The form: what it offers and suggests, and what it says of each optimizer."""

import html
import re

import pytest
from starlette.testclient import TestClient

from api.pages import form
from tests.api.conftest import SPEC


def test_the_form_offers_every_optimizer_with_its_own_defaults(client: TestClient) -> None:
    text = client.get("/new").text
    for info in client.get("/api/v1/optimizers").json()["items"]:
        assert f'name="o.{info["name"]}"' in text
    assert re.search(r'name="o.adamw.eps"[^>]*placeholder="1e-15"', text)
    assert 'name="o.lion.eps"' not in text


def test_the_form_tells_what_an_optimizer_costs_and_whose_its_defaults_are(
    client: TestClient,
) -> None:
    text = client.get("/new").text
    blocks = {b.split('"')[0]: html.unescape(b) for b in text.split('data-optimizer="')[1:]}
    for info in client.get("/api/v1/optimizers").json()["items"]:
        block = blocks[info["name"]]
        kept = info["state_bytes"]
        shown = "not measured" if kept is None else f"{kept:g} bytes of state per parameter"
        assert shown in block
        assert f"Update: {info['extra_flops']}. Source: {info['source']}." in block
        assert f'aria-label="cost and defaults of {info["name"]}"' in block
        for setting in info["options"]:
            assert f": {setting['origin']}</li>" in block
            assert setting["rule"] in block
    # A range that the documentation of the default gives already is not told twice.
    assert "<code>momentum</code> 0.98: 0 <= momentum < 1; 0.98 in the study" in blocks["sgd"]
    assert "<code>eps</code> 1e-15, <code>eps >= 1e-30</code>: " in blocks["adamw"]
    assert "<code>graft</code> on, " in blocks["shampoo"]


@pytest.mark.parametrize("parameter", form.SUGGESTED_RANGES)
def test_a_suggested_range_is_a_valid_one(client: TestClient, parameter: str) -> None:
    low, high = map(float, form.SUGGESTED_RANGES[parameter])
    axis = {"parameter": parameter, "low": low, "high": high, "points": 5}
    spec = SPEC | {"axis": axis, "optimizers": ["adamw"]}
    answer = client.post("/api/v1/sweeps/preview", json=spec)
    assert answer.status_code == 200, answer.text
    assert answer.json()["points"] == 5


@pytest.mark.parametrize("parameter", form.STUDIED_VALUES)
def test_values_suggested_for_a_second_axis_are_valid(client: TestClient, parameter: str) -> None:
    values = [float(text) for text in form.STUDIED_VALUES[parameter].split()]
    multiples = [float(text) for text in form.MULTIPLES.split()]
    spec = SPEC | {
        "axis": {"parameter": "lr", "multiples": multiples},
        "second_axis": {"parameter": parameter, "values": values},
        "optimizers": ["adamw"],
    }
    answer = client.post("/api/v1/sweeps/preview", json=spec)
    assert answer.status_code == 200, answer.text
    assert answer.json()["points"] == 5 * len(values)


def test_the_form_offers_options_that_are_numbers_as_axes(client: TestClient) -> None:
    page = client.get("/new").text
    assert 'name="o.soap.precondition_frequency"' in page
    assert '<option value="precondition_frequency"' in page
    assert 'name="o.torch.AdamW.amsgrad"' not in page


def test_a_hyperparameter_names_its_optimizers_where_these_are_few(client: TestClient) -> None:
    text = client.get("/new").text
    assert '<option value="weight_decay">weight_decay</option>' in text
    assert '<option value="beta3">beta3 (ademamix)</option>' in text


def test_only_hyperparameters_can_be_searched_over(client: TestClient) -> None:
    text = client.get("/new").text
    row = text[text.index('id="s.0.parameter"') :].partition("</select>")[0]
    offered = set(re.findall(r'<option value="(\w+)"', row))
    assert {"lr", "momentum", "eps", "rho"} <= offered
    assert not {"batch_size", "steps", "precondition_frequency"} & offered
