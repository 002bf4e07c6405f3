import math
from typing import Any

import pytest

from sweeper import plots
from sweeper.analysis.compare import Comparison
from sweeper.plots.transfer import TransferOptions, figure, transfer_info
from tests.analysis.test_compare import compared, entrant, losses, run

SIZES = {"s": 10**6, "m": 10**7, "l": 10**8}


def over_sizes(label: str = "adamw", *, scales: int = 3, **options: Any) -> Comparison:
    """Best values that fall by a fifth of a decade from scale to scale."""
    entrants = [
        entrant(label, losses(-2 - i / 5), run(parameters=size), name=scale, scale=scale)
        for i, (scale, size) in enumerate(list(SIZES.items())[:scales])
    ]
    return compared(*entrants, **options)


def test_marks_the_fit_and_the_prediction() -> None:
    (line,) = transfer_info(over_sizes(larger={10**8: ("xl", 10**9)}))
    assert [dot.size for dot in line.dots] == list(SIZES.values())
    assert all(d.low is not None and d.low < d.value for d in line.dots)
    assert [size for size, _ in line.fit] == [*SIZES.values(), 10**9]
    assert line.prediction is not None
    assert line.prediction.value == pytest.approx(line.fit[-1][1])
    assert math.log10(line.prediction.value) == pytest.approx(-2.6, abs=0.1)
    assert line.prediction.text.startswith("predicted: <b>adamw</b>, xl")


def test_two_scales_are_marks_without_a_line() -> None:
    (line,) = transfer_info(over_sizes(scales=2))
    assert (len(line.dots), line.fit, line.prediction) == (2, (), None)
    assert len(figure(over_sizes(scales=2)).data) == 1


def test_a_best_value_at_an_edge_is_drawn_apart() -> None:
    edge = entrant("adamw", {1e-3: [3.0, 3.0], 1e-2: [3.1, 3.1]}, run(parameters=10**9), scale="xl")
    inside = entrant("adamw", losses(-2), run(parameters=10**6), name="s", scale="s")
    (line,) = transfer_info(compared(inside, edge))
    assert [dot.size for dot in line.outside] == [10**9]
    assert "not fitted: the best value is at the edge" in line.outside[0].text
    drawn = figure(compared(inside, edge))
    assert [trace.marker.symbol for trace in drawn.data] == ["circle", "x-thin-open"]


def test_intervals_are_bars_and_labels_are_text() -> None:
    drawn = figure(over_sizes("<b>&", larger={10**8: ("xl", 10**9)}), options=TransferOptions())
    text = plots.to_json(drawn)
    assert "&lt;b&gt;&amp;" in text
    assert [trace.mode for trace in drawn.data] == ["lines", "markers", "markers"]
    bars = drawn.data[1].error_y
    assert all(up > 0 and down > 0 for up, down in zip(bars.array, bars.arrayminus, strict=True))
    assert list(drawn.layout.yaxis.ticktext) == ["5e-3", "0.01"]
    assert drawn.layout.xaxis.type == drawn.layout.yaxis.type == "log"


def test_betas_and_linear_axes_have_ticks_of_their_own() -> None:
    for axis_scale, values, expected in (
        ("one_minus_log", [0.5, 0.9, 0.99], "0.9"),
        ("linear", [0.1, 0.2, 0.3], "0.2"),
    ):
        entrants = [
            entrant(
                "a",
                {v: [3 + abs(v - values[i])] * 2 for v in values},
                run(parameters=size),
                name=scale,
                scale=scale,
                axis_scale=axis_scale,
                parameter="beta2",
            )
            for i, (scale, size) in enumerate(SIZES.items())
        ]
        drawn = figure(compared(*entrants))
        assert expected in drawn.layout.yaxis.ticktext
        assert drawn.layout.yaxis.title.text == "best beta2"


def test_best_values_that_hardly_differ_have_ticks_all_the_same() -> None:
    entrants = [
        entrant("a", losses(-2), run(parameters=size), name=scale, scale=scale)
        for scale, size in SIZES.items()
    ]
    assert len(figure(compared(*entrants)).layout.yaxis.tickvals) >= 1


def test_sizes_are_written_with_their_unit() -> None:
    def ticks(*sizes: int) -> tuple[str, ...]:
        entrants = [
            entrant("a", losses(-2), run(parameters=size), name=f"s{size}", scale=f"s{size}")
            for size in sizes
        ]
        drawn: tuple[str, ...] = figure(compared(*entrants)).layout.xaxis.ticktext
        return drawn

    assert ticks(98_000, 786_000) == ("10k", "20k", "50k", "100k", "200k", "500k", "1M", "2M", "5M")
    assert ticks(10**6, 2 * 10**9) == ("1M", "10M", "100M", "1B", "10B")


def test_without_two_scales_the_figure_says_so() -> None:
    drawn = figure(compared(entrant("a", losses(-2), run())))
    assert [note.text for note in drawn.layout.annotations] == [
        "no label has a best value at two scales"
    ]
