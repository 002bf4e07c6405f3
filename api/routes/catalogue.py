"""What a sweep can name: optimizers, scales, presets, data sets."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from api.deps import ServiceDep
from api.models import Listing, Out
from sweeper import optimizer_info
from sweeper import service as use_cases
from sweeper.service import Service
from trainers.config import DataConfig
from trainers.token_files import TRAIN, VALIDATION, read_manifest

router = APIRouter(tags=["catalogue"])


class HyperparameterOut(Out):
    """A number that can be set or swept: its range in words, its default and what it does."""

    name: str
    default: float
    rule: str
    help: str
    origin: str = Field(description="whose default it is")


class OptionOut(Out):
    """A setting that the trials of a stack share: a whole number, or a switch."""

    name: str
    default: bool | int
    rule: str
    help: str
    origin: str = Field(description="whose default it is")


class OptimizerOut(Out):
    """An optimizer or training function: all that can be swept on it, and what it costs."""

    name: str
    summary: str
    source: str
    lr: float | None = Field(
        description="learning rate at the centre of a sweep; null of a function without one"
    )
    schedule: str = Field(
        description="of a run that does not choose one; own: it is a training function's affair"
    )
    hyperparameters: list[HyperparameterOut]
    options: list[OptionOut]
    state_bytes: float | None = Field(
        description="per parameter, for the 150m scale with defaults; null if not measured"
    )
    extra_flops: str = Field(description="operations of one update, beyond those of the gradient")


class ScaleOut(Out):
    """A model size."""

    name: str
    width: int
    layers: int
    heads: int
    sequence_length: int
    batch_size: int
    precision: str
    parameters: int = Field(description="parameters of the model, embeddings excluded")
    steps: int = Field(description="length of a run that does not say")


class PresetOut(Out):
    """A sweep to start from, as `POST sweeps` takes it."""

    name: str
    summary: str
    study: str | None = Field(description="file of the reference study whose jobs these are")
    sweep: dict[str, Any]


class DatasetOut(Out):
    """A token data set that sweeps can name."""

    name: str
    vocabulary: int
    tokens: int = Field(description="to train on, as its manifest says")
    validation_tokens: int = Field(description="held out")
    sha256: str = Field(description="over all its files; part of the identity of a trial")


@router.get("/optimizers", operation_id="list_optimizers")
def optimizers() -> Listing[OptimizerOut]:
    """The optimizers, each with every hyperparameter that can be set or swept."""
    return Listing(items=[_optimizer(info) for info in optimizer_info.optimizers()])


@router.get("/scales", operation_id="list_scales")
def scales() -> Listing[ScaleOut]:
    """The model sizes; lengths and parameter counts are those with the embedded data set."""
    return Listing(
        items=[
            ScaleOut(
                name=name,
                width=scale.width,
                layers=scale.layers,
                heads=scale.heads,
                sequence_length=scale.sequence_length,
                batch_size=scale.batch_size,
                precision=scale.precision,
                parameters=scale.model(256).num_parameters(embeddings=False),
                steps=scale.default_steps(scale.model(256), scale.batch_size),
            )
            for name, scale in use_cases.scales().items()
        ]
    )


@router.get("/presets", operation_id="list_presets")
def presets() -> Listing[PresetOut]:
    """Ready-made sweeps; `sweep` is a body for `POST sweeps`."""
    found = use_cases.all_presets()
    return Listing(
        items=[
            PresetOut(name=p.name, summary=p.summary, study=p.study, sweep=dict(p.sweep))
            for p in found
        ]
    )


@router.get("/datasets", operation_id="list_datasets")
def datasets(service: ServiceDep) -> Listing[DatasetOut]:
    """The token data sets; `embedded` is always there."""
    return Listing(items=[_dataset(service, config) for config in service.datasets().values()])


def _dataset(service: Service, config: DataConfig) -> DatasetOut:
    manifest = read_manifest(service.datasets_dir / config.name)
    return DatasetOut(
        name=config.name,
        vocabulary=config.vocabulary,
        tokens=manifest.num_tokens(TRAIN),
        validation_tokens=manifest.num_tokens(VALIDATION),
        sha256=config.sha256,
    )


def _optimizer(info: optimizer_info.OptimizerInfo) -> OptimizerOut:
    return OptimizerOut(
        name=info.name,
        summary=info.summary,
        source=info.source,
        lr=info.lr,
        hyperparameters=[
            HyperparameterOut.model_validate(info.setting(name)) for name in info.hyperparameters
        ],
        schedule=info.schedule,
        options=[OptionOut.model_validate(info.setting(name)) for name in info.options],
        state_bytes=info.cost.state_bytes,
        extra_flops=info.cost.extra_flops,
    )
