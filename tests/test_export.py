import csv
import io
import json

import pandas as pd
import pytest

from sweeper import export

FRAME = pd.DataFrame(
    {
        "label": ["=1+1", "adamw", "@x", "-a", "+b", "\tc", "\rd", "a=b"],
        "value": [-1e-15, 3.16e-3, 0.1 + 0.2, 1.0, 2.0, 3.0, 4.0, 5.0],
        "final_loss": [float("nan"), 2.5, float("inf"), 1.0, 1.0, 1.0, 1.0, 1.0],
        "seed": range(8),
        "finished_at": [None, *[pd.Timestamp("2026-01-02T03:04:05Z")] * 7],
    }
)


def test_csv_escapes_texts_that_look_like_formulas_and_no_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(export.to_csv(FRAME), newline="")))
    labels = [row["label"] for row in rows]
    assert labels == ["'=1+1", "adamw", "'@x", "'-a", "'+b", "'\tc", "'\rd", "a=b"]
    assert [float(row["value"]) for row in rows] == FRAME["value"].to_list()
    assert rows[0]["value"] == "-1e-15"
    assert rows[0]["final_loss"] == ""
    assert rows[1]["seed"] == "1"


def test_csv_escapes_texts_in_a_column_of_mixed_types() -> None:
    mixed = pd.DataFrame({"a": pd.Series([-1, "=2"], dtype=object)})
    assert export.to_csv(mixed) == "a\r\n-1\r\n'=2\r\n"


def test_csv_of_no_rows_is_its_header() -> None:
    assert export.to_csv(FRAME.iloc[:0]) == "label,value,final_loss,seed,finished_at\r\n"


def test_parquet_round_trip() -> None:
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(export.to_parquet(FRAME))), FRAME)


def test_json_keeps_every_digit_and_has_null_for_no_number() -> None:
    rows = json.loads(export.to_json(FRAME))
    assert [row["value"] for row in rows] == FRAME["value"].to_list()
    assert rows[0]["final_loss"] is rows[2]["final_loss"] is rows[0]["finished_at"] is None
    assert rows[1]["finished_at"] == "2026-01-02T03:04:05+00:00"
    assert rows[7]["seed"] == 7


@pytest.mark.parametrize("cell", [None, pd.NA, pd.NaT])
def test_json_of_missing_cells(cell: object) -> None:
    frame = pd.DataFrame({"a": pd.Series([cell], dtype=object)})
    assert export.to_json(frame) == '[{"a": null}]'
