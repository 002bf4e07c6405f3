"""The way to the service and back: requests, repeated where that is safe, and streams of events."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2

from sweeper.client.problems import Unreachable, check_address, json_object, raise_for_problem
from sweeper.errors import InvalidRequest, Problem

Json = dict[str, Any]

API = "/api/v1/"

RETRIED = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus(504)})


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


class Connection:
    """Requests to one address. A path without a leading slash is one of the REST API.

    Every request has a time-out, and is repeated while the service cannot be reached or says "not
    now": all are reads, or carry a key of their own. Raises ValueError for an address that is none.
    """

    def __init__(self, url: str, *, key: str | None, timeout_s: float, retries: Retries) -> None:
        headers = {"accept": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        check_address(url)
        self.url = url.rstrip("/")
        self.retries = retries
        # A proxy of the environment has no business between a user and a loopback service.
        self._http = httpx2.Client(
            base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def post(self, path: str, body: Mapping[str, Any] | None, *, key: str | None = None) -> Json:
        """The answer to a body; `key` is its Idempotency-Key. `InvalidRequest` if JSON has none."""
        headers = {} if key is None else {"idempotency-key": key}
        return self.change("POST", path, body, headers)

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """The answer to a body sent with any method, such as PATCH or DELETE."""
        request = self._http.build_request(
            method,
            API + path,
            content=b"" if body is None else _encoded(body),
            headers={"content-type": "application/json", **(headers or {})},
        )
        return json_object(self._send(request))

    def get(self, path: str, **query: Any) -> Json:
        """The JSON object at a path."""
        return json_object(self.read(path, **query))

    def items(self, path: str, **query: str) -> list[Json]:
        """Everything of a list, or of a list in pages."""
        page = self.get(path, **query)
        items = list(page["items"])
        while page.get("next") is not None:
            page = self.get(path, cursor=page["next"], **query)
            items += page["items"]
        return items

    def read(self, path: str, **query: Any) -> httpx2.Response:
        """The whole answer at a path."""
        path = path if path.startswith("/") else API + path
        return self._send(self._http.build_request("GET", path, params=query))

    def stream(self, path: str, after: int) -> Iterator[tuple[int, Json]]:
        """Ids and events behind `after`, as they happen; ends when the service ends the stream."""
        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        with self._http.stream("GET", API + path, headers=headers) as answer:
            if answer.is_error:
                answer.read()
            raise_for_problem(answer)
            for event in httpx2.EventSource(answer):
                if event.event == "bye":
                    return
                # Progress is a state and `retry` a setting: neither has an id to go on from.
                if event.event != "progress" and event.data:
                    yield int(event.id), json.loads(event.data)

    def pause_or_raise(self, pauses: Iterator[float], error: httpx2.TransportError) -> None:
        """Wait before the next attempt; `Unreachable` after the last one."""
        pause_s = next(pauses, None)
        if pause_s is None:
            raise Unreachable(
                f"no answer from {self.url} ({error}); `sweeper serve` starts the service"
            ) from error
        time.sleep(pause_s)

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        pauses = self.retries.pauses_s()
        while True:
            try:
                answer = self._http.send(request)
            except httpx2.TransportError as error:
                self.pause_or_raise(pauses, error)
                continue
            if answer.status_code in RETRIED and (pause_s := next(pauses, None)) is not None:
                time.sleep(pause_s)
                continue
            raise_for_problem(answer)
            return answer


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidRequest((Problem("", f"JSON has no NaN and no infinity: {error}"),)) from None
    except TypeError as error:
        raise InvalidRequest((Problem("", f"JSON cannot hold it: {error}"),)) from None
