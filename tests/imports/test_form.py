"""The neutral form: what it takes, and where it says what is wrong."""

from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.imports.form import parse
from sweeper.imports.plan import plan
from tests.imports.rows import body

NAN = float("nan")


def problems(given: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        plan(parse(given))
    return {problem.pointer: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("row", "place", "message"),
    [
        ({"final_loss": "3.5"}, "/final_loss", "a finite number is needed, but got '3.5'"),
        ({"value": True}, "/value", "a finite number is needed, but got True"),
        ({"value": None}, "/value", "but got nothing"),
        ({"value": 1e101}, "/value", "`|number| <= 1e+100` must hold, but got 1e+101"),
        (
            {"final_loss": -1e308},
            "/final_loss",
            "must hold, but got -1e+308",
        ),
        ({"seed": 0.5}, "/seed", "a whole number is needed, but got 0.5"),
        ({"seed": -1}, "/seed", "greater than or equal to 0"),
        ({"id": None}, "/id", "a text is needed, but got nothing"),
        ({"id": 7}, "/id", "a text is needed, but got 7"),
        ({"outcome": "crashed"}, "/outcome", "'finite' or 'diverged', but got 'crashed'"),
        ({"outcome": "diverged"}, "", "a diverged one has none"),
        ({"final_loss": None}, "", "a finite row has a `final_loss`"),
        ({"config": {"hyperparameters": {"lr": "high"}}}, "/config/hyperparameters/lr", "'high'"),
        ({"config": {"steps": "many"}}, "/config/steps", "a whole number is needed"),
        ({"config": {"x": [{"a\0": 1}]}}, "", "`config` has a text with the character NUL"),
        ({"provenance": {"host": "\0"}}, "", "`provenance` has a text with the character NUL"),
        ({"loss": 3.0}, "/loss", "unknown key 'loss'"),
        ({"value": -0.1}, "/value", "value >= 0 must hold on a log axis"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(row: dict[str, Any], place: str, message: str) -> None:
    found = problems(body({}, {"seed": 1} | row))
    assert list(found) == [f"/rows/1{place}"]
    assert message in found[f"/rows/1{place}"]


def test_a_missing_key_is_told() -> None:
    given = body({})
    del given["rows"][0]["outcome"]
    assert problems(given) == {"/rows/0/outcome": "is required"}


def test_one_minus_log_ends_below_one() -> None:
    found = problems(body({"value": 1.0}, axis={"parameter": "momentum"}))
    assert found == {
        "/rows/0/value": "value < 1 must hold on a one_minus_log axis, but got value=1"
    }


def test_a_point_is_there_once() -> None:
    found = problems(body({}, {"seed": 1}, {}))
    assert "with seed 0 is there already, as row 0" in found["/rows/2"]


def test_rows_of_one_run_agree() -> None:
    one, other = {"id": "a"}, {"id": "a", "value": 0.016, "final_loss": 3.6}
    assert "another final_loss in row 0" in problems(body(one, other))["/rows/1/id"]


def test_rows_of_one_run_share_its_trial() -> None:
    rows = [{"id": "a", "value": value} for value in (0.0, 0.008, 0.016)]
    planned = plan(parse(body(*rows, {"seed": 1}, {"seed": 2})))
    assert [point.trial for point in planned.points] == [0, 0, 0, 1, 2]
    assert len(planned.trials) == 3
    assert planned.trials[0].provenance == {"imported_from": "a file", "source_id": "a"}


def test_variants_come_in_the_order_of_their_first_rows() -> None:
    planned = plan(parse(body({"label": "b"}, {"label": "a"}, {"label": "b", "seed": 1})))
    assert [variant.label for variant in planned.variants] == ["b", "a"]
    assert [point.variant for point in planned.points] == [0, 1, 0]
