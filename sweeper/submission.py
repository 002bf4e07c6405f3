"""What a sweep asks for, before anything is stored."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import InvalidRequest, NeedsConfirmation, Problem
from sweeper.expand import expand, expand_candidates
from sweeper.planning.forecast import Forecast, forecast
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Speeds, shape_key
from sweeper.rules.check import check
from sweeper.rules.rounds import most_points
from sweeper.search.asking import missing
from sweeper.search.rounds import first_candidates, imagined_candidates
from sweeper.spec import SweepSpec
from sweeper.storage.queue import Queue
from sweeper.trials import Expansion, Variant
from trainers.config import DataConfig
from trainers.data import dataset, verify
from trainers.flops import training_flops
from trainers.scales import SCALES
from trainers.token_files import (
    TRAIN,
    VALIDATION,
    DataError,
    Manifest,
    known_names,
    read_manifest,
)

TIMES_FROM = {
    "measured": "as stacks like these took here",
    "model": "by a model: no stack like these has run here",
    "both": "partly by a model: not every kind of stack has run here",
}


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a sweep would ask for, before anything is stored.

    `flops` and `tokens` are those of the `new` trials, as far as they are known: those of training
    functions are not. The `shared` ones are there already.
    """

    variants: tuple[Variant, ...]
    points: int
    may_add: int
    """Points that its rounds may add at most: bracketing and refinement."""
    total: int
    new: int
    shared: int
    tokens: int
    flops: float
    forecast: Forecast


def whole_expansion(
    spec: SweepSpec, data: Mapping[str, DataConfig], datasets_dir: Path
) -> Expansion:
    """The points and trials of a sweep whose data set is whole; raises `InvalidRequest`.

    Of a search they are those of its first round.
    """
    if spec.data not in known_names(datasets_dir):
        return _expansion(spec, data)
    try:
        verify(datasets_dir, dataset(datasets_dir, spec.data))
    except DataError as error:
        raise InvalidRequest((Problem("/data", str(error)),)) from None
    expansion = _expansion(spec, data)
    _check_windows(expansion, read_manifest(datasets_dir / spec.data))
    return expansion


def _expansion(spec: SweepSpec, data: Mapping[str, DataConfig]) -> Expansion:
    if spec.search is None:
        return expand(spec, data)
    check(spec, data)
    if message := missing(spec.search.sampler):
        raise InvalidRequest((Problem("/search/sampler", message),))
    return expand_candidates(spec, data[spec.data], first_candidates(spec))


def _check_windows(expansion: Expansion, manifest: Manifest) -> None:
    """Each part of the data set has a file with a window of every model's length."""
    needed = max(
        (t.config.model.sequence_length for t in expansion.trials if not t.config.is_function),
        default=0,
    )
    for part in (TRAIN, VALIDATION):
        longest = max((manifest.tokens.get(name, 0) for name in manifest.shards(part)), default=0)
        if longest < needed:
            fitting = [name for name, scale in SCALES.items() if scale.sequence_length <= longest]
            message = (
                f"windows of {needed} tokens are read, but no {part.removesuffix('.bin')} file of "
                f"the data set has more than {longest}; scales with shorter windows: "
                f"{', '.join(fitting) or 'none'}"
            )
            raise InvalidRequest((Problem("/data", message),))


def in_full(spec: SweepSpec, expansion: Expansion, data: Mapping[str, DataConfig]) -> Expansion:
    """All that an expanded sweep may come to train: of a search, candidates as good as any."""
    if spec.search is None:
        return expansion
    return expand_candidates(spec, data[spec.data], imagined_candidates(spec))


def preview(spec: SweepSpec, expansion: Expansion, known: Collection[str], queue: Queue) -> Preview:
    """What is to be stored, if the trials with the `known` fingerprints are there already."""
    new = [trial for trial in expansion.trials if trial.fingerprint not in known]
    ours = [trial.config for trial in new if not trial.config.is_function]
    machine = queue.machine()
    one_of_each = {trial.stack_key: trial.config for trial in new}.values()
    measured = queue.speeds({shape_key(config) for config in one_of_each})
    may_add = most_points(spec)
    speeds = Speeds(machine or Machine(cpus=os.cpu_count() or 1), measured)
    return Preview(
        variants=expansion.variants,
        points=len(expansion.points),
        may_add=may_add,
        total=len(expansion.trials),
        new=len(new),
        shared=len(expansion.trials) - len(new),
        tokens=sum(config.tokens for config in ours),
        flops=sum(training_flops(config) for config in ours),
        forecast=forecast(
            expansion,
            new,
            speeds,
            machine_known=machine is not None,
            may_add=may_add,
        ),
    )


def refuse_if_large(found: Preview, limit_hours: float) -> None:
    """Raise `NeedsConfirmation` for more device-hours than the limit, those of rounds included."""
    hours = found.forecast.device_hours
    if hours + found.forecast.rounds_hours <= limit_hours:
        return
    rounds = (
        f"; its rounds may add {found.may_add} points, {found.forecast.rounds_hours:.3g} hours more"
        if found.may_add
        else ""
    )
    kind = "GPU-hours" if found.forecast.machine.gpus else "core-hours"
    raise NeedsConfirmation(
        f"device-hours <= {limit_hours:g} must hold without confirmation, but the {found.new} new "
        f"trials would take {hours:.3g} {kind}, {found.forecast.wall_hours:.3g} hours on this "
        f"machine ({TIMES_FROM[found.forecast.source]}){rounds}"
    )
