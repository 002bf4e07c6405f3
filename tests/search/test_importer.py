"""Optuna studies as results: our own mirror comes back, others become curves of one axis."""

import sqlite3
from pathlib import Path

import optuna
import pytest

from sweeper.errors import InvalidRequest
from sweeper.imports.form import parse
from sweeper.imports.found import Found
from sweeper.imports.plan import Imported, plan
from sweeper.search import importer, mirror
from tests.imports.test_table import FRAME


def planned(found: Found) -> Imported:
    body = {"name": "x", "imported_from": found.source, "axis": {"parameter": found.parameter}}
    return plan(parse(body | {"rows": list(found.rows)}))


def test_a_mirror_comes_back_as_it_was(tmp_path: Path) -> None:
    mirror.write(FRAME, tmp_path / "studies.db", name="mine")
    found = importer.read(f"sqlite:///{tmp_path}/studies.db", [], None)
    assert (found.parameter, found.source, found.left_out) == ("lr", "Optuna studies.db", ())
    assert [v.label for v in planned(found).variants] == ["adamw", "-x"]
    for row, was in zip(found.rows, FRAME.to_dict("records"), strict=True):
        for key in ("label", "optimizer", "scale", "architecture", "value", "seed", "outcome"):
            assert row[key] == was[key], key
        assert row["id"] == was["trial_id"]
    assert [row.get("final_loss") for row in found.rows] == [2.5, None, 1 / 3]
    assert found.rows[1]["diverged_at_step"] == 17


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A study of two parameters: three complete trials, one pruned, one that failed."""
    url = f"sqlite:///{tmp_path}/theirs.db"
    study = optuna.create_study(study_name="theirs", storage=url)
    for lr, warmup, state in (
        (0.01, 100, optuna.trial.TrialState.COMPLETE),
        (0.1, 100, optuna.trial.TrialState.COMPLETE),
        (0.01, 200, optuna.trial.TrialState.COMPLETE),
        (0.01, 100, optuna.trial.TrialState.PRUNED),
        (0.01, 100, optuna.trial.TrialState.FAIL),
    ):
        study.add_trial(
            optuna.create_trial(
                state=state,
                value=3 * lr + warmup if state is optuna.trial.TrialState.COMPLETE else None,
                params={"lr": lr, "warmup": warmup},
                distributions={
                    "lr": optuna.distributions.FloatDistribution(1e-3, 1, log=True),
                    "warmup": optuna.distributions.IntDistribution(1, 1000),
                },
            )
        )
    return url


def test_other_parameters_tell_curves_apart(storage: str) -> None:
    found = importer.read(storage, ["theirs"], "lr")
    labels = ["theirs, warmup=100", "theirs, warmup=200"]
    assert [variant.label for variant in planned(found).variants] == labels
    assert [(row["value"], row["seed"]) for row in found.rows] == [(0.01, 0), (0.1, 0), (0.01, 0)]
    assert found.rows[0]["config"] == {"hyperparameters": {"lr": 0.01, "warmup": 100}}
    assert found.left_out == ("2 trials without a result",)


@pytest.mark.parametrize(
    ("studies", "parameter", "message"),
    [
        ([], None, "--parameter must name one of the parameters: lr, warmup"),
        ([], "beta", "no 'beta' among the parameters: lr, warmup"),
        (["ours"], "lr", "there is no study 'ours'; known: theirs"),
    ],
)
def test_what_is_not_there_is_told(
    studies: list[str], parameter: str | None, message: str, storage: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        importer.read(storage, studies, parameter)
    assert message in str(caught.value)


def test_a_study_that_maximises_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/up.db"
    study = optuna.create_study(study_name="up", storage=url, direction="maximize")
    study.add_trial(
        optuna.create_trial(
            value=1.0,
            params={"lr": 0.1},
            distributions={"lr": optuna.distributions.FloatDistribution(0, 1)},
        )
    )
    with pytest.raises(InvalidRequest, match=r"'up'.*minimised"):
        importer.read(url, [], None)


def test_another_database_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = other.read_bytes()
    for url in (f"sqlite:///{other}", f"sqlite:///{tmp_path}/none.db", "nonsense://x"):
        with pytest.raises(InvalidRequest):
            importer.read(url, [], None)
    assert other.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]
