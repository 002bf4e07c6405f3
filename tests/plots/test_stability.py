import json
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from sweeper import plots
from sweeper.analysis.curves import stability_curves
from sweeper.analysis.stability import stability
from sweeper.plots.stability import StabilityOptions, figure
from sweeper.plots.stability_info import Mark, StabilityInfo, stability_info
from tests.analysis.frames import NAN, Loss, one_seed, points, several

GRID = [1e-4, 1e-3, 1e-2, 1e-1]


def info_of(frame: pd.DataFrame) -> StabilityInfo:
    curves = stability_curves(frame)
    return stability_info(curves, [stability(curve) for curve in curves])


def figure_of(frame: pd.DataFrame, **options: Any) -> go.Figure:
    curves = stability_curves(frame)
    numbers = [stability(curve) for curve in curves]
    return figure(curves, numbers, options=StabilityOptions(**options))


def marks(info: StabilityInfo, line: int = 0) -> list[Mark]:
    return [mark for mark in info.lines[line].mean if mark is not None]


def test_diverged_points_have_a_band_of_their_own_that_does_not_stretch_the_axis() -> None:
    calm: list[Loss] = [3.0, 2.5, 2.8]
    info = info_of(points(one_seed(GRID, [*calm, NAN])))
    without = info_of(points(one_seed(GRID[:3], calm)))
    assert (info.y.low, info.y.high) == (without.y.low, without.y.high)
    (diverged,) = info.lines[0].diverged
    assert info.y.high < diverged.y < info.y.top
    assert diverged.x == 1e-1
    assert "1 of 1 diverged<br>at step 17" in diverged.text
    assert info.lines[0].mean[3] is None
    assert [pair[1] for pair in info.lines[0].to_diverged] == [diverged]
    assert without.y.top == without.y.high


def test_every_label_has_its_row_in_the_band() -> None:
    frames = [points(one_seed(GRID, [3.0, 2.5, NAN, NAN]), label=label) for label in ("a", "b")]
    info = info_of(several(frames))
    heights = {mark.y for line in info.lines for mark in line.diverged}
    assert len(heights) == 2
    assert all(info.y.high < height < info.y.top for height in heights)


def test_a_value_with_some_diverged_seeds_shows_both() -> None:
    info = info_of(points({1e-3: [2.5, 2.7], 1e-2: [3.0, NAN]}))
    assert [mark.y for mark in marks(info)] == pytest.approx([2.6, 3.0])
    assert "1 of 2 seeds finite" in marks(info)[1].text
    (diverged,) = info.lines[0].diverged
    assert "1 of 2 diverged" in diverged.text
    assert diverged.trial_id == "t0-0.01-1"
    assert info.lines[0].to_diverged == ()


def test_a_loss_above_the_initial_one_is_drawn_at_the_top_of_the_losses_and_flagged() -> None:
    info = info_of(points(one_seed(GRID, [3.0, 2.5, 2.8, 50.0]), initial_loss=10.0))
    last = marks(info)[-1]
    assert last.y == info.y.high < 4.2
    assert last.clipped
    assert "above the initial loss" in last.text
    assert "loss 50.0000 nats" in last.text
    assert info.lines[0].diverged == ()
    assert (
        "arrows: above the initial loss"
        in figure_of(
            points(one_seed(GRID, [3.0, 2.5, 2.8, 50.0]), initial_loss=10.0)
        ).layout.title.subtitle.text
    )


def test_marks_name_the_trial_that_a_click_opens() -> None:
    info = info_of(points({1e-3: [2.5], 1e-2: [3.0, 3.1]}))
    one, several_seeds = marks(info)
    assert one.trial_id == "t0-0.001-0"
    assert several_seeds.trial_id == ""
    assert [dot.trial_id for dot in info.lines[0].dots] == ["t0-0.01-0", "t0-0.01-1"]


def test_unfinished_values_are_gaps_and_are_counted() -> None:
    frame = points({1e-3: [2.5, 2.5], 1e-2: [None, "running"], 1e-1: [3.0, None]})
    info = info_of(frame)
    assert [mark is None for mark in info.lines[0].mean] == [False, True, False]
    assert (info.finished, info.total) == (3, 6)
    assert "1 of 2 not finished yet" in marks(info)[-1].text
    assert "3 of 6 points finished" in figure_of(frame).layout.title.subtitle.text


