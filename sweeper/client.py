"""A Python client of the service: plain dictionaries in, plain dictionaries and DataFrames out.

It needs neither Ray nor torch nor a database driver, so a notebook can have it alone.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

import httpx2

from sweeper.errors import (
    Conflict,
    InvalidRequest,
    KeyReused,
    NotFound,
    Problem,
    SchemaMismatch,
    StorageFull,
    SweeperError,
    Unavailable,
)

if TYPE_CHECKING:
    from pandas import DataFrame

Json = dict[str, Any]
ResultsForm = Literal["csv", "json", "parquet"]

ENDED = frozenset({"done", "done_with_failures", "cancelled"})
"""States of a sweep in which nothing of it will run any more, unless it is retried."""

PAUSED = "paused"

RETRIED = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus(504)})


class Unreachable(SweeperError):
    """Nothing answers at this address; start the service with `sweeper serve`."""


class TimedOut(SweeperError):
    """The sweep did not end in the time given; it goes on."""


class Refused(SweeperError):
    """The service refused the request; `problem` holds its whole answer (RFC 9457)."""

    def __init__(self, problem: Json) -> None:
        self.problem = problem
        super().__init__(problem.get("detail") or problem.get("title"))


_ERRORS: Mapping[str, type[SweeperError]] = {
    "not-found": NotFound,
    "conflict": Conflict,
    "key-reused": KeyReused,
    "unavailable": Unavailable,
    "storage-full": StorageFull,
    "schema-mismatch": SchemaMismatch,
}


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often a request that may be repeated is repeated, and the pauses between, in seconds."""

    attempts: int = 5
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0

    def pauses_s(self) -> Iterator[float]:
        """Growing pauses, each drawn from (half, all] so that clients do not march in step."""
        for attempt in range(self.attempts - 1):
            full = min(self.longest_pause_s, self.first_pause_s * 2**attempt)
            yield full * (1 - random.random() / 2)  # noqa: S311 - no secret


