"""What a sweep asks for, before anything is stored."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import InvalidRequest, Problem
from sweeper.expand import expand
from sweeper.spec import SweepSpec
from sweeper.trials import Expansion, Variant
from trainers.config import DataConfig
from trainers.data import dataset, verify
from trainers.flops import training_flops
from trainers.token_files import DataError, known_names


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a sweep would ask for, before anything is stored.

    `flops` and `tokens` are those of the `new` trials, as far as they are known: those of training
    functions are not. The `shared` ones are there already.
    """

    variants: tuple[Variant, ...]
    points: int
    total: int
    new: int
    shared: int
    tokens: int
    flops: float


def whole_expansion(
    spec: SweepSpec, data: Mapping[str, DataConfig], datasets_dir: Path, salt: str = ""
) -> Expansion:
    """The points and trials of a sweep whose data set is whole; raises `InvalidRequest`."""
    if spec.data in known_names(datasets_dir):
        try:
            verify(datasets_dir, dataset(datasets_dir, spec.data))
        except DataError as error:
            raise InvalidRequest((Problem("/data", str(error)),)) from None
    return expand(spec, data, salt)


def preview(expansion: Expansion, known: Collection[str]) -> Preview:
    """What is to be stored, if the trials with the `known` fingerprints are there already."""
    new = [trial.config for trial in expansion.trials if trial.fingerprint not in known]
    ours = [config for config in new if not config.is_function]
    return Preview(
        variants=expansion.variants,
        points=len(expansion.points),
        total=len(expansion.trials),
        new=len(new),
        shared=len(expansion.trials) - len(new),
        tokens=sum(config.tokens for config in ours),
        flops=sum(training_flops(config) for config in ours),
    )
