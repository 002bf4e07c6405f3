"""What a search may say; what it may not is one clear error at its place."""

import copy
from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.rules.check import check
from sweeper.spec import parse
from trainers.config import DataConfig

SEARCH: dict[str, Any] = {
    "name": "centre",
    "search": {
        "over": {"lr": {"low": 1e-4, "high": 1}, "momentum": {"low": 0, "high": 0.99}},
        "trials": 8,
    },
    "optimizers": ["adamw", "sgd"],
}
DATA = {"embedded": DataConfig(name="embedded", sha256="0" * 64, vocabulary=256)}


def problems(**changes: Any) -> dict[str, str]:
    """What is wrong with the search with some of its parts replaced, by place."""
    body = copy.deepcopy(SEARCH)
    over = changes.pop("over", {})
    body["search"]["over"] |= over
    body["search"] |= changes.pop("search", {})
    body |= changes
    try:
        check(parse(body), DATA)
    except InvalidRequest as error:
        return {problem.pointer: problem.message for problem in error.problems}
    return {}


def test_a_search_needs_no_axis() -> None:
    assert problems() == {}
    assert parse(SEARCH).axis.parameter == "candidate"


def test_what_one_optimizer_lacks_is_searched_for_the_others() -> None:
    assert problems(over={"beta2": {"low": 0.5, "high": 0.99}}) == {}


@pytest.mark.parametrize(
    ("changes", "place", "part"),
    [
        ({"over": {"momentum": {"low": 0.5, "high": 1}}}, "/search/over/momentum", "< 1"),
        ({"over": {"lr": {"low": 0, "high": 1}}}, "/search/over/lr", "> 0"),
        ({"over": {"lr": {"low": 3, "high": 1}}}, "/search/over/lr", "low < high"),
        ({"over": {"lr": {"low": 1}}}, "/search/over/lr/high", "is required"),
        ({"over": {"steps": {"low": 5, "high": 9}}}, "/search/over/steps", "these can: beta2"),
        ({"over": {"nix": {"low": 5, "high": 9}}}, "/search/over/nix", "these can: beta2"),
        ({"search": {"over": {}}}, "/search/over", "at least 1"),
        ({"search": {"trials": 0}}, "/search/trials", "greater than or equal to 1"),
        ({"search": {"sampler": "cma"}}, "/search/sampler", "'tpe' or 'gp'"),
        ({"search": {"budget": 3}}, "/search/budget", "known: over, trials, at_once"),
        ({"search": {"trials": 1000}, "seeds": [*range(20)]}, "", "at most 10000 points"),
        ({"base": {"lr": 1.0}}, "/base/lr", "lr"),
        ({"axis": {"parameter": "lr", "values": [1]}}, "", "a search has no axis"),
        ({"extend": {"budget": 3}}, "", "a search has no extend"),
        ({"optimizers": [{"name": "lion", "values": [0.1]}]}, "/optimizers/0/values", "an axis"),
        (
            {"search": {"over": {"beta2": {"low": 0.5, "high": 0.9}}}},
            "/optimizers/1",
            "sgd has none of: beta2",
        ),
    ],
)
def test_every_rule_names_its_place(changes: dict[str, Any], place: str, part: str) -> None:
    found = problems(**changes)
    where = [pointer for pointer in found if pointer.startswith(place)]
    assert where, found
    assert part in found[where[0]]
