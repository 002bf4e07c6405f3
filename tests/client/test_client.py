"""The Python client against a real service."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sweeper.client import Client, Json, Refused, Sweep, TimedOut
from sweeper.errors import Conflict, InvalidRequest, KeyReused, NotFound
from tests.client.answering import answering
from tests.served import TINY, finished_sweep, service


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(service().url) as opened:
        yield opened


@pytest.fixture
def sweep_id() -> str:
    return finished_sweep()


@pytest.mark.ray
def test_one_key_submits_once(client: Client) -> None:
    first = client.submit(TINY, idempotency_key="test-client")
    assert client.submit(TINY, idempotency_key="test-client")["id"] == first["id"]
    assert client.submit(TINY)["id"] != first["id"]
    with pytest.raises(KeyReused):
        client.submit(TINY | {"name": "other"}, idempotency_key="test-client")


@pytest.mark.ray
def test_lists_are_read_to_their_end(client: Client, sweep_id: str) -> None:
    client.submit(TINY)
    one_by_one = [sweep["id"] for sweep in client.sweeps(limit=1)]
    assert len(one_by_one) == len(set(one_by_one)) >= 2
    assert sweep_id in one_by_one
    assert sweep_id in [sweep["id"] for sweep in client.sweeps(state="done", search="tiny")]


@pytest.mark.ray
def test_results_curves_and_figure_tell_the_same(client: Client, sweep_id: str) -> None:
    frame = client.results(sweep_id)
    curves, stability = client.curves(sweep_id), client.stability(sweep_id).set_index("label")
    assert len(frame) == len(curves) == len(client.trials(sweep_id)) == 6
    assert client.trials(sweep_id, state="failed") == []
    for curve in client.curves_json(sweep_id):
        label = curve["label"]
        lowest = frame[frame["label"] == label]["final_loss"].min()
        means = curves[curves["label"] == label].set_index("value")["loss_mean"]
        assert stability["best_loss"][label] == curve["stability"]["best_loss"] == lowest
        assert means.min() == means[stability["best_value"][label]] == lowest
        assert means.to_dict() == {point["value"]: point["loss_mean"] for point in curve["points"]}
    assert curves["loss_low"].dtype == float  # one seed: no interval, and NaN rather than None
    assert {trace.name for trace in client.figure(sweep_id).data} == {"adamw", "sgd"}
    assert client.figure(sweep_id, theme="dark").layout.meta["theme"] == "dark"
    assert "plotly" in client.figure_html(sweep_id)


@pytest.mark.ray
def test_a_sweep_is_a_dictionary_that_a_notebook_shows(client: Client, sweep_id: str) -> None:
    sweep = client.sweep(sweep_id)
    assert json.loads(json.dumps(sweep))["id"] == sweep_id
    line = sweep._repr_html_()
    assert '<progress value="6" max="6">' in line
    assert "6 of 6 points" in line
    assert "&lt;b&gt;" in Sweep(sweep | {"name": "<b>"})._repr_html_()


def test_waiting_at_a_terminal_shows_a_bar() -> None:
    """A real terminal, and none: without one nothing is printed."""
    points = {"total": 2, "done": 1, "failed": 0, "cancelled": 0, "diverged": 0}
    looks = [
        (200, {"id": "a", "name": "[mine]", "state": state, "points": points, "best": None})
        for state in ("running", "done") * 2
    ]
    with answering(looks) as (url, _):
        code = f"from sweeper.client import Client; Client({url!r}).wait('a', poll_s=0.05)"
        command = [sys.executable, "-c", code]
        piped = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        master, terminal = pty.openpty()
        subprocess.run(command, stdout=terminal, stderr=terminal, timeout=60, check=True)
        os.close(terminal)
        shown = os.read(master, 2**16).decode()
        os.close(master)
    assert piped.stdout + piped.stderr == ""
    assert "[mine]: done, 1 of 2 points" in shown


def test_a_comparison_of_sweeps(client: Client, sweep_id: str) -> None:
    found = client.compare(sweep_id, margin=0.5, low=1e-3, high=1e-1)
    assert [variant["label"] for variant in found["variants"]] == ["adamw", "sgd"]
    assert found["margin"] == 0.5
    assert found["variants"][0]["estimates"]["sensitivity_stated"]["values"] == 3
    with pytest.raises(InvalidRequest, match="query/sweep/1"):
        client.compare(sweep_id, sweep_id)


@pytest.mark.ray
def test_events_are_read_to_the_end_of_the_sweep(client: Client, sweep_id: str) -> None:
    events = list(client.events(sweep_id))
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    assert [event["kind"] for event in events].count("trial_done") == 6
    assert [event["id"] for event in client.events(sweep_id, after=ids[2])] == ids[3:]


@pytest.mark.ray
def test_wait_shows_every_look_and_gives_up_in_time(client: Client) -> None:
    seen: list[Json] = []
    long = client.submit(TINY | {"base": {"steps": 5000}, "priority": -100})
    with pytest.raises(TimedOut, match=long["id"]):
        client.wait(long["id"], timeout_s=0, progress=seen.append)
    assert [sweep["id"] for sweep in seen] == [long["id"]]
    assert client.pause(long["id"])["intent"] == "paused"
    assert client.resume(long["id"])["intent"] == "active"
    assert client.cancel(long["id"])["state"] == "cancelled"
    assert client.wait(long["id"])["points"]["cancelled"] == 6


@pytest.mark.ray
def test_errors_have_their_types(client: Client) -> None:
    with pytest.raises(NotFound):
        client.sweep("nothing")
    with pytest.raises(NotFound):
        client.trial("a/../b")
    with pytest.raises(InvalidRequest) as caught:
        client.submit(TINY | {"optimizers": ["adamx"], "scales": ["huge"]})
    pointers = [problem.pointer for problem in caught.value.problems]
    assert pointers == ["/optimizers/0", "/scales/0"]
    with pytest.raises(InvalidRequest, match="no NaN"):
        client.preview({"x": float("nan")})
    with pytest.raises(Refused) as refused:
        client.submit({"name": "x" * 2**21})
    assert refused.value.problem["status"] == 413


@pytest.mark.ray
def test_the_catalogue(client: Client) -> None:
    assert {"adamw", "sgd"} <= {optimizer["name"] for optimizer in client.optimizers()}
    assert "demo" in {preset["name"] for preset in client.presets()}
    assert client.health()["status"] == "ok"


def test_the_client_is_light() -> None:
    script = (
        "import sys, sweeper.client\n"
        "heavy = {'ray', 'torch', 'sqlalchemy', 'pandas', 'plotly', 'pydantic', 'fastapi'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


@pytest.mark.ray
def test_a_sweep_is_extended_edited_archived_and_deleted() -> None:
    with Client(service().url) as client:
        long = {"name": "kept for a while", "base": {"steps": 50_000, "eval_sequences": 8}}
        sweep_id = client.submit(TINY | long)["id"]
        assert client.extend(sweep_id, seeds=[0, 7], variants=["sgd"])["added"] == 3
        edited = client.edit(sweep_id, tags=["short lived"], priority=4)
        assert (edited["tags"], edited["priority"]) == (["short lived"], 4)
        with pytest.raises(Conflict, match="cancel it first"):
            client.delete(sweep_id)
        with pytest.raises(InvalidRequest, match="/values/0"):
            client.extend(sweep_id, values=[-1.0])
        client.cancel(sweep_id)
        client.edit(sweep_id, archived=True)
        assert sweep_id not in {sweep["id"] for sweep in client.sweeps()}
        assert [s["id"] for s in client.sweeps(tag="short lived", archived="true")] == [sweep_id]
        assert sweep_id in {sweep["id"] for sweep in client.disk()["sweeps"]}
        assert client.delete(sweep_id)["deleted"]
        assert not client.delete(sweep_id)["deleted"]
        with pytest.raises(NotFound):
            client.sweep(sweep_id)
