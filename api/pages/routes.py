"""The routes of the pages: read, fill a context, render."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.deps import (
    Archived,
    Cursor,
    Search,
    ServiceDep,
    SweepId,
    Tag,
    Tolerance,
    TrialId,
)
from api.health import Check, readiness
from api.pages import build, form
from api.pages.comparison import TOO_MANY, WAITING, ComparisonSection, comparison_section
from api.pages.contexts import ListPage, RoutesPage
from api.pages.progress import ENDED
from api.pages.render import page
from sweeper.comparing import MOST_CURVES, CompareOptions
from sweeper.reading import CurvesView
from sweeper.service import Service
from sweeper.storage.records import Event
from sweeper.trials import SweepState
from trainers.metrics import SPEEDS

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 50


@router.get("/")
def sweeps(
    service: ServiceDep,
    request: Request,
    state: str = "",
    search: Search = "",
    tag: Tag = None,
    archived: Archived = False,
    cursor: Cursor = None,
) -> HTMLResponse:
    """The list of sweeps; an unknown state lists all."""
    known = [name.value for name in SweepState]
    chosen = SweepState(state) if state in known else None
    found = service.sweeps(
        limit=PAGE_SIZE,
        cursor=cursor,
        state=chosen,
        search=search,
        tag=tag or None,
        archived=archived,
    )
    context = ListPage(
        rows=[build.list_row(sweep) for sweep in found.items],
        state=state,
        search=search,
        states=known,
        tag=tag or "",
        tags=service.tags(),
        archived=archived,
        next_page=build.next_page(request.query_params.multi_items(), found.next),
        filtered=bool(state or search or tag or archived or cursor),
        warnings=_warnings(service, request),
        first_sweep=build.first_sweep(_base_url(request)),
    )
    return page(context)


@router.get("/sweeps/{sweep_id}")
def sweep(
    service: ServiceDep,
    request: Request,
    sweep_id: SweepId,
    tolerance: Tolerance = 0.05,
) -> HTMLResponse:
    """One sweep, live."""
    view = service.curves(sweep_id, tolerance)
    running = view.sweep.state is SweepState.RUNNING
    return page(
        build.sweep_page(
            view,
            comparison=_comparison(service, view, tolerance),
            events=_all_events(service, sweep_id),
            # Only a running sweep has a time left to tell.
            trials=build.work(service.store.results.trials(sweep_id)) if running else [],
            tolerance=tolerance,
            warnings=_warnings(service, request),
            base_url=_base_url(request),
        )
    )


@router.get("/trials/{trial_id}")
def trial(service: ServiceDep, trial_id: TrialId) -> HTMLResponse:
    """One trial."""
    speeds = service.metrics(trial_id, SPEEDS)
    return page(build.trial_page(service.trial(trial_id), service.log(trial_id), speeds))


@router.get("/new")
def new(service: ServiceDep) -> HTMLResponse:
    """The form; the script fills it from the query string."""
    return page(form.new_page(service))


@router.get("/api")
def routes(request: Request) -> HTMLResponse:
    """The REST routes."""
    return page(RoutesPage(routes=build.route_rows(request.app.openapi())))


def _comparison(service: Service, view: CurvesView, tolerance: float) -> ComparisonSection:
    """Of a sweep that has ended; until then, why there is none. Searches are not compared."""
    if view.sweep.state not in ENDED or not view.curves or view.sweep.is_search:
        return WAITING
    if len(view.curves) > MOST_CURVES:
        return TOO_MANY
    return comparison_section(service.compare([view.sweep.id], CompareOptions(tolerance=tolerance)))


def _all_events(service: Service, sweep_id: str) -> list[Event]:
    """Every event, read in parts."""
    found: list[Event] = []
    while part := service.events(sweep_id, found[-1].id if found else 0):
        found += part
    return found


def _warnings(service: Service, request: Request) -> list[Check]:
    """What keeps sweeps from being trained. A beat seen for the first time proves nothing yet."""
    watch = request.app.state.beat_watch
    return [check for check in readiness(service, watch) if not (check.ok or check.pending)]


def _base_url(request: Request) -> str:
    """The address that the reader used; the Host is on the allow-list."""
    return f"{request.url.scheme}://{request.headers['host']}"
