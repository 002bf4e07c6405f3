"""What a preview says about the stacks of a sweep and the time they would take."""

from typing import Literal

from pydantic import Field

from api.models import Out, TrialCounts


class MachineOut(Out):
    """What there is to train on; `device` is empty where it may be of several kinds."""

    cpus: int
    gpus: int
    gpu_memory_bytes: int
    device: str


class StackKindOut(Out):
    """Stacks of a sweep that differ in nothing but their trials; `size` is K."""

    optimizer: str
    scale: str
    precision: str
    parameters: int
    size: int
    count: int
    threads: int
    micro_batch: int | None = Field(description="sequences of each trial computed at once")
    memory_bytes: float | None = Field(description="of one such stack at its peak, by a model")
    seconds: float = Field(description="that one such stack takes")
    measured: bool = Field(description="whether a stack of this shape has run on this device")


class ForecastOut(Out):
    """The stacks of the new trials, on this machine with nothing else to do."""

    machine: MachineOut
    machine_known: bool = Field(description="false: no dispatcher has told yet what there is")
    kinds: list[StackKindOut]
    unfit: int = Field(description="trials that fit into no device here")
    device_hours: float = Field(description="of GPUs where there are any, else of CPU cores")
    wall_hours: float
    source: Literal["measured", "model", "both"] = Field(description="where the times come from")
    rounds_hours: float = Field(
        description="device-hours of what rounds may add, a point as a new trial"
    )


class PreviewOut(Out):
    """What a submission would cost; nothing is stored."""

    variants: int
    points: int
    may_add: int = Field(description="points that bracketing and refinement may add at most")
    trials: TrialCounts
    flops: float = Field(description="floating-point operations of the new trials, estimated")
    tokens: int = Field(description="tokens read by the new trials")
    forecast: ForecastOut
