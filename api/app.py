"""The web application, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from api import errors, health
from api.head import HeadAsGet
from api.openapi import PROBLEM_RESPONSE, Application
from api.pages import routes as pages
from api.routes import (
    catalogue,
    compare,
    curves,
    events,
    figures,
    heatmap,
    imports,
    intents,
    living,
    results,
    search,
    sweeps,
    trials,
)
from api.security import BodyLimit, Guard
from api.settings import Settings
from api.shutdown import set_on_signal
from api.static_files import router as static_files
from sweeper.service import Service
from sweeper.storage.store import Store, open_store

DESCRIPTION = """\
One-dimensional hyperparameter sweeps of language-model optimizers: submit a sweep, follow its
events, read its curves. Errors are `application/problem+json` (RFC 9457) of one shape."""


def create_app(store: Store | None = None, settings: Settings | None = None) -> FastAPI:
    """The application over a store; what is not given comes from the environment.

    A store that was opened here is closed at shutdown, one that was given is left alone.
    """
    chosen = settings or Settings.from_environment()
    chosen.data_dir.mkdir(parents=True, exist_ok=True)
    opened = open_store(chosen.database) if store is None else store

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.closing = asyncio.Event()
        with set_on_signal(app.state.closing):
            yield
        app.state.closing.set()
        if store is None:
            opened.close()

    app = Application(
        title="Sweeper",
        version=version("sweeper"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = Service(
        opened, chosen.data_dir / "datasets", confirm_above_hours=chosen.confirm_above_hours
    )
    app.state.beat_watch = health.BeatWatch()
    app.include_router(_api())
    app.include_router(health.router)
    app.include_router(static_files)
    app.include_router(pages.router)
    errors.install(app)
    # The last one added is the outermost.
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit)
    app.add_middleware(errors.UnexpectedErrors)
    app.add_middleware(Guard, allowed_hosts=chosen.allowed_hosts)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSE)
    # `preview` stands before `{sweep_id}`, and `results.csv` is no sweep.
    modules = (
        sweeps,
        imports,
        intents,
        living,
        curves,
        heatmap,
        figures,
        results,
        search,
        trials,
        events,
        compare,
        catalogue,
    )
    for module in modules:
        api.include_router(module.router)
    return api
