"""`sweeper reproduce` of trials that a real service has trained."""

import json
from pathlib import Path

import pytest

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import run_sweeper
from tests.imports.rows import body
from tests.served import finished_sweep, service

pytestmark = pytest.mark.ray


def test_a_trial_of_the_service_comes_out_the_same(tmp_path: Path) -> None:
    served, sweep_id = service(), finished_sweep()
    with Client(served.url) as client:
        trials = [client.trial(row["trial_id"]) for row in client.trials(sweep_id)]
        chosen = max(trials, key=lambda trial: trial["stack"]["slot"])
        options = ["--data", str(served.home), "--url", served.url]
        shown = run_sweeper("reproduce", chosen["id"], *options, cwd=tmp_path)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout == f"the same, bit for bit: final loss {chosen['final_loss']!r}\n"
        told = run_sweeper("reproduce", chosen["id"], "--json", *options, cwd=tmp_path)
        assert json.loads(told.stdout)["equal"] is True
        assert client.trial(chosen["id"]) == chosen


def test_what_was_not_trained_here_exits_2_and_nothing_3(tmp_path: Path) -> None:
    served = service()
    with Client(served.url) as client:
        sweep_id = client.import_results(body({}))["id"]
        trial_id = client.trials(sweep_id)[0]["trial_id"]
    for name, code in ((trial_id, output.USAGE), ("nothing", output.NOT_FOUND)):
        shown = run_sweeper("reproduce", name, "--url", served.url, cwd=tmp_path)
        assert (shown.returncode, shown.stderr.count("\n")) == (code, 1)
