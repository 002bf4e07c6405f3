"""The writer thread: results reach the database, and what is no longer needed leaves the disk."""

from dataclasses import asdict
from pathlib import Path

from sweeper.dispatch.folders import attempt_directory
from sweeper.dispatch.messages import Progress, Report
from sweeper.dispatch.stop import Stop
from sweeper.dispatch.writer import Said, Writer
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import Claim
from sweeper.storage.store import Store
from tests.storage.builders import Trained, claim_all, submit, take_over


def report(claim: Claim, progress: Progress, **more: object) -> Said:
    said = {"stack_id": claim.stack_id, "attempt": claim.attempt, "step": 5, "steps": 10}
    return Said(claim, "tune", Report(**said, progress=progress, host="h", pid=1, **more))  # type: ignore[arg-type]


def saved(root: Path, claim: Claim) -> str:
    directory = attempt_directory(root, claim.stack_id, claim.attempt) / "5"
    directory.mkdir(parents=True)
    return directory.relative_to(root).as_posix()


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_a_finished_stack_leaves_no_checkpoint(sqlite_store: Store, tmp_path: Path) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, tmp_path, Stop())
    saved(tmp_path, claim)
    results = {slot: asdict(Trained()) for slot in range(len(claim.members))}
    writer.put(report(claim, Progress.FINISHED, results=results))
    writer.close()
    assert sqlite_store.queue.folders_in_use() == frozenset()
    assert folders(tmp_path) == set()


def test_the_parts_of_a_split_stack_keep_its_checkpoint(
    sqlite_store: Store, tmp_path: Path
) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, tmp_path, Stop())
    path = saved(tmp_path, claim)
    writer.put(report(claim, Progress.RUNNING, checkpoint=path, checkpoint_step=5))
    (tmp_path / "12345").mkdir()  # Left by a stack that nobody knows any more.
    failure = Failure(kind=FailureKind.USER_ERROR, message="one of them")
    writer.put(report(claim, Progress.FAILED, failure=failure))
    writer.close()
    assert folders(tmp_path) == {str(claim.stack_id)}
    part = sqlite_store.queue.claim_interrupted(epoch)
    assert part is not None
    assert part.checkpoint == path
