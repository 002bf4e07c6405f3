"""Health of the process, and readiness of the whole."""

from starlette.testclient import TestClient

from api.health import STILL_S, BeatWatch
from sweeper.storage.records import DispatcherRow
from sweeper.storage.store import Store
from tests.api.played import OWNER


def row(epoch: int, beat: int) -> DispatcherRow:
    return DispatcherRow(epoch=epoch, beat=beat, owner=OWNER)


def test_the_process_answers(client: TestClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


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
