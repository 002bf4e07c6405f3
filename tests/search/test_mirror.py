import io
import json
import sqlite3
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import pandas as pd
import pytest
from optuna.trial import TrialState

from sweeper.search import mirror
from tests.analysis.frames import NAN, points, several


@pytest.fixture
def frame() -> pd.DataFrame:
    adamw = points({1e-4: [4.0, 4.1], 1e-3: [3.0, None], 1e-2: [NAN, "failed"], 1e-1: ["running"]})
    sgd = points({0.0: [4.0], 1.0: [3.0]}, label="sgd")
    return several([adamw, sgd]).assign(last_finite_loss=5.0)


def test_one_study_per_variant(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    assert mirror.write(frame, path, name="lr at nano") == (
        "lr at nano / adamw",
        "lr at nano / sgd",
    )
    study = optuna.load_study(study_name="lr at nano / adamw", storage=f"sqlite:///{path}")
    assert study.best_value == 3.0
    assert study.best_params == {"lr": 1e-3}
    states = [trial.state for trial in study.trials]
    assert [states.count(s) for s in (TrialState.COMPLETE, TrialState.FAIL)] == [3, 2]
    assert [states.count(s) for s in (TrialState.WAITING, TrialState.RUNNING)] == [1, 1]
    (diverged,) = [trial for trial in study.trials if "diverged" in trial.user_attrs]
    assert diverged.state is TrialState.FAIL
    assert diverged.params == {"lr": 1e-2}
    assert diverged.user_attrs["seed"] == 0
    assert diverged.user_attrs["diverged_at_step"] == 17
    assert diverged.distributions["lr"] == optuna.distributions.FloatDistribution(
        1e-4, 1e-1, log=True
    )


def test_zero_on_a_log_axis(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    mirror.write(frame, path, name="s")
    study = optuna.load_study(study_name="s / sgd", storage=f"sqlite:///{path}")
    assert [trial.params["lr"] for trial in study.trials] == [0.0, 1.0]


def test_equal_labels_are_told_apart_by_scale(tmp_path: Path) -> None:
    both = several([points({1.0: [3.0]}, scale=scale) for scale in ("nano", "micro")])
    names = mirror.write(both.assign(last_finite_loss=NAN), tmp_path / "mirror.db", name="s")
    assert names == ("s / adamw / nano / standard", "s / adamw / micro / standard")


def test_the_dashboard_lists_the_studies(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    names = mirror.write(frame, path, name="s")
    app = optuna_dashboard.wsgi(f"sqlite:///{path}")
    answers: list[str] = []
    environ: dict[str, object] = {"PATH_INFO": "/api/studies", "wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    body = b"".join(app(environ, lambda status, headers, *_: answers.append(status)))
    assert answers == ["200 OK"]
    assert {study["study_name"] for study in json.loads(body)["study_summaries"]} == set(names)


def test_an_earlier_mirror_is_replaced(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    mirror.write(frame, path, name="one")
    mirror.write(frame, path, name="two")
    names = optuna.get_all_study_names(f"sqlite:///{path}")
    assert sorted(names) == ["two / adamw", "two / sgd"]
    assert [file.name for file in tmp_path.iterdir()] == ["mirror.db"]


def test_a_file_of_something_else_is_left_alone(frame: pd.DataFrame, tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("notes")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="is no mirror of a sweep"):
            mirror.write(frame, path, name="s")
        assert path.read_bytes() == before