def test_nothing_finished() -> None:
    info = info_of(points({1e-3: [None]}))
    assert info.lines[0].best is None
    assert info.y.low < info.y.high
    assert marks(info) == []


def test_equal_losses_have_an_axis_with_room() -> None:
    info = info_of(points(one_seed(GRID, [3.0, 3.0, 3.0, 3.0])))
    assert (info.y.low, info.y.high) == pytest.approx((2.9, 3.1))


def test_a_parameter_without_effect_is_a_plain_line() -> None:
    info = info_of(points(one_seed(GRID, [3.0, 3.0, 3.0, 3.0])).assign(trial_id="shared"))
    assert len(marks(info)) == 4
    assert info.lines[0].best is None
    assert info.lines[0].basin == ()
    fig = figure_of(points(one_seed(GRID, [3.0] * 4), parameter="eps").assign(trial_id="shared"))
    assert {trace.mode for trace in fig.data} == {"lines"}
    assert "lines without marks: not affected by epsilon" in fig.layout.title.subtitle.text


def test_several_diverged_seeds_are_one_mark() -> None:
    (diverged,) = info_of(points({1e-2: [3.0, NAN, NAN]})).lines[0].diverged
    assert "2 of 3 diverged<br>at step 17, 17" in diverged.text
    assert diverged.trial_id == ""


def test_an_interval_around_several_seeds() -> None:
    info = info_of(points({1e-3: [2.5, 2.6], 1e-2: [3.0, 3.1], 1e-1: [3.0, NAN]}))
    (run,) = info.lines[0].interval
    assert [x for x, _, _ in run] == [1e-3, 1e-2]
    assert all(info.y.low <= low < high <= info.y.high for _, low, high in run)


def test_basin_runs_from_edge_to_edge() -> None:
    info = info_of(points(one_seed(GRID, [4.0, 3.0, 3.1, 4.0])))
    basin = info.lines[0].basin
    assert [y for _, y in basin] == pytest.approx([3.05, 3.0, 3.05])
    assert basin[2][0] == pytest.approx(10**-2.5)


def test_a_facet_per_scale_and_one_legend_entry_per_label() -> None:
    frames = [
        points(one_seed(GRID, [3.0, 2.5, 2.8, 3.0]), label=label, scale=scale)
        for scale in ("nano", "micro")
        for label in ("adamw", "sgd")
    ]
    fig = figure_of(several(frames))
    assert [text.text for text in fig.layout.annotations] == ["nano", "micro"]
    shown = [trace.name for trace in fig.data if trace.showlegend]
    assert shown == ["adamw", "sgd"]
    lines = [trace for trace in fig.data if trace.mode == "lines+markers"]
    assert len(lines) == 4
    assert lines[0].line.color == lines[2].line.color != lines[1].line.color
    assert fig.layout.xaxis.type == fig.layout.xaxis2.type == "log"


def test_architectures_are_facets_of_their_own() -> None:
    frame = several([points({1e-3: [3.0]}), points({1e-3: [3.0]})])
    frame["architecture"] = ["standard", "plain"]
    assert info_of(frame).facets == ("nano, standard", "nano, plain")


def test_an_optimizer_looks_the_same_in_every_architecture() -> None:
    frames = [
        points({1e-3: [3.0]}, label=label).assign(architecture=label.split(", ")[1])
        for label in ("adamw, standard, z_loss=0", "adamw, plain, z_loss=0", "sgd, plain")
    ]
    fig = figure_of(several(frames))
    assert [t.name for t in fig.data if t.showlegend] == ["adamw, z_loss=0", "sgd"]
    # What does not come from an expansion may be called anything.
    others = several([*frames, points({1e-3: [3.0]}, label="adamw, z_loss=0")])
    assert len({line.style for line in info_of(others).lines}) == 4


def test_an_architecture_that_is_not_the_usual_one_is_told() -> None:
    assert info_of(points({1e-3: [3.0]}).assign(architecture="plain")).facets == ("nano, plain",)
    assert info_of(points({1e-3: [3.0]}).assign(architecture="")).facets == ("nano",)


