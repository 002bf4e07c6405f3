"""Names of a sweep: those that there must be, and those that must not repeat. Pure."""

from collections.abc import Iterator, Mapping

from sweeper.errors import Problem
from sweeper.rules.problems import repeated, unknown
from sweeper.shape import pointer
from sweeper.spec import SweepSpec
from sweeper.variants import variant_label
from trainers import optimizers as known_optimizers
from trainers.config import DataConfig
from trainers.scales import ARCHITECTURES, SCALES


def unknown_names(spec: SweepSpec, data: Mapping[str, DataConfig]) -> Iterator[Problem]:
    """Optimizers, scales, architectures, data: known, and named once where they multiply."""
    names = [optimizer.name for optimizer in spec.optimizers]
    for i, name in enumerate(names):
        yield from _unknown_optimizer(name, i)
    for kind, known in (("scales", SCALES), ("architectures", ARCHITECTURES)):
        for i, name in enumerate(getattr(spec, kind)):
            yield from unknown(kind[:-1], name, known, kind, i)
        yield from repeated(getattr(spec, kind), kind)
    yield from unknown("data set", spec.data, data, "data")
    yield from repeated(spec.seeds, "seeds")


def _unknown_optimizer(name: str, i: int) -> Iterator[Problem]:
    try:
        known_optimizers.registered(name)
    except ValueError as error:
        yield Problem(pointer("optimizers", i), str(error))


def equal_labels(spec: SweepSpec) -> Iterator[Problem]:
    """Curves are told apart by their labels."""
    labels = [variant_label(spec, optimizer) for optimizer in spec.optimizers]
    for i, label in enumerate(labels):
        if label in labels[:i]:
            yield Problem(
                pointer("optimizers", i, "label"),
                f"must differ from the others of the sweep, but {label!r} is taken",
            )