class Client:
    """The service at one address. Use as a context manager, or `close` it.

    Every request has a time-out. What is safe to repeat (reads, and submissions, which carry a
    key of their own) is repeated while the service cannot be reached or says "not now". Errors
    are those of `sweeper.errors`, `Unreachable`, and `Refused` for anything else. Raises ValueError
    for an address that is none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        headers = {"accept": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        _check_address(url)
        self.url = url.rstrip("/")
        self._retries = retries or Retries()
        # A proxy of the environment has no business between a user and a loopback service.
        self._http = httpx2.Client(
            base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def submit(self, sweep: Mapping[str, Any], *, idempotency_key: str | None = None) -> Json:
        """The sweep's `id`, `state` and `trials`; one key submits once, however often sent."""
        key = idempotency_key or uuid.uuid4().hex
        return self._post("sweeps", sweep, headers={"idempotency-key": key})

    def preview(self, sweep: Mapping[str, Any]) -> Json:
        """What `submit` would do: points, trials, how many of them are there already; no effect."""
        return self._post("sweeps/preview", sweep, headers={})

    def sweep(self, sweep_id: str) -> Json:
        """One sweep: its specification, state and counts."""
        return self._get(_path("sweeps", sweep_id))

    def sweeps(self, *, limit: int = 50, **filters: str) -> Iterator[Json]:
        """All sweeps, newest first, read page by page of `limit`; filters: `state`, `search`."""
        cursor: Json = {}
        while True:
            page = self._get("sweeps", limit=limit, **filters, **cursor)
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def wait(
        self,
        sweep_id: str,
        *,
        timeout_s: float | None = None,
        poll_s: float = 0.5,
        progress: Callable[[Json], None] | None = None,
    ) -> Json:
        """The sweep once it has ended or is paused; `progress` sees every look at it.

        A sweep pauses on request, and by itself where going on is of no use: when its first trials
        all failed, or the disk is full. Its last event says why, and `resume` lets it go on.
        Raises `TimedOut`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            sweep = self.sweep(sweep_id)
            if progress is not None:
                progress(sweep)
            if sweep["state"] in ENDED or sweep["state"] == PAUSED:
                return sweep
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(f"sweep {sweep_id} is {sweep['state']} after {timeout_s:g} s")
            time.sleep(poll_s)

    def results(self, sweep_id: str) -> "DataFrame":
        """One row per point: value, seed, state, outcome, losses, hyperparameters."""
        import pandas

        return pandas.read_parquet(BytesIO(self.results_file(sweep_id, "parquet")))

    def results_file(self, sweep_id: str, form: ResultsForm) -> bytes:
        """The same rows as a file."""
        return self._read(f"{_path('sweeps', sweep_id)}/results.{form}").content

    def trials(self, sweep_id: str, *, state: str | None = None) -> list[Json]:
        """One entry per point: the training run it has, in that state if one is given."""
        query = {} if state is None else {"state": state}
        return self._items(_path("sweeps", sweep_id) + "/trials", **query)

    def trial(self, trial_id: str) -> Json:
        """One training run: configuration, outcome, attempts."""
        return self._get(_path("trials", trial_id))

    def curves(self, sweep_id: str) -> list[Json]:
        """One curve per variant, with its stability numbers."""
        return self._items(_path("sweeps", sweep_id) + "/curves")

    def stability(self, sweep_id: str) -> dict[str, Json]:
        """The stability numbers of every curve, by label."""
        return {curve["label"]: curve["stability"] for curve in self.curves(sweep_id)}

    def figure(self, sweep_id: str) -> Json:
        """The stability figure as plotly JSON: `plotly.graph_objects.Figure(figure)` draws it."""
        return self._get(_path("sweeps", sweep_id) + "/figure")

    def figure_html(self, sweep_id: str) -> str:
        """The stability figure as a page that needs no network."""
        return self._read(_path("sweeps", sweep_id) + "/figure.html").text

    def cancel(self, sweep_id: str) -> Json:
        """End the sweep; what other sweeps want goes on."""
        return self._change(sweep_id, "cancel")

    def pause(self, sweep_id: str) -> Json:
        """Let nothing of the sweep run until `resume`."""
        return self._change(sweep_id, "pause")

    def resume(self, sweep_id: str) -> Json:
        """Go on after `pause`, from the checkpoints."""
        return self._change(sweep_id, "resume")

    def retry(self, sweep_id: str) -> Json:
        """Train its failed and cancelled points anew."""
        return self._change(sweep_id, "retry")

    def optimizers(self) -> list[Json]:
        """The optimizers there are, each with its hyperparameters."""
        return self._items("optimizers")

    def presets(self) -> list[Json]:
        """The ready-made sweeps there are."""
        return self._items("presets")

    def health(self) -> Json:
        """Whether the process answers, and its version."""
        return _object(self._read("/healthz"))

    def past_events(self, sweep_id: str, *, after: int = 0) -> list[Json]:
        """What has happened to a sweep so far; `events` also waits for more."""
        found: list[Json] = []
        while True:
            page = self._get(_path("sweeps", sweep_id) + "/events", after=after)
            found += page["items"]
            if page["next"] is None:
                return found
            after = int(page["next"])

    def events(self, sweep_id: str, *, after: int = 0) -> Iterator[Json]:
        """What happens to a sweep, as it happens; goes on after an interruption where it was."""
        pauses = self._retries.pauses_s()
        while True:
            try:
                for event_id, event in self._stream(sweep_id, after):
                    after, pauses = event_id, self._retries.pauses_s()
                    yield event
            except httpx2.TransportError as error:
                self._pause_or_raise(pauses, error)
            else:
                # The stream ends with the sweep, and when the service stops or is restarted.
                if self.sweep(sweep_id)["state"] in ENDED:
                    return

    def _stream(self, sweep_id: str, after: int) -> Iterator[tuple[int, Json]]:
        path = "/api/v1/" + _path("sweeps", sweep_id) + "/events"
        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        with self._http.stream("GET", path, headers=headers) as answer:
            if answer.is_error:
                answer.read()
            _raise_for_problem(answer)
            for event in httpx2.EventSource(answer):
                if event.event == "bye":
                    return
                # Progress is a state and `retry` a setting: neither has an id to go on from.
                if event.event != "progress" and event.data:
                    yield int(event.id), json.loads(event.data)

    def _change(self, sweep_id: str, verb: str) -> Json:
        key = {"idempotency-key": uuid.uuid4().hex}
        return self._post(_path("sweeps", sweep_id) + "/" + verb, None, headers=key)

    def _post(
        self, path: str, body: Mapping[str, Any] | None, *, headers: Mapping[str, str]
    ) -> Json:
        try:
            content = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        except ValueError as error:
            raise InvalidRequest(
                (Problem("", f"JSON has no NaN and no infinity: {error}"),)
            ) from None
        except TypeError as error:
            raise InvalidRequest((Problem("", f"JSON cannot hold it: {error}"),)) from None
        request = self._http.build_request(
            "POST",
            f"/api/v1/{path}",
            content=content,
            headers={"content-type": "application/json", **headers},
        )
        return _object(self._send(request))

    def _get(self, path: str, **query: Any) -> Json:
        return _object(self._read(f"/api/v1/{path}", **query))

    def _items(self, path: str, **query: str) -> list[Json]:
        """Everything of a list, or of a list in pages."""
        page = self._get(path, **query)
        items = list(page["items"])
        while page.get("next") is not None:
            page = self._get(path, cursor=page["next"], **query)
            items += page["items"]
        return items

    def _read(self, path: str, **query: Any) -> httpx2.Response:
        path = path if path.startswith("/") else f"/api/v1/{path}"
        return self._send(self._http.build_request("GET", path, params=query))

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send what may be repeated: every request of this client is a read or has a key."""
        pauses = self._retries.pauses_s()
        while True:
            try:
                answer = self._http.send(request)
            except httpx2.TransportError as error:
                self._pause_or_raise(pauses, error)
                continue
            if answer.status_code in RETRIED and (pause_s := next(pauses, None)) is not None:
                time.sleep(pause_s)
                continue
            _raise_for_problem(answer)
            return answer

    def _pause_or_raise(self, pauses: Iterator[float], error: httpx2.TransportError) -> None:
        pause_s = next(pauses, None)
        if pause_s is None:
            raise Unreachable(
                f"no answer from {self.url} ({error}); `sweeper serve` starts the service"
            ) from error
        time.sleep(pause_s)


