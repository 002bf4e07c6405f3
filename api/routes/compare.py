"""Sweeps over one axis side by side."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.deps import ServiceDep, Storable, Tolerance, WindowEnd
from api.routes.figures import JSON, Theme
from sweeper.analysis.compare import Comparison
from sweeper.analysis.verdict import MARGIN
from sweeper.comparing import MOST_SWEEPS, CompareOptions, check_window
from sweeper.plots.transfer import TransferOptions

router = APIRouter(tags=["curves"])

SweepIds = Annotated[
    list[Annotated[str, Storable]],
    Query(
        alias="sweep",
        min_length=1,
        max_length=MOST_SWEEPS,
        description="id of a sweep; repeated for several, which must be over one axis",
    ),
]
Margin = Annotated[
    float,
    Query(gt=0, le=10, allow_inf_nan=False, description="nats within which losses are equivalent"),
]


@router.get("/compare", operation_id="compare_sweeps")
def compare(
    service: ServiceDep,
    sweep: SweepIds,
    margin: Margin = MARGIN,
    tolerance: Tolerance = 0.05,
    low: WindowEnd = None,
    high: WindowEnd = None,
) -> Comparison:
    """Variants side by side: numbers with intervals, verdicts, equal compute, transfer over sizes.

    Pairs are judged within a scale: "better", "worse", "equivalent" or "not distinguishable".
    """
    options = CompareOptions(tolerance=tolerance, margin=margin, window=check_window(low, high))
    return service.compare(sweep, options)


@router.get(
    "/compare/figure",
    operation_id="get_transfer_figure",
    response_class=Response,
    responses=JSON,
)
def figure(service: ServiceDep, sweep: SweepIds, theme: Theme = "light") -> Response:
    """Best values against the size of the model, with fits and predictions, as plotly JSON."""
    drawn = service.figures.transfer(sweep, TransferOptions(theme=theme))
    return Response(drawn, media_type="application/json")
