"""What a heat map shows: cells, ridge, frame and crosses, none of them by colour alone."""

import json
import math
from typing import Any

import pytest

from sweeper import plots
from sweeper.plots.heatmap import HeatMapOptions, figure
from sweeper.plots.heatmap_info import HeatMapInfo, column, heat_map_info
from tests.analysis.frames import NAN, one_seed
from tests.analysis.test_heatmap import GRID, maps

ROWS = {
    ("a<b", 0.5): one_seed(GRID, [2.6, 2.25, 2.4]),
    ("a<b", 0.9): one_seed(GRID, [2.4, 2.24, NAN]),
    ("a<b", 0.99): one_seed(GRID, [2.4, NAN, None]),
}


def info() -> HeatMapInfo:
    (found,) = maps(ROWS)
    return heat_map_info(found)


def drawn(*heat_maps: Any, **options: Any) -> dict[str, Any]:
    fig = figure(heat_maps, options=HeatMapOptions(**options))
    answer = json.loads(plots.to_json(fig))
    assert isinstance(answer, dict)
    return answer


def test_cells_are_shaded_by_their_excess_over_the_best() -> None:
    found = info()
    assert (found.columns, found.rows) == (("1e-3", "0.01", "0.1"), ("0.5", "0.9", "0.99"))
    assert found.shades[1][0] == pytest.approx(math.log10(0.16))
    assert found.shades[1][1:] == (-2.0, None)
    # 0.01 above the best looks like the best
    assert found.shades[0][1] == pytest.approx(-2.0)
    assert found.losses[2] == ("2.40", "", "")
    assert found.trial_ids[0][0] == "t0-0.001-0"


def test_the_ridge_lies_between_columns_and_open_at_an_edge() -> None:
    found = info()
    first, second, third = found.ridge
    assert first is not None
    assert 1 < first.x < 1.5
    assert "interpolated" in first.text
    assert second is not None
    assert second.x == 1
    assert "of the grid: a seed diverged beside the best value" in second.text
    assert third is not None
    assert found.at_edge == (third,)
    assert found.best is not None
    assert (found.best.x, found.best.y) == (1, 1)


def test_diverged_cells_are_marked_and_every_name_is_escaped() -> None:
    found = info()
    assert [(mark.x, mark.y) for mark in found.diverged] == [(2, 1), (1, 2)]
    assert "1 of 1 diverged" in found.diverged[0].text
    assert "no loss" in found.diverged[0].text
    assert found.title == "a&lt;b, nano"
    assert "a<b" not in json.dumps(drawn(*maps(ROWS), title="<x>"))


def test_a_column_is_found_on_the_scale_of_the_axis() -> None:
    assert column((1e-3, 1e-2, 1e-1), "log", 3.1622776601683795e-2) == pytest.approx(1.5)
    assert column((0.0, 1e-2, 1e-1), "log", 0.0) == 0
    assert column((0.9, 0.99), "one_minus_log", 0.9683772233983162) == pytest.approx(0.5)
    assert column((1.0, 2.0), "linear", 1.25) == pytest.approx(0.25)


def test_maps_stand_side_by_side_and_share_one_colour_bar() -> None:
    one = one_seed(GRID, [2.6, 2.25, 2.4])
    answer = drawn(*maps({(label, 0.5): one for label in "abcd"}))
    cells = [trace for trace in answer["data"] if trace["type"] == "heatmap"]
    assert len(cells) == 4
    assert {trace["coloraxis"] for trace in cells} == {"coloraxis"}
    assert cells[0]["text"] == [["2.60", "2.25", "2.40"]]
    assert "yaxis4" in answer["layout"]
    assert answer["layout"]["coloraxis"]["colorbar"]["ticktext"][0] == "≤ 0.01"


def test_losses_above_the_initial_one_are_flagged_and_leave_the_colours_to_the_others() -> None:
    calm = drawn(*maps({("a", 0.5): one_seed(GRID, [2.6, 2.25, 3.0])}))
    wild = drawn(*maps({("a", 0.5): one_seed(GRID, [2.6, 2.25, 3.0]) | {1.0: [171.0]}}))
    colours = [answer["layout"]["coloraxis"]["cmax"] for answer in (calm, wild)]
    assert colours == [pytest.approx(math.log10(0.75))] * 2
    assert wild["data"][0]["text"][0][3] == "171.00 \N{UPWARDS ARROW}"
    subtitles = [answer["layout"]["title"]["subtitle"]["text"] for answer in (calm, wild)]
    assert ["arrows: above the initial loss" in text for text in subtitles] == [False, True]


def test_many_columns_have_no_numbers_in_them() -> None:
    values = [10.0**-i for i in range(12)]
    answer = drawn(*maps({("a", 0.5): one_seed(values, [2.0 + i for i in range(12)])}))
    assert "texttemplate" not in answer["data"][0]
    few = drawn(*maps({("a", 0.5): one_seed(values[:3], [2.0, 2.1, 2.2])}))
    # Below the middle of the cell, where the ridge is.
    assert few["data"][0]["texttemplate"].endswith("<br>%{text}")


def test_without_a_second_axis_the_figure_says_so() -> None:
    notes = [note["text"] for note in drawn()["layout"]["annotations"]]
    assert notes == ["no second axis, or no points yet"]
