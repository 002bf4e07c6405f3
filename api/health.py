"""Whether the process answers, and whether the service as a whole can do its work."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.deps import ServiceDep
from sweeper.errors import SweeperError
from sweeper.service import Service
from sweeper.storage.records import DispatcherRow

router = APIRouter(tags=["health"])

STILL_S = 20.0
"""A dispatcher beats every two seconds; one that stands still for this long is gone."""


class Health(BaseModel):
    """The process answers."""

    status: str
    version: str


class Check(BaseModel):
    """One thing that the service needs, and what is wrong with it."""

    name: str
    ok: bool
    detail: str
    pending: bool = False
    """Too early to tell."""


class Readiness(BaseModel):
    """Ready if every check is."""

    ready: bool
    checks: list[Check]


@dataclass
class BeatWatch:
    """Judges the dispatcher by its beat, on this process's own monotonic clock. Thread-safe."""

    clock: Callable[[], float] = time.monotonic
    _seen: tuple[int, int] | None = None
    _since: float = 0.0
    _moved: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, row: DispatcherRow | None) -> Check:
        """What this look, compared with the ones before, says."""
        if row is None or row.epoch == 0:
            return _dispatcher(
                ok=False, detail="none has started yet; `sweeper dispatch` starts one"
            )
        with self._lock:
            return self._judge((row.epoch, row.beat))

    def _judge(self, seen: tuple[int, int]) -> Check:
        now = self.clock()
        if seen != self._seen:
            self._moved = self._seen is not None
            self._seen, self._since = seen, now
        still_s = now - self._since
        if still_s > STILL_S:
            self._moved = False
            return _dispatcher(ok=False, detail=f"its beat has stood still for {still_s:.0f} s")
        if not self._moved:
            detail = "its beat was seen once: ask again in 2 s"
            return Check(name="dispatcher", ok=False, detail=detail, pending=True)
        return _dispatcher(ok=True, detail=f"epoch {seen[0]}, beat {seen[1]}")


@router.get("/healthz", operation_id="get_health")
async def healthz() -> Health:  # In no thread: all of them may be waiting for the database.
    """Answers as long as the process does."""
    return Health(status="ok", version=version("sweeper"))


@router.get(
    "/readyz",
    operation_id="get_readiness",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready, and why"}},
)
def readyz(service: ServiceDep, request: Request) -> Response:
    """Database, migrations and dispatcher; 503 with the reason if one of them is not there."""
    checks = readiness(service, request.app.state.beat_watch)
    ready = all(check.ok for check in checks)
    body: dict[str, Any] = Readiness(ready=ready, checks=checks).model_dump()
    return JSONResponse(body, status_code=200 if ready else 503)


def readiness(service: Service, watch: BeatWatch) -> list[Check]:
    """Every check, in the order in which one needs the other."""
    try:
        service.store.ping()
        row = service.store.queue.dispatcher()
    except SweeperError as error:
        return [Check(name="database", ok=False, detail=str(error))]
    database = Check(name="database", ok=True, detail="answers, and its schema is this version's")
    return [database, watch.observe(row)]


def _dispatcher(*, ok: bool, detail: str) -> Check:
    return Check(name="dispatcher", ok=ok, detail=detail)
