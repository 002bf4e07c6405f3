"""The rounds of adaptive sweeps, in the dispatcher's loop: each is stored before the next one."""

import logging

from sweeper.advance import decisions
from sweeper.dispatch.failpoints import hit
from sweeper.storage.store import Store

_log = logging.getLogger(__name__)


def advance(store: Store, epoch: int) -> None:
    """Store what the rounds of all waiting curves come to; raises errors of the storage."""
    for decision in decisions(store):
        hit("before_round")
        if decision.store(store, epoch):
            curve = decision.curve
            _log.info("sweep %s, %s: %s", curve.sweep_id, curve.label, decision.reason)
        hit("after_round")