def _path(kind: str, opaque_id: str) -> str:
    # Without an id the path would be that of the list.
    if not opaque_id:
        raise NotFound(f"there is none of the {kind} with the empty id ''")
    return f"{kind}/{quote(opaque_id, safe='')}"


def _check_address(url: str) -> None:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"the address of a service is needed, but got {url!r}: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(
            f"an address begins with http:// or https:// and names a host, but got {url!r}"
        )


def _object(answer: httpx2.Response) -> Json:
    """The JSON object of an answer; `Refused` for what only another server would say."""
    try:
        return dict(answer.json())
    except ValueError:
        kind = answer.headers.get("content-type", "no content-type")
        detail = f"{answer.url} answers {answer.status_code} with {kind}, as no sweeper does"
        raise Refused({"status": answer.status_code, "detail": detail}) from None


def _raise_for_problem(answer: httpx2.Response) -> None:
    if not answer.is_error:
        return
    if "json" not in answer.headers.get("content-type", ""):
        raise Refused({"status": answer.status_code, "detail": answer.text[:200]})
    problem = answer.json()
    slug = str(problem.get("type", "")).rpartition(":")[2]
    if slug == "invalid-request":
        found = problem.get("errors") or [{"pointer": "", "message": problem.get("detail", "")}]
        raise InvalidRequest(tuple(Problem(e["pointer"], e["message"]) for e in found))
    if slug in _ERRORS:
        raise _ERRORS[slug](problem.get("detail"))
    raise Refused(problem)
