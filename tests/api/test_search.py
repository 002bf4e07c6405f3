"""Searches over REST and on their page, and the sweeps through what they found."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.pages import words
from sweeper.storage.store import Store
from tests.api import played

SWEEPS = "/api/v1/sweeps"
SEARCH: dict[str, Any] = {
    "name": "centre",
    "search": {"over": {"lr": {"low": 1e-4, "high": 1e-1}}, "trials": 2},
    "optimizers": ["adamw"],
    "base": {"steps": 20},
}
THROUGH: dict[str, Any] = {
    "name": "through",
    "axis": {"parameter": "momentum", "values": [0.8, 0.9]},
    "optimizers": ["adamw"],
    "base": {"steps": 20},
}


@pytest.fixture
def search_id(client: TestClient) -> str:
    return str(client.post(SWEEPS, json=SEARCH).json()["id"])


def test_the_best_loss_has_as_many_digits_as_others(
    client: TestClient, store: Store, search_id: str
) -> None:
    played.finish_all(store)
    (found,) = client.get(f"{SWEEPS}/{search_id}/search").json()["items"]
    page = client.get(f"/sweeps/{search_id}").text
    assert f'<td class="r num">{found["best"]["loss"]:.4f}</td>' in page
    # Values as everywhere on the pages, and over a mark whose it is.
    assert f">lr {words.value(found['best']['values']['lr'])}</td>" in page
    *_, marks = client.get(f"{SWEEPS}/{search_id}/figure").json()["data"]
    assert marks["hovertemplate"].startswith("<b>adamw, nano</b><br>candidate ")


def test_what_is_stored_of_a_centred_sweep_can_be_submitted_again(
    client: TestClient, store: Store, search_id: str
) -> None:
    played.finish_all(store)
    first = client.post(SWEEPS, json=THROUGH | {"centre": search_id}).json()
    stored = client.get(f"{SWEEPS}/{first['id']}").json()["spec"]
    again = client.post(f"{SWEEPS}/preview", json=stored)
    assert again.status_code == 200, again.text
    assert again.json()["trials"] == {"total": 2, "new": 0, "shared": 2}


def test_the_page_offers_what_goes_for_searches(client: TestClient, search_id: str) -> None:
    page = client.get(f"/sweeps/{search_id}").text
    assert f'href="/new?from={search_id}"' in page
    assert "data-extend" not in page
    assert f'href="/new?through={search_id}"' in page


def test_numbers_of_candidates_are_no_places_on_an_axis(
    client: TestClient, store: Store, search_id: str
) -> None:
    played.finish_all(store)
    (row,) = client.get(f"{SWEEPS}/{search_id}/stability").json()["items"]
    numbers = row["stability"]
    assert (numbers["edge"], numbers["optimum_value"], numbers["basin_width"]) == (None,) * 3
    assert numbers["best_loss"] is not None
    assert numbers["basin_reason"] == "the candidates of a search have no order"
    assert row["estimates"] is None
    refused = client.get(f"/api/v1/compare?sweep={search_id}")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["pointer"], "is a search" in error["message"]) == ("query/sweep/0", True)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"optimizers": 5}, "/optimizers"),
        ({"optimizers": [5]}, "/optimizers/0"),
        ({"scales": 5}, "/scales"),
        ({"base": [{}]}, "/base"),
        ({"axis": "lr"}, "/axis"),
    ],
)
def test_a_bad_shape_is_told_before_the_centre_is_looked_for(
    client: TestClient, store: Store, search_id: str, changes: dict[str, Any], place: str
) -> None:
    played.finish_all(store)
    answer = client.post(f"{SWEEPS}/preview", json=THROUGH | {"centre": search_id} | changes)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]


def test_a_search_without_a_loss_is_no_centre_yet(client: TestClient, search_id: str) -> None:
    answer = client.post(SWEEPS, json=THROUGH | {"centre": search_id})
    (error,) = answer.json()["errors"]
    assert error == {"pointer": "/centre", "message": "has found nothing yet"}
