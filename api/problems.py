"""The one shape of an error: RFC 9457 `application/problem+json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.responses import Response

from sweeper.errors import Problem

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of problem: its status, the last part of its `type`, its title and the remedy."""

    status: int
    slug: str
    title: str
    hint: str

    @property
    def type(self) -> str:
        """What programs compare; it never changes for a kind."""
        return f"urn:sweeper:problem:{self.slug}"


BAD_HOST = Kind(
    status=400,
    slug="bad-host",
    title="This host name is not served",
    hint="ask by a loopback name, or list the name in SWEEPER_ALLOWED_HOSTS",
)
FOREIGN_ORIGIN = Kind(
    status=403,
    slug="foreign-origin",
    title="A page of another origin may not do this",
    hint="open the service's own page, or ask from a program",
)
BROKEN_JSON = Kind(
    status=400,
    slug="broken-json",
    title="The body is not JSON",
    hint="send one JSON object, encoded as UTF-8",
)
BODY_TOO_LARGE = Kind(
    status=413,
    slug="body-too-large",
    title="The body is too large",
    hint="name values by low, high and points instead of listing them",
)
NOT_JSON = Kind(
    status=415,
    slug="not-json",
    title="The body must be JSON",
    hint="send the header content-type: application/json",
)
UNEXPECTED = Kind(
    status=500,
    slug="unexpected",
    title="Something went wrong in the service",
    hint="the log of the service has the cause under this request_id",
)


class BrokenJson(Exception):
    """The body is not JSON."""


def problem(
    kind: Kind,
    detail: str,
    *,
    request_id: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that tells of a problem."""
    body: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "hint": kind.hint,
        "errors": [asdict(error) for error in errors],
        "request_id": request_id,
    }
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return Response(text, kind.status, headers, MEDIA_TYPE)
