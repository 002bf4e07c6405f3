"""The Python client, against a real service and against one that misbehaves."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sweeper.client import Client, Json, Refused, Retries, Sweep, TimedOut, Unreachable
from sweeper.errors import Conflict, InvalidRequest, KeyReused, NotFound, Unavailable
from tests.served import TINY, finished_sweep, service

QUICK = Retries(attempts=3, first_pause_s=0.001)


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
    with _answering(looks) as (url, _):
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


def test_nothing_there_is_unreachable_after_the_last_attempt() -> None:
    with _answering([]) as (url, _):
        pass
    with Client(url, retries=QUICK) as client, pytest.raises(Unreachable, match="sweeper serve"):
        client.sweep("a")


def test_not_now_is_asked_again_with_the_same_key() -> None:
    problem = {"type": "urn:sweeper:problem:unavailable", "detail": "later"}
    answers: list[tuple[int, Json]] = [(503, problem), (503, problem), (201, {"id": "a"})]
    with (
        _answering(answers) as (url, seen),
        Client(url, key="secret", retries=QUICK) as client,
    ):
        assert client.submit({"name": "x"}) == {"id": "a"}
    assert len({headers["idempotency-key"] for headers in seen}) == 1
    assert [headers["authorization"] for headers in seen] == ["Bearer secret"] * 3


def test_not_now_for_ever_is_unavailable() -> None:
    problem = {"type": "urn:sweeper:problem:unavailable", "detail": "later"}
    with (
        _answering([(503, problem)] * 3) as (url, seen),
        Client(url, retries=QUICK) as client,
        pytest.raises(Unavailable, match="later"),
    ):
        client.sweep("a")
    assert len(seen) == 3


def test_a_refusal_is_not_repeated() -> None:
    with (
        _answering([(418, {"title": "a teapot"})]) as (url, seen),
        Client(url) as client,
        pytest.raises(Refused, match="a teapot"),
    ):
        client.sweep("a")
    assert len(seen) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[::1", ""])
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


def test_another_server_is_not_taken_for_the_service() -> None:
    with (
        _answering([(200, "<html>")]) as (url, _),
        Client(url) as client,
        pytest.raises(Refused, match="as no sweeper does"),
    ):
        client.sweep("a")


def test_no_id_is_the_id_of_nothing() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(NotFound, match="empty id"):
        client.sweep("")


def test_what_json_cannot_hold_is_an_invalid_request() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidRequest, match="type date"):
        client.preview({"name": date(2026, 1, 1)})


@pytest.mark.parametrize("state", ["done", "done_with_failures", "cancelled", "paused"])
def test_wait_ends_where_nothing_will_happen(state: str) -> None:
    looks = [(200, {"id": "a", "state": found}) for found in ("pending", "running", state)]
    with _answering(looks) as (url, seen), Client(url) as client:
        assert client.wait("a", poll_s=0)["state"] == state
    assert len(seen) == 3


def test_past_events_are_read_to_their_end() -> None:
    parts: list[Json] = [
        {"items": [{"id": 1}, {"id": 7}], "next": "7"},
        {"items": [{"id": 9}], "next": None},
    ]
    with _answering([(200, part) for part in parts]) as (url, _), Client(url) as client:
        assert [event["id"] for event in client.past_events("a")] == [1, 7, 9]


def test_pauses_grow_and_differ() -> None:
    pauses = list(Retries(attempts=8, first_pause_s=0.2, longest_pause_s=1.0).pauses_s())
    assert len(pauses) == 7
    for i, pause in enumerate(pauses):
        full = min(1.0, 0.2 * 2**i)
        assert full / 2 <= pause <= full


def test_the_client_is_light() -> None:
    script = (
        "import sys, sweeper.client\n"
        "heavy = {'ray', 'torch', 'sqlalchemy', 'pandas', 'plotly', 'pydantic', 'fastapi'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


@contextmanager
def _answering(
    answers: Sequence[tuple[int, Json | str]],
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that gives these answers, one each; and the headers of the requests it got."""
    seen: list[dict[str, str]] = []
    left = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = next(left)
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("content-type", "application/problem+json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