@pytest.mark.parametrize(("facets", "in_a_row"), [(1, 1), (3, 3), (4, 2), (5, 3)])
def test_facets_fill_their_rows(facets: int, in_a_row: int) -> None:
    frames = [points({1e-3: [3.0]}, scale=f"s{i}") for i in range(facets)]
    layout = figure_of(several(frames)).layout
    starts = {layout[axis].domain[0] for axis in layout if axis.startswith("xaxis")}
    assert len(starts) == in_a_row


def test_an_axis_does_not_shrink_to_noise_where_a_curve_rises_above_the_initial_loss() -> None:
    info = info_of(points(one_seed(GRID, [2.5, 2.5001, 2.5, 17.0]), initial_loss=12.5))
    assert info.y.high == pytest.approx(4.5, abs=0.1)
    assert marks(info)[3].clipped
    assert info.y.arrows == "above the initial loss"
    assert info_of(points(one_seed(GRID[:3], [2.5, 2.5001, 2.5]))).y.high < 2.501


def test_results_without_an_initial_loss_are_drawn_as_far_as_most_of_them_go() -> None:
    values = [*GRID, 1.0, 10.0]
    frame = points(one_seed(values, [3.6, 3.5, 3.4, 3.7, 7.8, 34467.0]), initial_loss=None)
    info = info_of(frame)
    assert 3.7 < info.y.high < 7.8
    assert [mark.clipped for mark in marks(info)] == [False] * 4 + [True] * 2
    assert "arrows: higher than drawn" in figure_of(frame).layout.title.subtitle.text
    # Where there is no range of most of them, nothing is left out.
    alike = points(one_seed(GRID, [3.0, 3.0, 3.0, 9.0]), initial_loss=None)
    assert info_of(alike).y.high > 9


def test_switches_take_traces_away() -> None:
    frame = points({1e-3: [2.5, 2.6], 1e-2: [3.0, 3.1], 1e-1: [NAN, NAN]})
    everything = figure_of(frame)
    bare = figure_of(frame, seeds=False, intervals=False, diverged=False, basins=False)
    # band of the interval, basin, line to the diverged value, mean, dots, ring, crosses
    assert len(everything.data) == 7
    assert len(bare.data) == 2
    assert bare.layout.yaxis.range[1] < everything.layout.yaxis.range[1]


def test_zero_on_a_log_axis_has_a_break() -> None:
    frame = points(one_seed([0.0, *GRID], [3.0, 2.9, 2.8, 2.9, 3.0]), parameter="weight_decay")
    fig = figure_of(frame)
    assert fig.layout.xaxis.ticktext[0] == "0"
    assert [shape.type for shape in fig.layout.shapes] == ["line"]


def test_json_is_plain_svg_traces_with_lists() -> None:
    fig = figure_of(points({1e-3: [2.5, 2.6], 1e-2: [3.0, 3.1], 1e-1: [NAN, NAN]}))
    text = plots.to_json(fig)
    assert "bdata" not in text
    plain = json.loads(text)
    assert {trace["type"] for trace in plain["data"]} == {"scatter"}
    mean = next(trace for trace in plain["data"] if trace["mode"] == "lines+markers")
    assert mean["x"] == [1e-3, 1e-2, None]
    assert mean["customdata"][2] is None


def test_every_label_is_text_and_not_markup() -> None:
    hostile = '<a href="javascript:x">&'
    frame = points({1e-3: [2.5, NAN], 1e-2: [3.0, 3.1]}, label=hostile, scale=hostile)
    text = plots.to_json(figure_of(frame, title=hostile))
    assert "<a" not in text
    assert "\\u003ca" not in text
    assert "&lt;a href" in text


def test_without_curves_the_figure_says_so() -> None:
    fig = figure_of(points({1e-3: [3.0]}).iloc[:0], title="t")
    assert [note.text for note in fig.layout.annotations] == ["no points yet"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_html_is_a_page_of_its_own(theme: str) -> None:
    page = plots.html(figure_of(points({1e-3: [3.0]}), theme=theme), "<title>")
    assert page.startswith("<!doctype html>")
    assert "<title>&lt;title&gt;</title>" in page
    assert "<script src" not in page
    assert {"light": "#ffffff", "dark": "#14171c"}[theme] in page
