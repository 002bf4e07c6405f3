import math

import pytest

from sweeper.dispatch.messages import (
    Pace,
    Progress,
    Report,
    Row,
    Timing,
    Work,
    measured,
    report_from_json,
    work_from_json,
)
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import MetricKind

WORK = Work(
    stack_id=3,
    attempt=2,
    configs=({"lr": 0.1}, {"lr": 0.2}),
    live=(True, False),
    threads=1,
    device="cpu",
    devices=2,
    data_dir="/data",
    hung_dir="/hung",
    checkpoints="/checkpoints",
    keeps=False,
    checkpoint="3/1/40",
    checkpoint_slots=(0, 1),
    control="control",
    timing=Timing(checkpoint_s=1.0),
    micro_batch=4,
)
REPORT = Report(
    stack_id=3,
    attempt=2,
    progress=Progress.FAILED,
    step=5,
    steps=9,
    host="here",
    pid=7,
    rows=(
        measured(0, "train_loss", 5, 1.5),
        measured(1, "train_loss", 5, math.nan),
        Row(0, "effective_lr", 5, None, MetricKind.JSON, '{"mlp": [1.0]}'),
    ),
    results={1: {"outcome": "diverged"}},
    checkpoint="3/2/5",
    checkpoint_step=5,
    failure=Failure(kind=FailureKind.USER_ERROR, message="it broke"),
    provenance={"pid": 7},
    pace=Pace(device="a device", step_s=0.1, micro_batch=4),
)


def test_work_survives_its_text() -> None:
    assert work_from_json(WORK.to_json()) == WORK


def test_a_report_survives_its_text() -> None:
    assert report_from_json(REPORT.to_json()) == REPORT


@pytest.mark.parametrize(
    ("value", "stored", "kind"),
    [
        (1.5, 1.5, MetricKind.FINITE),
        (math.nan, None, MetricKind.NAN),
        (math.inf, None, MetricKind.POSITIVE_INFINITY),
        (-math.inf, None, MetricKind.NEGATIVE_INFINITY),
    ],
)
def test_a_value_that_is_no_number_keeps_its_kind(
    value: float, stored: float | None, kind: MetricKind
) -> None:
    row = measured(0, "train_loss", 1, value)
    assert (row.value, row.kind) == (stored, kind)
