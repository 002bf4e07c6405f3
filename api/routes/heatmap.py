"""The heat maps of a sweep of two axes, in numbers."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from api.deps import ServiceDep, SweepId
from api.models import Listing, Out

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["curves"])


class HeatMapCell(Out):
    """What one value of the first axis has at one of the second; losses in nats, over the seeds."""

    value: float
    loss: float | None = Field(description="mean over the finite seeds, as they ended")
    seeds: int = Field(description="finished ones")
    total: int
    diverged: int
    failed: int
    above_initial: int
    trial_ids: list[str]


class RidgePointOut(Out):
    """The best of the first axis at one value of the second."""

    second: float
    value: float | None
    loss: float | None
    interpolated: bool = Field(description="if not, value and loss are of the grid")
    edge: Literal["low", "high"] | None = Field(description="where better ones may lie beyond")
    reason: str | None = Field(description="why it is not interpolated, or there is none")


class HeatMapRow(Out):
    """All of one value of the second axis."""

    second: float
    cells: list[HeatMapCell]
    ridge: RidgePointOut


class HeatMapBest(Out):
    """The cell with the lowest mean loss."""

    value: float
    second: float
    loss: float


class HeatMapOut(Out):
    """Final loss over two hyperparameters, for one optimizer at one scale."""

    label: str
    optimizer: str
    scale: str
    architecture: str
    parameter: str
    axis_scale: str
    second_parameter: str
    second_scale: str
    rows: list[HeatMapRow] = Field(description="by ascending value of the second axis")
    best: HeatMapBest | None


@router.get("/heatmap", operation_id="get_heat_maps")
def heat_maps(service: ServiceDep, sweep_id: SweepId) -> Listing[HeatMapOut]:
    """One map per optimizer of a sweep of two axes, with its ridge; none of another sweep."""
    maps = service.curves(sweep_id).heat_maps
    return Listing(items=[HeatMapOut.model_validate(heat_map) for heat_map in maps])
