"""Stacks that the database takes for running, and nobody runs.

A claim is committed before its answer comes. If the database ends in between, as it may when it is
restarted, this process never hears of the stack, and no other one may touch it.
"""

from sweeper.dispatch.running import RunningStacks
from sweeper.dispatch.writer import Writer
from sweeper.storage.queue import Queue


def return_lost(store: Queue, epoch: int, running: RunningStacks, writer: Writer) -> None:
    """Give them back. To be called by the thread that claims and hears of ends."""
    if not writer.is_idle():  # A stack that has ended may still count as running.
        return
    known = {stack.claim.stack_id for stack in running.all()}
    for row in store.control(epoch):
        if row.stack_id not in known:
            store.give_back(epoch, row.stack_id, row.attempt, "its claim was not heard of")
