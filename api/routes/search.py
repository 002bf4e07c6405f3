"""What a search has found."""

from fastapi import APIRouter
from pydantic import Field

from api.deps import ServiceDep, SweepId
from api.models import Listing, Out

router = APIRouter(prefix="/sweeps/{sweep_id}", tags=["curves"])


class CandidateOut(Out):
    """Values that were asked for."""

    number: int = Field(description="in the order of asking")
    values: dict[str, float]
    loss: float | None = Field(
        description="mean over seeds of min(final, initial loss); null while it has none"
    )
    trial_ids: list[str] = Field(description="by ascending seed")
    failed: bool = Field(description="whether it will never have a loss")


class SearchedOut(Out):
    """What is known of one variant; `best` has the lowest loss."""

    label: str
    optimizer: str
    scale: str
    candidates: list[CandidateOut]
    best: CandidateOut | None


@router.get("/search", operation_id="get_search")
def search(service: ServiceDep, sweep_id: SweepId) -> Listing[SearchedOut]:
    """The candidates of a search with their losses, the best of each variant; else none."""
    found = service.curves(sweep_id).searched
    return Listing(items=[SearchedOut.model_validate(each) for each in found])
