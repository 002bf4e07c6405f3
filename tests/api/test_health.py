"""Health of the process, and readiness of the whole."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from anyio.to_thread import current_default_thread_limiter
from starlette.testclient import TestClient

from api.health import STILL_S, BeatWatch
from sweeper.storage.engine import sqlite_module
from sweeper.storage.records import DispatcherRow
from sweeper.storage.store import Store
from tests.api.played import OWNER


def row(epoch: int, beat: int) -> DispatcherRow:
    return DispatcherRow(epoch=epoch, beat=beat, owner=OWNER)


def test_the_process_answers(client: TestClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_the_process_answers_while_every_thread_waits_for_the_database(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    path = store.url.removeprefix("sqlite:///")
    assert client.portal is not None
    threads = client.portal.call(current_default_thread_limiter)
    with (
        closing(sqlite_module().connect(path, isolation_level=None)) as other,
        ThreadPoolExecutor(int(threads.total_tokens)) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        try:
            pause = f"/api/v1/sweeps/{sweep_id}/pause"
            asked = [pool.submit(client.post, pause) for _ in range(int(threads.total_tokens))]
            while threads.available_tokens:
                time.sleep(0.01)
            assert client.get("/healthz").status_code == 200
            assert not any(request.done() for request in asked)
        finally:
            other.execute("ROLLBACK")
        assert {request.result().status_code for request in asked} <= {202, 503}


def test_readiness_needs_a_beat_seen_moving(client: TestClient, store: Store) -> None:
    never = client.get("/readyz")
    assert never.status_code == 503
    assert [check["ok"] for check in never.json()["checks"]] == [True, False]
    epoch = store.queue.take_over(store.queue.dispatcher(), OWNER)
    assert client.get("/readyz").status_code == 503
    store.queue.beat(epoch)
    ready = client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["ready"] is True


def test_a_beat_that_stands_still_is_no_beat() -> None:
    now = 0.0
    watch = BeatWatch(clock=lambda: now)
    assert watch.observe(row(1, 5)).pending
    now = 2.0
    assert watch.observe(row(1, 6)).ok
    now += STILL_S
    assert watch.observe(row(1, 6)).ok
    now += 1
    stopped = watch.observe(row(1, 6))
    assert not stopped.ok
    assert "21 s" in stopped.detail
    assert watch.observe(row(2, 0)).ok


def test_a_page_warns_when_nothing_is_trained(client: TestClient, store: Store) -> None:
    assert "Nothing is being trained" in client.get("/").text
    store.queue.take_over(store.queue.dispatcher(), OWNER)
    assert "Nothing is being trained" not in client.get("/").text
