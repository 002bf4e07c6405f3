import json

import pandas as pd

from sweeper import plots
from sweeper.plots.effective_lr import EffectiveLrOptions, effective_lr_info, figure

TABLE = {"mlp": [2.0] * 7, "last_layer": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None]}
METRICS = pd.DataFrame(
    [
        ("effective_lr", 10, None, json.dumps(TABLE)),
        ("effective_lr", 1, None, json.dumps(TABLE)),
        ("lr", 1, 0.1, None),
    ],
    columns=["key", "step", "value", "detail"],
)


def test_quantiles_by_role_and_step() -> None:
    mlp, last = effective_lr_info(METRICS)
    assert (mlp.role, mlp.steps, mlp.at(3)) == ("mlp", (1, 10), [2.0, 2.0])
    assert (last.at(0), last.at(6)) == ([1.0, 1.0], [None, None])


def test_a_line_per_role_and_bands_for_the_logits() -> None:
    options = EffectiveLrOptions(title="<x>", theme="dark")
    plain = json.loads(plots.to_json(figure(METRICS, options=options)))
    named = [trace["name"] for trace in plain["data"] if trace.get("name")]
    assert named == ["mlp", "last layer"]
    assert len(plain["data"]) == 6
    assert plain["layout"]["yaxis"]["type"] == "log"
    assert plain["layout"]["title"]["text"] == "&lt;x&gt;"


def test_more_roles_than_colours_are_told_apart_by_their_dashes() -> None:
    table = {f"role {i}": [1.0] * 7 for i in range(8)}
    metrics = METRICS.iloc[:1].assign(detail=json.dumps(table))
    lines = [trace.line for trace in figure(metrics).data]
    assert lines[0].color == lines[7].color
    assert len({(line.color, line.dash) for line in lines}) == 8


def test_an_optimizer_that_is_not_adaptive_has_a_note() -> None:
    (note,) = figure(METRICS.iloc[2:]).layout.annotations
    assert note.text.startswith("no effective learning rates")
