"""The figures of a sweep and of a trial, as plotly JSON or a page."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.deps import ServiceDep, SweepId, Tolerance, TrialId
from sweeper.plots.effective_lr import EffectiveLrOptions
from sweeper.plots.heatmap import HeatMapOptions
from sweeper.plots.stability import StabilityOptions
from sweeper.plots.training import TrainingOptions
from sweeper.plots.transfer import TransferOptions

router = APIRouter(tags=["figures"])

Theme = Annotated[Literal["light", "dark"], Query(description="colours for this background")]
Part = Annotated[bool, Query(description="whether this part is drawn")]
OfSweep = Annotated[
    Literal["stability", "heatmap", "transfer"],
    Query(description="losses over the axis, over both axes of two, or best values over sizes"),
]
JSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}}}}
HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}


@router.get(
    "/sweeps/{sweep_id}/figure",
    operation_id="get_figure",
    response_class=Response,
    responses=JSON,
)
def sweep_figure(
    service: ServiceDep,
    sweep_id: SweepId,
    figure: OfSweep = "stability",
    theme: Theme = "light",
    seeds: Part = True,
    intervals: Part = True,
    diverged: Part = True,
    tolerance: Tolerance = 0.05,
) -> Response:
    """Final loss against the swept hyperparameter: `plotly.graph_objects.Figure(answer)`."""
    if figure == "heatmap":
        drawn = service.figures.heat_map(sweep_id, HeatMapOptions(theme=theme))
    elif figure == "transfer":
        drawn = service.figures.transfer([sweep_id], TransferOptions(theme=theme))
    else:
        shown = StabilityOptions(theme=theme, seeds=seeds, intervals=intervals, diverged=diverged)
        drawn = service.figures.sweep(sweep_id, shown, tolerance)
    return Response(drawn, media_type="application/json")


@router.get(
    "/sweeps/{sweep_id}/figure.html",
    operation_id="get_figure_page",
    response_class=Response,
    responses=HTML,
)
def figure_page(service: ServiceDep, sweep_id: SweepId, figure: OfSweep = "stability") -> Response:
    """The figure as a page of its own, to keep: it opens anywhere and contacts nobody."""
    name = f'attachment; filename="sweep-{sweep_id}.html"'
    pages = {
        "stability": service.figures.sweep_page,
        "heatmap": service.figures.heat_map_page,
        "transfer": service.figures.transfer_page,
    }
    page = pages[figure](sweep_id)
    return Response(page, media_type="text/html", headers={"content-disposition": name})


@router.get(
    "/sweeps/{sweep_id}/report.html",
    operation_id="get_report",
    response_class=Response,
    responses=HTML,
)
def report(service: ServiceDep, sweep_id: SweepId) -> Response:
    """All that is known of a sweep as one page, to keep and to print: it contacts nobody."""
    name = f'attachment; filename="report-{sweep_id}.html"'
    page = service.figures.report(sweep_id)
    return Response(page, media_type="text/html", headers={"content-disposition": name})


@router.get(
    "/trials/{trial_id}/figure",
    operation_id="get_training_figure",
    response_class=Response,
    responses=JSON,
)
def training_figure(
    service: ServiceDep,
    trial_id: TrialId,
    theme: Theme = "light",
    figure: Annotated[
        Literal["training", "effective_lr"], Query(description="losses, or learning rates per role")
    ] = "training",
) -> Response:
    """Losses of a trial, or what its optimizer multiplied gradients with, against the step."""
    if figure == "effective_lr":
        drawn = service.figures.effective_lr(trial_id, EffectiveLrOptions(theme=theme))
        return Response(drawn, media_type="application/json")
    drawn = service.figures.training(trial_id, TrainingOptions(theme=theme))
    return Response(drawn, media_type="application/json")
