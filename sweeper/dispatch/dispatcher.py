"""The process that acts: from rows in the database through Ray Tune to results in the database.

SQL is the queue and the truth. One Tuner at a time runs in the main thread and asks the searcher
for work; when it has seen many trials, a fresh one takes its place. Whatever ends this process, the
next one finds the running stacks in the database and has them go on from their checkpoints.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import PlacementGroupFactory, RunConfig, TuneConfig, Tuner

from sweeper.dispatch.announcer import Announcer
from sweeper.dispatch.bridge import Bridge
from sweeper.dispatch.capacity import Capacity, LiveCapacity
from sweeper.dispatch.checkpoint_store import open_checkpoints
from sweeper.dispatch.cluster import OwnCluster, cluster
from sweeper.dispatch.control import start_control
from sweeper.dispatch.every import Every
from sweeper.dispatch.leadership import acquire, start_beat
from sweeper.dispatch.lost import return_lost
from sweeper.dispatch.messages import timing_from_environment
from sweeper.dispatch.nodes import Devices, Nodes, here
from sweeper.dispatch.overseer import Overseer
from sweeper.dispatch.rounds import advance
from sweeper.dispatch.running import RunningStacks
from sweeper.dispatch.searcher import StackSearcher
from sweeper.dispatch.stop import Stop, end_at_deadline, end_with_parent, install_signals
from sweeper.dispatch.supply import Supply
from sweeper.dispatch.trainable import train_stack
from sweeper.dispatch.warm import WarmWorkers
from sweeper.dispatch.watchdog import hung_dir
from sweeper.dispatch.writer import Ended, Writer
from sweeper.storage.store import Store, open_store

MAX_CONCURRENT_TUNE_TRIALS = 1024
"""High: the searcher itself hands out no more than fits, also when the cluster grows."""
FAILED_TUNER_WAIT_S = 2.0

ENDED, FENCED = 0, 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """The home folder, and where checkpoints go: a folder or URL, by default in there.

    With `keeps`, the last checkpoint of a stack that has finished stays.
    """

    home: Path
    checkpoints: str | None = None
    keeps: bool = False


def run(
    store_url: str,
    places: Places,
    *,
    address: str | None = None,
    cpus: int | None = None,
    devices: int = 1,
    parent_fd: int | None = None,
    idle_exit: bool = False,
) -> int:
    """Act as the dispatcher until asked to end; the exit status. Call it in the main thread.

    Stands by while another dispatcher acts. Starts a local Ray cluster with `cpus`, or joins the
    one at `address`. A stack trains on so many `devices` of one machine. Ends when the pipe
    `parent_fd` is closed, and with `idle_exit` when nothing is left to do.
    """
    stop = Stop(timing_from_environment().grace_s)
    if parent_fd is not None:
        end_with_parent(stop, parent_fd)
    install_signals(stop, supervised=parent_fd is not None)
    with ExitStack() as resources:
        resources.callback(end_at_deadline(stop))
        store = _opened(store_url, resources)
        epoch = acquire(store.queue, stop)
        if epoch is None:
            return ENDED
        _log.info("this dispatcher acts, epoch %d", epoch)
        resources.callback(start_beat(_opened(store_url, resources).queue, epoch, stop))
        resources.enter_context(cluster(address, cpus))
        install_signals(stop, supervised=parent_fd is not None)
        is_local = address is None
        devices_of = _devices_here() if is_local else Nodes().of
        capacity = LiveCapacity(devices_of, devices).now
        looks = [Announcer(store.queue, epoch, capacity).look]
        if is_local:
            looks.append(OwnCluster(LiveCapacity(devices_of).now).look)
        _act(store, epoch, places, stop, idle_exit, capacity, looks)
    _log.info("the dispatcher has ended: %s", stop.reason or "nothing left to do")
    return FENCED if stop.is_fenced else ENDED


def _devices_here() -> Callable[[Sequence[str]], Sequence[Devices | None]]:
    mine = here()
    return lambda node_ids: [mine] * len(node_ids)


def _opened(store_url: str, resources: ExitStack) -> Store:
    store = open_store(store_url)
    resources.callback(store.close)
    return store


def _act(
    store: Store,
    epoch: int,
    places: Places,
    stop: Stop,
    idle_exit: bool,
    capacity: Callable[[], Capacity],
    looks: Sequence[Callable[[], None]],
) -> None:
    running, timing = RunningStacks(), timing_from_environment()
    home = places.home.resolve()
    checkpoints = places.checkpoints or str(home / "checkpoints")
    writer = Writer(store.queue, epoch, open_checkpoints(checkpoints), stop)
    name = f"sweeper-control-{epoch}"
    control = start_control(name)
    now_and_then = (
        Every(writer.tidy),
        Every(lambda: return_lost(store.queue, epoch, running, writer)),
    )

    def between_claims() -> None:
        for every in now_and_then:
            every.look()
        advance(store, epoch)

    supply = Supply(
        store=store.queue,
        epoch=epoch,
        running=running,
        writer=writer,
        stop=stop,
        capacity=capacity,
        data_dir=home,
        checkpoints=checkpoints,
        keeps=places.keeps,
        control=name,
        timing=timing,
        idle_exit=idle_exit,
        advance=between_claims,
    )
    overseer = Overseer(store.queue, epoch, running, stop, timing.progress_limit_s, looks)
    end_overseer = overseer.start(control)
    try:
        _fit_until_stopped(supply)
    finally:
        end_overseer()
        writer.close()


def _fit_until_stopped(supply: Supply) -> None:
    while not supply.stop.is_set():
        searcher = StackSearcher(supply)
        try:
            _fit(supply, searcher)
        except Exception:  # noqa: BLE001 - a fresh Tuner goes on from the database
            _log.exception("the Tuner failed; a fresh one follows")
            supply.stop.wait(FAILED_TUNER_WAIT_S)
        for tune_trial_id in supply.running.ids():
            left = supply.running.end(tune_trial_id)
            if left is not None:
                supply.writer.put(Ended(left.claim, None, supply.stop.reason or "the Tuner ended"))
        if supply.idle_exit and searcher.was_idle:
            return


def _fit(supply: Supply, searcher: StackSearcher) -> None:
    """One Tuner from its first trial to its last."""
    with tempfile.TemporaryDirectory(prefix="sweeper-tune-") as scratch:
        Tuner(
            tune.with_resources(train_stack, _resources),
            tune_config=TuneConfig(
                search_alg=searcher,
                scheduler=WarmWorkers(),
                num_samples=-1,
                max_concurrent_trials=MAX_CONCURRENT_TUNE_TRIALS,
                reuse_actors=True,
                trial_dirname_creator=_directory_name,
            ),
            run_config=RunConfig(
                name="stacks",
                storage_path=scratch,
                verbose=0,
                callbacks=[_bridge(supply)],
            ),
        ).fit()


def _bridge(supply: Supply) -> Bridge:
    hung, limit_s = hung_dir(supply.data_dir), supply.timing.progress_limit_s
    return Bridge(supply.running, supply.writer, hung, limit_s)


def _resources(config: Mapping[str, Any]) -> PlacementGroupFactory:
    bundle = {"CPU": float(config["cpus"])}
    gpus = {"GPU": float(config["gpus"])} if config["gpus"] else {}
    return PlacementGroupFactory([bundle | gpus])  # One bundle is one node.


def _directory_name(tune_trial: Any) -> str:
    return str(tune_trial.trial_id)
