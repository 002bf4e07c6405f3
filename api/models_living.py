"""What the routes answer that change a sweep which is there."""

from pydantic import Field

from api.models import Out, TrialCounts
from sweeper.trials import SweepState


class ExtensionOut(Out):
    """Points that a sweep got; `trials` are those of the added points."""

    id: str
    state: SweepState
    added: int
    there: int = Field(description="points asked for that were there already")
    trials: TrialCounts
