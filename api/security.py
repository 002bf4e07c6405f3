"""What every request passes before the application: pure ASGI, outermost first.

Loopback is no boundary: any page in the user's browser can ask it, under any name that resolves to
127.0.0.1 (CVE-2025-62593). So the Host must be one of ours, a page of another origin may change
nothing, and bodies must be JSON, which a foreign form cannot send.
"""

import uuid
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import BAD_HOST, BODY_TOO_LARGE, FOREIGN_ORIGIN, NOT_JSON, Kind, problem

MAX_BODY_BYTES = 1024 * 1024
LARGE_BODIES: Mapping[str, int] = {"/api/v1/sweeps/import": 16 * MAX_BODY_BYTES}
"""Ten thousand results with their configurations."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # plotly.js sets style attributes (plotly.js#7109)
        "style-src 'self' 'unsafe-inline'",
        # plotly.js builds the picture of a download as a blob (plotly.js#4585)
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware: request id, headers of every response, and the refusals of this module."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["x-request-id"] = request_id
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = next(self._refusals(scope), None)
        if refusal is not None:
            answer = problem(*refusal, request_id=request_id)
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _refusals(self, scope: Scope) -> Iterator[tuple[Kind, str]]:
        headers = Headers(scope=scope)
        yield from _host_refusal(headers, self._allowed_hosts)
        if scope["method"] not in SAFE_METHODS:
            yield from _origin_refusal(headers)
            yield from _media_type_refusal(headers)


class BodyLimit:
    """ASGI middleware: ends a body at the limit while it arrives, whatever its length claims."""

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = max(self._limit, LARGE_BODIES.get(scope["path"], 0))
        claimed = Headers(scope=scope).get("content-length", "0")
        if claimed.isdigit() and int(claimed) > limit:
            await self._refuse(limit, scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLarge
            return message

        try:
            await self._app(scope, limited, send)
        except _TooLarge:
            await self._refuse(limit, scope, receive, send)

    async def _refuse(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"a body has at most {limit} bytes"
        request_id = scope["state"]["request_id"]
        await problem(BODY_TOO_LARGE, detail, request_id=request_id)(scope, receive, send)


class _TooLarge(Exception):
    """The body has passed the limit."""


def _host_refusal(headers: Headers, allowed: frozenset[str]) -> Iterator[tuple[Kind, str]]:
    hosts = headers.getlist("host")
    if len(hosts) != 1:
        yield BAD_HOST, f"a request has one Host header, but this one has {len(hosts)}"
    elif host_name(hosts[0]) not in allowed:
        yield BAD_HOST, f"unknown host {hosts[0]!r}; known: {', '.join(sorted(allowed))}"


def _origin_refusal(headers: Headers) -> Iterator[tuple[Kind, str]]:
    """The rule of Go 1.25's CrossOriginProtection; what is no browser sends neither header."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        if site not in ("same-origin", "none"):
            yield FOREIGN_ORIGIN, f"Sec-Fetch-Site is {site!r}; allowed: same-origin, none"
    elif origin is not None and _authority(origin) != headers["host"].lower():
        yield FOREIGN_ORIGIN, f"Origin is {origin!r}, but the Host is {headers['host']!r}"


def _authority(origin: str) -> str:
    """Host and port of an origin; nothing of one that is no address, which then equals no host."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _media_type_refusal(headers: Headers) -> Iterator[tuple[Kind, str]]:
    media_type = headers.get("content-type")
    empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    if media_type is None and empty:
        return
    if (media_type or "").partition(";")[0].strip().lower() != "application/json":
        yield NOT_JSON, f"content-type must be application/json, but got {media_type!r}"


def host_name(host: str) -> str:
    """The name without the port, lower case; brackets of an IPv6 address stay."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
