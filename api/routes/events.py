"""Events of a sweep: a list, or a stream that goes on while the sweep does."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.deps import ServiceDep, SweepId
from api.models import EventOut, Listing, SweepOut
from sweeper.errors import NotFound, Unavailable
from sweeper.service import Service
from sweeper.trials import SweepState

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["events"])

POLL_S = 1.0
PING_S = 15.0
MOST = 1000
"""Events of one part; `next` of a list is the `after` of the part that follows."""
RETRY_MS = 2000
LARGEST_ID = 2**63 - 1
"""What the column of the ids can hold."""
ENDED = frozenset({SweepState.DONE, SweepState.DONE_WITH_FAILURES, SweepState.CANCELLED})


@router.get(
    "/events",
    operation_id="list_events",
    response_model=Listing[EventOut],
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(
    service: ServiceDep,
    request: Request,
    sweep_id: SweepId,
    after: Annotated[
        int, Query(ge=0, le=LARGEST_ID, description="only events with a larger id")
    ] = 0,
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            le=LARGEST_ID,
            description="the same, as browsers say it when they come back",
        ),
    ] = None,
) -> Response:
    """What happened to the sweep: a list, or with `Accept: text/event-stream` a stream.

    The stream sends every event with its id, `progress` whenever counts change, and ends with `bye`
    when the sweep has ended or the service stops.
    """
    sweep = await run_in_threadpool(service.sweep, sweep_id)
    start = after if last_event_id is None else last_event_id
    if "text/event-stream" in request.headers.get("accept", ""):
        closing: asyncio.Event = request.app.state.closing
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return EventSourceResponse(stream(service, sweep.id, start, closing), headers=headers)
    found = await run_in_threadpool(service.events, sweep_id, start, MOST)
    listing = Listing[EventOut](
        items=[EventOut.model_validate(event) for event in found],
        next=str(found[-1].id) if len(found) == MOST else None,
    )
    return JSONResponse(listing.model_dump(mode="json"))


async def stream(
    service: Service, sweep_id: str, after: int, closing: asyncio.Event, poll_s: float = POLL_S
) -> AsyncIterator[bytes]:
    """The events of a sweep in the wire format, until it has ended or the service stops."""
    yield format_sse_event(retry=RETRY_MS)
    shown, last_sent = "", time.monotonic()
    while True:
        try:
            # Events first: the counts read after them are at least as new.
            found = await run_in_threadpool(service.events, sweep_id, after, MOST)
            sweep = SweepOut.of(await run_in_threadpool(service.sweep, sweep_id))
        except Unavailable as error:
            yield format_sse_event(comment=str(error))
            await _pause(closing, poll_s)
            if closing.is_set():
                return
            continue
        except NotFound:
            yield _bye("the sweep has been deleted")
            return
        for event in found:
            after = event.id
            body = EventOut.model_validate(event).model_dump_json()
            yield format_sse_event(data_str=body, event=event.kind, id=str(event.id))
        text = json.dumps({"state": sweep.state, "points": sweep.points.model_dump()})
        if text != shown:
            shown, last_sent = text, time.monotonic()
            yield format_sse_event(data_str=text, event="progress")
        if closing.is_set() or (sweep.state in ENDED and not found):
            reason = "the service stops" if closing.is_set() else "the sweep has ended"
            yield _bye(reason)
            return
        if time.monotonic() - last_sent > PING_S:
            last_sent = time.monotonic()
            yield format_sse_event(comment="still here")
        if len(found) < MOST:
            await _pause(closing, poll_s)


def _bye(reason: str) -> bytes:
    return format_sse_event(data_str=json.dumps({"reason": reason}), event="bye")


async def _pause(closing: asyncio.Event, poll_s: float) -> None:
    """Wait for the next look, or less if the service stops meanwhile."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(closing.wait(), poll_s)
