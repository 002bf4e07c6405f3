"""What advances sweeps between claims: the next round of every curve that waits for one.

The dispatcher calls this in its loop. Everything is read anew each time, so that a process which
dies before a round is stored leaves the very same round to the next one.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress, groupby
from typing import TYPE_CHECKING, Any

from sweeper.adaptive.rounds import next_round
from sweeper.adaptive.steps import Added, Legal, Settled
from sweeper.analysis.curves import stability_curves
from sweeper.errors import Conflict, NotFound, SweeperError
from sweeper.expand import expand_candidates, further, optimizers_of
from sweeper.extension import check_same_runs, curve_points, parsed_spec, same_run
from sweeper.rules.values import further_values, takes_whole_numbers
from sweeper.search.rounds import known_candidates, next_candidates, searched, told
from sweeper.spec import OptimizerSpec, SweepSpec
from sweeper.storage.rounds import History, WaitingCurve
from sweeper.storage.store import Store
from sweeper.trials import Expansion

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a round came to for a curve that was read at `seen`: points to add, or none."""

    curve: WaitingCurve
    seen: History
    planned: Expansion | None
    reason: str

    def store(self, store: Store, epoch: int) -> bool:
        """Store it in one transaction; False if the curve has changed since it was read."""
        if self.planned is None:
            return store.rounds.settle(epoch, self.curve, self.seen, self.reason)
        return store.rounds.add(epoch, self.curve, self.seen, self.planned, self.reason)


def decisions(store: Store) -> Iterator[Decision]:
    """One for each curve that waits for a round. Cheap where none does."""
    waiting = sorted(store.rounds.waiting(), key=lambda curve: curve.sweep_id)
    for sweep_id, curves in groupby(waiting, key=lambda curve: curve.sweep_id):
        # Read before the points: what changes in between is then told from what was seen.
        seen = [(curve, store.rounds.history(curve)) for curve in curves]
        with suppress(NotFound):  # It has just been deleted.
            submitted, frame = store.sweeps.get(sweep_id).spec, store.results.points(sweep_id)
            for curve, history in seen:
                points = frame[frame["variant"] == curve.position]
                yield _decision(curve, history, submitted, points)


def _decision(
    curve: WaitingCurve, seen: History, submitted: Mapping[str, Any], points: "pd.DataFrame"
) -> Decision:
    try:
        planned, reason = _step(curve, seen, submitted, points)
    except SweeperError as error:
        planned, reason = None, f"it cannot go on: {error}"
    except Exception as error:  # noqa: BLE001 - one curve must not keep the others waiting
        _log.exception("sweep %s, %s: no round", curve.sweep_id, curve.label)
        planned, reason = None, f"it cannot go on: {type(error).__name__}: {error}"
    return Decision(curve=curve, seen=seen, planned=planned, reason=reason)


def _step(
    curve: WaitingCurve, seen: History, submitted: Mapping[str, Any], points: "pd.DataFrame"
) -> tuple[Expansion | None, str]:
    """Points to add, if any are to be, and the reason."""
    spec, shape = parsed_spec(submitted), stability_curves(points)[0]
    if spec.search is not None:
        return _search_step(spec, points)
    step = next_round(
        shape,
        spec.extend,
        spec.refine,
        Added(extended=seen.extended, refined=seen.refined),
        _legal(spec, optimizers_of(spec)[curve.position]),
    )
    if isinstance(step, Settled):
        return None, step.reason
    there = curve_points(points)[0]
    check_same_runs(spec, there)
    seeds = list(compress(shape.seed_numbers, shape.common_seeds))
    wanted = [(curve.position, value, seed) for value in step.values for seed in seeds]
    return further(spec, there.sample.data, wanted, step.origin), step.reason


def _search_step(spec: SweepSpec, points: "pd.DataFrame") -> tuple[Expansion | None, str]:
    """The next candidates of a search, if any are left, and what is known so far."""
    assert spec.search is not None
    (known,), (there,) = searched(spec, points), curve_points(points)
    data = there.sample.data
    again = expand_candidates(spec, data, known_candidates(known))
    if not any(same_run(trial.config, there) for trial in again.trials):
        raise Conflict("the code has changed since, so that its runs would be others")
    following = next_candidates(spec, known)
    planned = expand_candidates(spec, data, following) if following else None
    return planned, told(known, spec.search.trials)


def _legal(spec: SweepSpec, optimizer: OptimizerSpec) -> Legal:
    whole = takes_whole_numbers(spec, optimizer)

    def legal(value: float) -> float | None:
        chosen = float(round(value)) if whole else value
        problems = further_values(spec, [chosen], ("values",), [optimizer])
        return None if any(problems) else chosen

    return legal
