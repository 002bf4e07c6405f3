"""What a deleted sweep has left on the disk goes when the dispatcher looks."""

from functools import partial
from pathlib import Path

from sweeper.dispatch.cleaning import remove_unused
from sweeper.dispatch.every import LOOK_S, Every
from sweeper.dispatch.folders import Folder
from sweeper.storage.records import Checkpoint
from sweeper.storage.store import Store
from tests.storage.builders import claim_all, expansion, key, submit, take_over


def test_folders_of_deleted_sweeps_go_and_those_in_use_stay(store: Store, tmp_path: Path) -> None:
    now, folder = [0.0], tmp_path / "checkpoints"
    remove = partial(remove_unused, Folder(folder), store.queue)
    tidy = Every(remove, clock=lambda: now[0])
    tidy.look()
    epoch = take_over(store)
    sweeps = []
    for value in (0.1, 0.2):
        sweeps.append(submit(store, expansion(values=(value,))).sweep_id)
        claim = claim_all(store, epoch)
        path = f"{claim.stack_id}/1/5"
        (folder / path).mkdir(parents=True)
        assert store.queue.record(*key(claim), [], Checkpoint(step=5, path=path))
        assert store.queue.give_back(*key(claim), "drained")
    gone, kept = sorted(folder.iterdir())
    store.sweeps.cancel(sweeps[0])
    store.sweeps.delete(sweeps[0])
    tidy.look()
    assert gone.exists()
    now[0] += LOOK_S
    tidy.look()
    assert list(folder.iterdir()) == [kept]
