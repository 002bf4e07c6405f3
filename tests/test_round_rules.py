"""What a sweep may say of bracketing and refinement; what it may not is one clear error."""

from typing import Any

import pytest

from sweeper.rules.rounds import most_points
from sweeper.spec import parse
from tests.sweeps import body, lr, problems

NEEDS = "needs a budget, the most values that it may add to each curve, such as "


@pytest.mark.parametrize(
    ("changes", "place", "part"),
    [
        ({"extend": "auto"}, "/extend", NEEDS + "{\"budget\": 6}, but got 'auto'"),
        ({"extend": True}, "/extend", NEEDS),
        ({"extend": {}}, "/extend", NEEDS),
        ({"extend": {"mode": "auto"}}, "/extend", "but got {'mode': 'auto'}"),
        ({"extend": {"budget": 0}}, "/extend/budget", "greater than or equal to 1, but got 0"),
        ({"extend": {"budget": 1.5}}, "/extend/budget", "but got 1.5"),
        ({"extend": {"budget": 3, "mode": "both"}}, "/extend/mode", "must be one of 'auto'"),
        ({"extend": {"budget": 3, "side": "low"}}, "/extend/side", "known: mode, budget"),
        ({"refine": {"tolerance": 0.1}}, "/refine", NEEDS),
        ({"refine": {"budget": 3, "tolerance": 0}}, "/refine/tolerance", "greater than 0"),
        ({"refine": {"budget": 3, "depth": 11}}, "/refine/depth", "less than or equal to 10"),
        ({"axis": lr(0.1), "extend": {"budget": 3}}, "/extend", "at least two values of every"),
        (
            {
                "optimizers": ["adamw", {"name": "lion", "values": [0.1]}],
                "refine": {"budget": 3},
            },
            "/refine",
            "but there is one of lion",
        ),
        (
            {
                "axis": {"parameter": "warmup_fraction", "values": [0.1, 0.2]},
                "refine": {"budget": 3},
            },
            "/refine/tolerance",
            "is required on a linear axis, in the unit of warmup_fraction",
        ),
        (
            {"seeds": list(range(900)), "extend": {"budget": 100}},
            "",
            "at most 10000 points, but this one may come to 96300",
        ),
    ],
)
def test_a_broken_rule_names_place_rule_and_value(
    changes: dict[str, Any], place: str, part: str
) -> None:
    assert part in problems(**changes)[place]


def test_what_rounds_may_add_is_counted_over_all_curves_but_inert_ones() -> None:
    spec = parse(
        body(
            axis={"parameter": "eps", "values": [1e-8, 1e-6]},
            optimizers=["adamw", {"name": "lion", "inert": True}],
            scales=["nano", "micro"],
            seeds=[0, 1, 2],
            extend={"budget": 4},
            refine={"budget": 3},
        )
    )
    assert most_points(spec) == 7 * 2 * 3
    assert most_points(parse(body())) == 0


def test_the_short_forms_are_enough() -> None:
    spec = parse(body(extend={"mode": "auto", "budget": 12}, refine={"budget": 8}))
    assert spec.extend is not None
    assert spec.refine is not None
    assert (spec.extend.budget, spec.refine.budget, spec.refine.depth) == (12, 8, 0.05)
