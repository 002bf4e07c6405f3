"""What is printed: tables, counts, exit codes."""

import sys

import pytest

from sweeper.cli import output
from sweeper.cli.numbers import stability_row
from sweeper.cli.progress import counts, finished_share
from sweeper.client import Refused, Unreachable
from sweeper.errors import Conflict, InvalidRequest, NotFound, Problem, SchemaMismatch, SweeperError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound(), 3),
        (Unreachable(), 5),
        (Conflict(), 2),
        (SchemaMismatch(), 2),
        (InvalidRequest((Problem("/a", "b"),)), 2),
        (Refused({"status": 413, "detail": "too large"}), 2),
        (Refused({"status": 500, "detail": "broken"}), 1),
        (output.UsageError("x"), 2),
        (SweeperError(), 1),
    ],
)
def test_every_error_has_its_exit_code(error: SweeperError, code: int) -> None:
    assert output.exit_code(error) == code


def _sweep(**points: int) -> dict[str, object]:
    states = ("pending", "running", "done", "failed", "cancelled", "diverged")
    return {"points": dict.fromkeys(states, 0) | {"total": 10} | points}


def test_a_table_in_a_pipe_has_a_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("a", "b"), [("x" * 100, "y" * 100)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_narrow_terminal_breaks_a_table_between_words_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("95460425b4745aea", "momentum of two optimizers", "not distinguishable")]
    output.print_table(("id", "name", "verdict"), rows)
    printed = capsys.readouterr().out.split()
    assert {word for row in rows for cell in row for word in cell.split()} <= set(printed)


def test_a_mistake_in_every_row_is_told_of_the_first_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = tuple(Problem(f"a.csv, line {i}", "is required") for i in range(2, 9))
    assert output.report(InvalidRequest(problems)) == output.USAGE
    said = capsys.readouterr().err
    assert said.endswith("a.csv, line 6: is required; and 2 more\n")
    assert said.count("is required") == 5


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert counts(_sweep(done=3, pending=7)) == "3 done, 7 pending of 10 points"
    assert "2 of them diverged" in counts(_sweep(done=10, diverged=2))


def test_running_points_count_in_part() -> None:
    sweep = _sweep(done=4, running=6)
    assert finished_share(sweep, {"adamw": (4, 50, 100), "lion": (2, 0, 100)}) == 0.6


def test_a_censored_basin_is_a_lower_bound() -> None:
    stability = {
        "best_value": 0.01,
        "best_loss": 2.5,
        "sensitivity": None,
        "basin_width": 1.5,
        "basin_unit": "decades",
        "basin_low_censored": True,
        "basin_high_censored": False,
    }
    row = stability_row({"label": "adamw", "scale": "nano", "stability": stability})
    assert row == ("adamw", "nano", "0.01", "2.5", "-", ">= 1.5 decades")
