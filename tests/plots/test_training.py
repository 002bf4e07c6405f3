import json

import pandas as pd
import pytest

from sweeper import plots
from sweeper.plots.training import TrainingOptions, figure, training_info

METRICS = pd.DataFrame(
    [
        ("train_loss", 20, None, "nan"),
        ("train_loss", 10, 3.0, "finite"),
        ("validation_loss", 0, 5.5, "finite"),
        ("validation_loss", 20, 2.9, "finite"),
        ("lr", 10, 0.1, "finite"),
    ],
    columns=["key", "step", "value", "kind"],
)


def test_losses_by_step_with_gaps_where_they_were_not_finite() -> None:
    train, validation = training_info(METRICS)
    assert (train.name, train.steps, train.losses) == ("training loss", (10, 20), (3.0, None))
    assert (validation.steps, validation.losses) == ((0, 20), (5.5, 2.9))


def test_figure() -> None:
    plain = json.loads(plots.to_json(figure(METRICS, options=TrainingOptions(title="<x>"))))
    assert [trace["name"] for trace in plain["data"]] == ["training loss", "validation loss"]
    assert plain["data"][0]["y"] == [3.0, None]
    assert plain["layout"]["title"]["text"] == "&lt;x&gt;"


def test_a_run_that_blows_up_shows_where_it_begins() -> None:
    rows = [("train_loss", step, loss, "finite") for step, loss in [(1, 6.0), (2, 4.0), (3, 5e5)]]
    blown = pd.DataFrame([*rows, ("train_loss", 4, None, "nan")], columns=METRICS.columns)
    fig = figure(blown)
    assert fig.layout.yaxis.range == pytest.approx((4 - 0.25, 9))
    assert fig.layout.title.subtitle.text == (
        "drawn up to 1.5 times the first loss; the highest is 5e5; "
        "dotted line: the first loss that is not finite, at step 4"
    )
    assert [shape.x0 for shape in fig.layout.shapes] == [4]
    calm = figure(blown.iloc[:2])
    assert (calm.layout.yaxis.range, len(calm.layout.shapes)) == (None, 0)
    assert calm.layout.title.subtitle.text == ""


def test_no_metrics_yet() -> None:
    fig = figure(METRICS.iloc[:0])
    assert [note.text for note in fig.layout.annotations] == ["no metrics yet"]


def test_registry() -> None:
    of_sweeps = {"stability", "heatmap", "transfer", "search"}
    assert set(plots.FIGURES) == of_sweeps | {"training", "effective_lr"}
