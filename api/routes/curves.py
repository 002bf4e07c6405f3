"""The curves of a sweep, their numbers and their figure."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.deps import ServiceDep, SweepId, Tolerance, WindowEnd, conditional
from api.models import CurveOut, CurvesOut, Listing, StabilityOut
from sweeper.analysis.curves import to_json
from sweeper.comparing import check_window

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["curves"])


@router.get("/curves", operation_id="get_curves", response_model=CurvesOut)
def curves(service: ServiceDep, request: Request, sweep_id: SweepId) -> Response:
    """One curve per variant: mean, interval and counts per value, and its numbers. Has an ETag."""
    view = service.curves(sweep_id)
    pairs = zip(view.curves, view.stabilities, strict=True)
    items = [CurveOut.model_validate(to_json(curve, numbers)) for curve, numbers in pairs]
    answer = CurvesOut(sweep_id=view.sweep.id, state=view.sweep.state, items=items)
    return conditional(request, answer)


@router.get("/stability", operation_id="get_stability")
def stability(
    service: ServiceDep,
    sweep_id: SweepId,
    tolerance: Tolerance = 0.05,
    low: WindowEnd = None,
    high: WindowEnd = None,
) -> Listing[StabilityOut]:
    """The numbers alone: best value and loss, optimum, sensitivity, basin; each with an interval.

    `low` and `high` are values of the axis, between which the sensitivity is taken once more.
    """
    view, estimates = service.estimates(sweep_id, tolerance, check_window(low, high))
    return Listing(
        items=[
            StabilityOut(
                label=curve.label,
                optimizer=curve.optimizer,
                scale=curve.scale,
                architecture=curve.architecture,
                stability=numbers,
                estimates=found,
            )
            for curve, numbers, found in zip(view.curves, view.stabilities, estimates, strict=True)
        ]
    )
