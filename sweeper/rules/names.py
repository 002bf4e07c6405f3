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
    yield from unknown_optimizers(spec)
    for kind, known in (("scales", SCALES), ("architectures", ARCHITECTURES)):
        for i, name in enumerate(getattr(spec, kind)):
            yield from unknown(kind[:-1], name, known, kind, i)
        yield from repeated(getattr(spec, kind), kind)
    yield from unknown("data set", spec.data, data, "data")
    yield from repeated(spec.seeds, "seeds")


def unknown_optimizers(spec: SweepSpec) -> Iterator[Problem]:
    """Optimizers that there are not here, or not any more."""
    for i, optimizer in enumerate(spec.optimizers):
        try:
            known_optimizers.registered(optimizer.name)
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
