"""Every rule that a sweep must keep, each relying on those before it. Pure."""

from collections.abc import Mapping

from sweeper.errors import InvalidRequest
from sweeper.rules import axis, names, settings
from sweeper.spec import SweepSpec
from trainers.config import DataConfig


def check(spec: SweepSpec, data: Mapping[str, DataConfig]) -> None:
    """Raise `InvalidRequest` with everything that is wrong, if anything is."""
    problems = (
        list(names.unknown_names(spec, data))
        or list(settings.out_of_range(spec))
        or list(axis.missing(spec))
        or list(settings.without_effect(spec))
        or [
            *settings.given_twice(spec),
            *settings.chained_ties(spec),
            *names.equal_labels(spec),
            *axis.bad_bounds(spec),
        ]
        or list(axis.too_many(spec))
        or list(axis.bad_values(spec))
    )
    if problems:
        raise InvalidRequest(tuple(problems))
