"""What went wrong, as HTTP: one table, and the handlers that read it."""

import http
import logging
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.pages.contexts import ErrorPage
from api.pages.render import page
from api.problems import BROKEN_JSON, UNEXPECTED, BrokenJson, Kind, problem
from sweeper import errors
from sweeper.errors import Problem

logger = logging.getLogger(__name__)

KINDS: Mapping[type[errors.SweeperError], Kind] = {
    errors.NotFound: Kind(
        status=404, slug="not-found", title="Not found", hint="the lists name what there is"
    ),
    errors.Conflict: Kind(
        status=409, slug="conflict", title="Not in this state", hint="read it again, then decide"
    ),
    errors.InvalidRequest: Kind(
        status=422,
        slug="invalid-request",
        title="The request breaks a rule",
        hint="errors[] names each field, the rule, the value and the choices; nothing was stored",
    ),
    errors.NeedsConfirmation: Kind(
        status=428,
        slug="needs-confirmation",
        title="The sweep is large",
        hint="send it again with ?confirm=true; nothing was stored",
    ),
    errors.KeyReused: Kind(
        status=422,
        slug="key-reused",
        title="The Idempotency-Key came with another body before",
        hint="use a new key for a new request",
    ),
    errors.Unavailable: Kind(
        status=503, slug="unavailable", title="Not now", hint="try again after Retry-After seconds"
    ),
    errors.StorageFull: Kind(
        status=507, slug="storage-full", title="No space is left", hint="make room, then try again"
    ),
    errors.SchemaMismatch: Kind(
        status=503,
        slug="schema-mismatch",
        title="The database is of another version",
        hint="run `sweeper doctor` where the service runs",
    ),
    errors.SweeperError: UNEXPECTED,
}
"""The nearest class in the method resolution order decides."""

RETRY_AFTER_S = 2


class UnexpectedErrors:
    """ASGI middleware: an exception that nobody foresaw becomes a problem like any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or tell that it could not be answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            request_id = scope["state"]["request_id"]
            logger.exception("request %s failed", request_id)
            if started:
                raise
            answer = problem(UNEXPECTED, "see the log", request_id=request_id)
            await answer(scope, receive, send)


def install(app: FastAPI) -> None:
    """Have the application answer every error as a problem."""
    app.add_exception_handler(errors.SweeperError, _sweeper_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(BrokenJson, _broken_json)


def kind_of(error: errors.SweeperError) -> Kind:
    """The row of the table for this error."""
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def _sweeper_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.SweeperError)  # noqa: S101 - registered for nothing else
    kind = kind_of(error)
    if kind.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request.state.request_id, exc_info=error)
    found = error.problems if isinstance(error, errors.InvalidRequest) else ()
    retry = {"retry-after": str(RETRY_AFTER_S)} if kind.status == 503 else None
    return _answer(request, kind, str(error), found, retry)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    found = tuple(
        Problem(_pointer(e["loc"]), f"{e['msg']}, but got {e['input']!r:.100}")
        for e in error.errors()
    )
    detail = "; ".join(f"{p.pointer}: {p.message}" for p in found)
    return _answer(request, KINDS[errors.InvalidRequest], detail, found)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    status = http.HTTPStatus(error.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    hint = "GET /openapi.json lists the routes"
    kind = Kind(status=status.value, slug=slug, title=status.phrase, hint=hint)
    detail = f"{request.method} {quote(request.scope['path'])}: {error.detail}"
    return _answer(request, kind, detail, headers=error.headers)


def _broken_json(request: Request, error: Exception) -> Response:
    return _answer(request, BROKEN_JSON, str(error))


def _answer(
    request: Request,
    kind: Kind,
    detail: str,
    found: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem, as a page for who reads pages."""
    request_id = request.state.request_id
    if _wants_page(request):
        context = ErrorPage(
            status=kind.status, title=kind.title, detail=detail, request_id=request_id
        )
        return page(context, status=kind.status)
    return problem(kind, detail, request_id=request_id, errors=found, headers=headers)


def _wants_page(request: Request) -> bool:
    is_api = request.scope["path"].startswith("/api/")
    return not is_api and "text/html" in request.headers.get("accept", "")


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer into the body; `query/limit` and the like for what is not in it."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "/" + "/".join(parts[1:]) if parts[0] == "body" else "/".join(parts)
