"""What goes wrong between a client and a service, and how an answer says so."""

from collections.abc import Mapping
from typing import Any

import httpx2

from sweeper.errors import (
    Conflict,
    InvalidRequest,
    KeyReused,
    NeedsConfirmation,
    NotFound,
    Problem,
    SchemaMismatch,
    StorageFull,
    SweeperError,
    Unavailable,
)


class Unreachable(SweeperError):
    """Nothing answers at this address; start the service with `sweeper serve`."""


class TimedOut(SweeperError):
    """The sweep did not end in the time given; it goes on."""


class Refused(SweeperError):
    """The service refused the request; `problem` holds its whole answer (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.problem = problem
        super().__init__(problem.get("detail") or problem.get("title"))


_ERRORS: Mapping[str, type[SweeperError]] = {
    "not-found": NotFound,
    "conflict": Conflict,
    "key-reused": KeyReused,
    "needs-confirmation": NeedsConfirmation,
    "unavailable": Unavailable,
    "storage-full": StorageFull,
    "schema-mismatch": SchemaMismatch,
}


def raise_for_problem(answer: httpx2.Response) -> None:
    """Raise what the answer says is wrong, if it says so."""
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


def json_object(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an answer; `Refused` for what only another server would say."""
    try:
        return dict(answer.json())
    except ValueError:
        kind = answer.headers.get("content-type", "no content-type")
        detail = f"{answer.url} answers {answer.status_code} with {kind}, as no sweeper does"
        raise Refused({"status": answer.status_code, "detail": detail}) from None


def check_address(url: str) -> None:
    """Raise ValueError unless it is the address of a service."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"the address of a service is needed, but got {url!r}: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(
            f"an address begins with http:// or https:// and names a host, but got {url!r}"
        )
