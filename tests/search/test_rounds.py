"""A search from its rows: what a sampler is told, and how far it has come."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.plain_yaml import load
from sweeper.errors import InvalidRequest
from sweeper.search.centre import centred
from sweeper.search.rounds import Searched, first_candidates, imagined_candidates, next_candidates
from sweeper.service import Service
from sweeper.spec import parse
from sweeper.storage.store import open_store
from tests.api import played

SEARCH: dict[str, Any] = {
    "name": "centre",
    "search": {"over": {"lr": {"low": 1e-4, "high": 1}}, "trials": 5, "at_once": 2},
    "optimizers": ["adamw", "lion"],
    "seeds": [0, 1],
    "base": {"steps": 10},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Searched, ...]:
    """After the first round."""
    home: Path = tmp_path_factory.mktemp("home")
    with open_store(f"sqlite:///{home}/sweeper.db") as store:
        service = Service(store, home)
        sweep_id = service.submit(SEARCH).sweep_id
        before = service.searched(sweep_id)
        assert all(each.best is None and len(each.candidates) == 2 for each in before)
        assert service.preview(SEARCH).points == 2 * 5 * 2
        played.finish_all(store)
        return service.searched(sweep_id)


def test_a_loss_is_the_mean_of_what_counts(found: tuple[Searched, ...]) -> None:
    assert [(each.optimizer, each.position) for each in found] == [("adamw", 0), ("lion", 1)]
    for each in found:
        losses = [candidate.loss for candidate in each.candidates]
        assert None not in losses
        assert each.best is not None
        assert each.best.loss == min(loss for loss in losses if loss is not None)


def test_rounds_go_on_to_the_last_candidate(found: tuple[Searched, ...]) -> None:
    spec = parse(SEARCH)
    assert [*first_candidates(spec)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [*next_candidates(spec, found[1])] == [(1, 2), (1, 3)]
    assert next_candidates(spec, found[1]) == next_candidates(spec, found[1])
    assert len(imagined_candidates(spec)) == 2 * 5
    assert first_candidates(spec)[0, 0] == dict(found[0].candidates[0].values)


def test_best_values_become_settings_where_nothing_else_is_said(
    found: tuple[Searched, ...],
) -> None:
    best = found[0].best
    assert best is not None
    body = {"optimizers": ["adamw", "sgd"], "axis": {"parameter": "eps", "values": [1e-8]}}
    through = centred(body, found)
    assert through["optimizers"] == [{"name": "adamw", **best.values}, {"name": "sgd"}]
    assert centred(through, found) == through
    swept = {**body, "axis": {"parameter": "lr", "values": [0.1]}}
    with pytest.raises(InvalidRequest, match="has nothing to add"):
        centred(swept, found)
    multiples = {**body, "axis": {"parameter": "lr", "multiples": [1, 10]}}
    assert centred(multiples, found)["optimizers"][0] == {"name": "adamw", **best.values}
    entry: dict[str, Any] = {"name": "adamw", "multiples": [1, 10]}
    assert centred({**swept, "optimizers": [entry]}, found)["optimizers"] == [
        {**entry, **best.values}
    ]
    with pytest.raises(InvalidRequest, match="has nothing to add"):
        centred({**multiples, "optimizers": [{"name": "adamw", "values": [0.1]}]}, found)
    searching = {"optimizers": ["adamw"], "search": {"over": {"lr": {"low": 0.1, "high": 1}}}}
    with pytest.raises(InvalidRequest, match="has nothing to add"):
        centred(searching, found)
    with pytest.raises(InvalidRequest, match=r"found nothing for .* it has for: adamw, lion"):
        centred({**body, "optimizers": ["sgd"]}, found)


def test_an_optimizer_that_was_searched_twice_has_the_centre_of_its_label(
    found: tuple[Searched, ...],
) -> None:
    adamw = found[0]
    assert adamw.best is not None
    (second,) = (c for c in adamw.candidates if c.values != adamw.best.values)
    other = dataclasses.replace(adamw, label="adamw, z_loss=0", candidates=(second,))
    entries: list[Any] = ["adamw", {"name": "adamw", "z_loss": 0}, {"name": "adamw", "eps": 1e-9}]
    body = {"optimizers": entries, "axis": {"parameter": "momentum", "values": [0.9]}}
    through = centred(body, [adamw, other])["optimizers"]
    first = adamw.best.values["lr"]
    assert [entry["lr"] for entry in through] == [first, second.values["lr"], first]


def test_the_documented_search_can_be_submitted(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    search, through = re.findall(r"^```(?:yaml|json)\n(.*?)^```$", document, re.M | re.S)
    with open_store(f"sqlite:///{tmp_path}/sweeper.db") as store:
        service = Service(store, tmp_path)
        assert service.preview(load(search)).points == 2 * 12
        submitted = service.submit(load(search)).sweep_id
        played.finish_all(store)
        assert service.preview(json.loads(through) | {"centre": submitted}).points == 2 * 5


def test_a_centre_must_be_a_search(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/sweeper.db") as store:
        service = Service(store, tmp_path)
        plain = {k: v for k, v in SEARCH.items() if k != "search"}
        plain["axis"] = {"parameter": "momentum", "values": [0.9]}
        other = service.submit(plain).sweep_id
        for centre, message in ((other, "is no search"), ("none", "there is no sweep")):
            with pytest.raises(InvalidRequest, match=message):
                service.submit(plain | {"centre": centre})
