"""A second axis: each of its values is a variant of every optimizer."""

from typing import Any

import pytest

from sweeper.expand import expand
from sweeper.spec import parse
from sweeper.trials import label_without
from tests.sweeps import DATA, body, problems

LR = {"parameter": "lr", "values": [1e-3, 1e-2]}
MOMENTUM = {"parameter": "momentum", "values": [0.9, 0.5]}


def test_values_of_the_second_axis_are_variants_in_ascending_order() -> None:
    two = [{"name": "adamw", "beta2": {"tie": "momentum"}}, {"name": "sgd", "label": "mine"}]
    sweep = body(axis=LR, second_axis=MOMENTUM, optimizers=two, architectures=["standard", "plain"])
    expansion = expand(parse(sweep), DATA)
    assert [variant.label for variant in expansion.variants[:4]] == [
        "adamw, beta2=momentum, standard, momentum=0.5",
        "adamw, beta2=momentum, standard, momentum=0.9",
        "mine, standard, momentum=0.5",
        "mine, standard, momentum=0.9",
    ]
    assert [variant.overrides["momentum"] for variant in expansion.variants] == [0.5, 0.9] * 4
    assert [(p.variant, p.value) for p in expansion.points[:4]] == [
        (0, 1e-3),
        (0, 1e-2),
        (1, 1e-3),
        (1, 1e-2),
    ]
    hyperparameters = [trial.config.hyperparameters for trial in expansion.trials]
    assert [(h["lr"], h["momentum"], h["beta2"]) for h in hyperparameters[:3]] == [
        (1e-3, 0.5, 0.5),
        (1e-2, 0.5, 0.5),
        (1e-3, 0.9, 0.9),
    ]
    # floats alone differ, so a whole map is one stack
    adamw = [t for t in expansion.trials if t.config.optimizer == "adamw"]
    assert len({t.stack_key for t in adamw}) == 2


def test_multiples_of_the_second_axis_are_of_each_optimizers_centre() -> None:
    sweep = body(
        axis={"parameter": "momentum", "values": [0.9]},
        second_axis={"parameter": "lr", "multiples": [1, 10]},
        optimizers=["adamw", {"name": "sgd", "lr": 0.5}],
    )
    expansion = expand(parse(sweep), DATA)
    found = [(v.label, v.overrides["lr"]) for v in expansion.variants]
    assert found == [
        ("adamw, lr=0.00316", 3.16e-3),
        ("adamw, lr=0.0316", 3.16e-2),
        ("sgd, lr=0.5", 0.5),
        ("sgd, lr=5", 5.0),
    ]


def test_values_that_are_close_have_labels_of_their_own() -> None:
    close = MOMENTUM | {"values": [0.99999991, 0.99999992]}
    expansion = expand(parse(body(axis=LR, second_axis=close)), DATA)
    labels = [variant.label for variant in expansion.variants]
    assert labels == ["adamw, momentum=0.99999991", "adamw, momentum=0.99999992"]
    assert {
        label_without(label, "momentum", v.overrides["momentum"])
        for label, v in zip(labels, expansion.variants, strict=True)
    } == {"adamw"}


def test_a_map_shares_its_trials_with_a_sweep_of_one_axis() -> None:
    whole_map = expand(parse(body(axis=LR, second_axis=MOMENTUM)), DATA)
    row = expand(parse(body(axis=LR, optimizers=[{"name": "adamw", "momentum": 0.5}])), DATA)
    shared = {t.fingerprint for t in row.trials} & {t.fingerprint for t in whole_map.trials}
    assert len(shared) == len(row.trials) == 2


BAD_MAPS: list[tuple[dict[str, Any], str, str]] = [
    ({"second_axis": {"parameter": "lr", "values": [1]}}, "/second_axis/parameter", "lr is the fi"),
    (
        {"second_axis": {"parameter": "rate", "values": [1]}},
        "/second_axis/parameter",
        "unknown hyperparameter 'rate'; known: ",
    ),
    ({"second_axis": []}, "/second_axis", "an object is needed, but got []"),
    ({"second_axis": {"values": [1]}}, "/second_axis/parameter", "is required"),
    ({"second_axis": MOMENTUM | {"values": ["a"]}}, "/second_axis/values/0", "got 'a'"),
    ({"second_axis": {"parameter": "momentum"}}, "/second_axis", "give the values in one way: "),
    ({"second_axis": MOMENTUM | {"vales": []}}, "/second_axis/vales", "unknown key 'vales'; known"),
    (
        {"second_axis": MOMENTUM | {"values": [0.9, 1.0]}},
        "/second_axis/values/1",
        "`momentum < 1` must hold on a one_minus_log axis, but got momentum=1",
    ),
    (
        {"second_axis": MOMENTUM | {"values": [-1.0]}},
        "/second_axis/values/0",
        "`0 <= momentum < 1` must hold, but got momentum=-1 (adamw)",
    ),
    ({"second_axis": MOMENTUM | {"values": [0.5, 0.5]}}, "/second_axis/values", "must not repeat"),
    (
        {"second_axis": {"parameter": "eps", "values": [1e-8]}, "optimizers": ["adamw", "lion"]},
        "/optimizers/1",
        "lion has no 'eps'; it has: batch_multiple, ",
    ),
    (
        {"second_axis": MOMENTUM, "base": {"momentum": 0.5}},
        "/base/momentum",
        "momentum is the swept hyperparameter; its values are the axis",
    ),
    (
        {"second_axis": MOMENTUM, "optimizers": [{"name": "adamw", "momentum": {"tie": "beta2"}}]},
        "/optimizers/0/momentum",
        "momentum is the swept hyperparameter; its values are the axis",
    ),
    (
        {"second_axis": {"parameter": "batch_multiple", "values": [1]}, "base": {"batch_size": 8}},
        "/optimizers/0",
        "the batch is given twice: by batch_size and by batch_multiple",
    ),
    (
        {"second_axis": MOMENTUM | {"values": [i / 6000 for i in range(5001)]}},
        "",
        "a sweep has at most 10000 points, but this one has 10002",
    ),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD_MAPS)
def test_what_is_wrong_with_a_second_axis(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**{"axis": LR} | changes)
    assert pointer in found, found
    assert message in found[pointer]
