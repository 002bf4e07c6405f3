"""Curves of a sweep of two axes become maps, row by row, with the best of each row."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sweeper.analysis.curves import stability_curves
from sweeper.analysis.heatmap import HeatMap, heat_maps
from sweeper.analysis.stability import stability
from sweeper.trials import Variant, second_label
from tests.analysis.frames import NAN, Loss, one_seed, points, several

GRID = [1e-3, 1e-2, 1e-1]
SPEC: Mapping[str, Any] = {"second_axis": {"parameter": "momentum", "values": [0.5, 0.9]}}


def maps(rows: Mapping[tuple[str, float], Mapping[float, Sequence[Loss]]]) -> tuple[HeatMap, ...]:
    """Of losses by label and value of the second axis, then by value of the first."""
    labels = [second_label(label, "momentum", second) for label, second in rows]
    frames = [points(losses, label=x) for losses, x in zip(rows.values(), labels, strict=True)]
    variants = [
        Variant(
            label=label,
            optimizer="adamw",
            scale="nano",
            architecture="standard",
            overrides={"momentum": second},
        )
        for label, (_, second) in zip(labels, rows, strict=True)
    ]
    curves = stability_curves(several(frames))
    return heat_maps(SPEC, variants, curves, [stability(curve) for curve in curves])


def test_a_row_is_a_curve_and_the_ridge_its_optimum() -> None:
    (found,) = maps(
        {
            ("adamw", 0.5): one_seed(GRID, [2.5, 2.25, 2.5]),
            ("adamw", 0.9): one_seed(GRID, [2.4, 2.2, 2.1]),
        }
    )
    assert (found.label, found.parameter, found.second_parameter) == ("adamw", "lr", "momentum")
    assert (found.axis_scale, found.second_scale) == ("log", "one_minus_log")
    assert [row.second for row in found.rows] == [0.5, 0.9]
    assert [[cell.loss for cell in row.cells] for row in found.rows] == [
        [2.5, 2.25, 2.5],
        [2.4, 2.2, 2.1],
    ]
    bottom, edge = (row.ridge for row in found.rows)
    assert (bottom.interpolated, bottom.edge, bottom.reason) == (True, None, None)
    assert bottom.value == pytest.approx(1e-2)
    assert bottom.loss == pytest.approx(2.25)
    assert (edge.value, edge.loss, edge.interpolated, edge.edge) == (1e-1, 2.1, False, "high")
    assert edge.reason == "the best value is at the edge of the values tried"
    assert found.best is not None
    assert (found.best.value, found.best.second, found.best.loss) == (1e-1, 0.9, 2.1)


def test_divergence_beside_the_best_allows_no_interpolation() -> None:
    (found,) = maps({("adamw", 0.5): one_seed(GRID, [2.5, 2.25, NAN])})
    (row,) = found.rows
    assert (row.ridge.value, row.ridge.interpolated) == (1e-2, False)
    assert row.ridge.reason == "a seed diverged beside the best value"
    last = row.at(1e-1)
    assert last is not None
    assert (last.loss, last.diverged, last.seeds) == (None, 1, 1)
    assert row.at(5.0) is None


def test_a_row_without_a_finished_value_has_no_ridge_and_no_best() -> None:
    (found,) = maps({("adamw", 0.5): one_seed(GRID, [NAN, NAN, None])})
    ridge = found.rows[0].ridge
    assert (ridge.value, ridge.loss, ridge.interpolated) == (None, None, False)
    assert ridge.reason == "no value has all its seeds finished and finite"
    assert found.best is None


def test_every_optimizer_has_a_map_with_its_own_values() -> None:
    found = maps(
        {
            ("a", 0.5): one_seed(GRID, [3.0, 2.0, 3.0]),
            ("a", 0.9): one_seed([1e-2, 5e-2], [2.0, 3.0]),
            ("b", 0.5): one_seed([1.0], [2.0]),
        }
    )
    assert [(m.label, len(m.rows)) for m in found] == [("a", 2), ("b", 1)]
    assert [m.values for m in found] == [(1e-3, 1e-2, 5e-2, 1e-1), (1.0,)]


def test_a_sweep_of_one_axis_has_no_map() -> None:
    curves = stability_curves(points(one_seed(GRID, [3.0, 2.0, 3.0])))
    assert heat_maps({}, (), curves, [stability(curve) for curve in curves]) == ()
