"""The section of a sweep's page that compares its variants."""

import dataclasses
import html
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.pages.cells import Fold
from api.pages.comparison import ComparisonSection, comparison_section
from sweeper.analysis.compare import Comparison
from sweeper.storage.store import Store
from tests.analysis.frames import NAN
from tests.analysis.test_compare import compared, entrant, losses, run
from tests.api import played
from tests.api.test_compare import submitted


def section(found: Comparison) -> tuple[ComparisonSection, dict[str, Fold]]:
    made = comparison_section(found)
    return made, {fold.id: fold for fold in made.folds}


def texts(rows: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in rows]


def shown(client: TestClient, sweep_id: str) -> str:
    text = client.get(f"/sweeps/{sweep_id}").text
    found = re.search(r'<section aria-labelledby="comparison-title".*?</section>', text, re.DOTALL)
    assert found is not None
    return html.unescape(found[0])


def test_verdicts_wait_for_the_end(client: TestClient, store: Store) -> None:
    sweep_id = submitted(client)
    assert "Drawn up when all points are finished" in shown(client, sweep_id)
    assert "<table>" not in shown(client, sweep_id)
    played.finish_all(store)
    text = shown(client, sweep_id)
    assert "lowest held-out loss" in text
    assert "equivalent: the difference is within 0.01 nats" in text
    for fold in ("All pairs", "Equal compute", "Shape"):
        assert f"<h3>{fold}</h3>" in text
    assert "Over model sizes" not in text


def test_numbers_are_those_of_the_answer(client: TestClient, store: Store) -> None:
    sweep_id = submitted(client)
    played.finish_all(store)
    text = shown(client, sweep_id)
    answer = client.get("/api/v1/compare", params={"sweep": sweep_id}).json()
    for variant in answer["variants"]:
        held_out = variant["estimates"]["heldout_loss"]
        for name in ("value", "low", "high"):
            assert f"{held_out[name]:.4f}" in text
    for pair in answer["pairs"]:
        assert pair["over_window"]["verdict"]["sentence"] in text


def test_a_tolerance_moves_a_basin(client: TestClient, store: Store) -> None:
    sweep_id = submitted(client)
    played.finish_all(store)
    assert "within 0.07 nats" in client.get(f"/sweeps/{sweep_id}?tolerance=0.07").text


def test_each_variant_is_told_against_the_best_of_its_scale() -> None:
    made, folds = section(
        compared(
            entrant("a", losses(-2)),
            entrant("b", losses(-2, 3.2, seed=1)),
            entrant("c", losses(-2, 2.8, seed=2)),
        )
    )
    assert made.summary is not None
    sentences = [row[-1].text for row in made.summary.rows]
    assert sentences[0].startswith("worse by 0.19")
    assert sentences[1].startswith("worse by 0.4")
    assert sentences[2] == "lowest held-out loss"
    assert len(folds["pairs"].tables[0].rows) == 3


def test_the_verdict_on_a_pair_is_turned_for_the_second_one() -> None:
    made, _ = section(compared(entrant("a", losses(-2)), entrant("b", losses(-2, 3.2, seed=1))))
    assert made.summary is not None
    assert made.summary.rows[1][-1].text.startswith("worse by 0.2")


def test_one_seed_says_what_is_missing() -> None:
    made, _ = section(
        compared(entrant("a", losses(-2, seeds=1)), entrant("b", losses(-3, seeds=1)))
    )
    assert made.summary is not None
    assert {row[-1].text for row in made.summary.rows} == {"one seed: no verdict"}
    assert "no spread" in made.notes[-1]
    assert "one seed" in made.summary.rows[0][2].reason


def test_one_variant_has_no_pairs() -> None:
    made, folds = section(compared(entrant("a", losses(-2))))
    assert "pairs" not in folds
    assert made.summary is not None
    assert made.summary.rows[0][-1].text == "lowest held-out loss"


def test_what_is_open_or_unstable_is_told() -> None:
    risky = {1e-4: [3.0, 3.001], 1e-3: [3.0, 3.0], 1e-2: [3.1, 3.1], 1e-1: [NAN, NAN]}
    _, folds = section(compared(entrant("a", risky)))
    (row,) = folds["shapes"].tables[0].rows
    assert row[2].text.startswith("\N{GREATER-THAN OR EQUAL TO} ")
    assert (row[-1].text, row[-1].beside) == ("0.01", "unstable by 0.1")
    assert "known to be unstable" in row[-2].reason


def test_many_pairs_are_cut_and_counted() -> None:
    found = compared(entrant("a", losses(-2)), entrant("b", losses(-2)))
    many = dataclasses.replace(found, pairs=found.pairs * 201)
    _, folds = section(many)
    assert folds["pairs"].hint == "first 200 of 201"
    assert len(folds["pairs"].tables[0].rows) == 200


def test_sizes_and_tokens_have_their_tables() -> None:
    sizes = {"s": 10**6, "m": 10**7, "l": 10**8}
    entrants = [
        entrant("a", losses(-2 - i / 5), run(parameters=size), name=f"a {scale}", scale=scale)
        for i, (scale, size) in enumerate(sizes.items())
    ]
    _, folds = section(compared(*entrants, larger={10**8: ("xl", 10**9)}))
    fits, paid = (texts(table.rows) for table in folds["sizes"].tables)
    assert fits[0][1] == "\N{MINUS SIGN}0.20"
    assert fits[0][3] == "xl"
    assert [row[1:3] for row in paid] == [["s", "m"], ["s", "l"], ["m", "l"]]
    assert folds["compute"].hint == "against the first curve of each scale"
    lengths = [
        entrant("adamw", losses(-2, 3 + 0.5 * n**-0.5), run(tokens=float(n)), name=f"{n}")
        for n in (1, 2, 4)
    ]
    _, folds = section(compared(*lengths))
    assert len(folds["compute"].tables) == 2
    _, folds = section(compared(*entrants[:2]))
    assert "a fit needs 3" in folds["sizes"].tables[0].rows[0][2].reason


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_ids_and_headings_are_in_order(client: TestClient, store: Store, seeds: list[int]) -> None:
    sweep_id = submitted(client, seeds=seeds, scales=["nano", "micro"])
    played.finish_all(store)
    text = client.get(f"/sweeps/{sweep_id}").text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {"pairs", "compute", "shapes", "sizes", "transfer"} <= set(ids)
