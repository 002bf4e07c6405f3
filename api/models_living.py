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


class DeletionOut(Out):
    """What went with a sweep; `deleted` is false if there was none."""

    id: str
    deleted: bool
    points: int
    trials: int = Field(description="those that nothing else needs")


class SweepUseOut(Out):
    """What a sweep takes, in bytes; deleting it gives back what is its own."""

    id: str
    name: str
    trials: int
    own_trials: int = Field(description="trials that no other sweep has")
    measurements: int = Field(description="of its own trials")
    database: int = Field(description="estimated: the share of these measurements")
    checkpoints: int = Field(description="of the stacks that its trials are in")


class DiskUseOut(Out):
    """What everything takes, in bytes, as far as this process sees the folders."""

    database: int
    checkpoints: int
    datasets: int
    free: int = Field(description="left on the disk of the home folder")
    sweeps: list[SweepUseOut]
