"""The writer thread: results reach the database, and what is no longer needed leaves the disk."""

import time
from dataclasses import asdict
from pathlib import Path

from sweeper.dispatch.checkpoint_store import attempt_name
from sweeper.dispatch.devices import cpu_name
from sweeper.dispatch.folders import Folder
from sweeper.dispatch.messages import Pace, Progress, Report
from sweeper.dispatch.stop import Stop
from sweeper.dispatch.writer import Ended, Said, Writer
from sweeper.failures import Failure, FailureKind
from sweeper.planning.speeds import shape_key
from sweeper.storage.records import Claim
from sweeper.storage.store import Store
from tests.storage.builders import (
    Trained,
    claim_all,
    counts,
    expansion,
    public_ids,
    reclaim,
    submit,
    take_over,
)
from trainers.config import from_dict


def report(claim: Claim, progress: Progress, **more: object) -> Said:
    said = {"stack_id": claim.stack_id, "attempt": claim.attempt, "step": 5, "steps": 10}
    return Said(claim, "tune", Report(**said, progress=progress, host="h", pid=1, **more))  # type: ignore[arg-type]


def saved(root: Path, claim: Claim, step: int = 5) -> str:
    name = f"{attempt_name(claim.stack_id, claim.attempt)}/{step}"
    (root / name).mkdir(parents=True)
    return name


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_a_finished_stack_leaves_no_checkpoint(sqlite_store: Store, tmp_path: Path) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
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
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
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


def test_a_failure_in_words_that_no_database_takes_is_written(store: Store, tmp_path: Path) -> None:
    sweep = submit(store, expansion(values=(0.1,)))
    epoch = take_over(store)
    writer = Writer(store.queue, epoch, Folder(tmp_path), Stop())
    bad = "before\0\udc80after"
    failure = Failure(kind=FailureKind.USER_ERROR, message=bad, traceback=bad, log_tail=bad)
    writer.put(report(claim_all(store, epoch), Progress.FAILED, failure=failure))
    writer.close()
    assert counts(store, sweep.sweep_id) == {"failed": 1}
    attempt = store.results.trial(public_ids(store, sweep.sweep_id)[0]).attempts[0]
    clean = "before\ufffd?after"
    assert (attempt.failure_message, attempt.traceback, attempt.log_tail) == (clean, clean, clean)


def test_reasons_and_provenance_in_such_words_are_written(store: Store, tmp_path: Path) -> None:
    sweep = submit(store, expansion(values=(0.1, 0.2)))
    epoch = take_over(store)
    writer = Writer(store.queue, epoch, Folder(tmp_path), Stop())
    claim, bad = claim_all(store, epoch), "a\0\udc80"
    one = {0: asdict(Trained())}
    provenance = {"host": bad, "parts": [bad]}
    writer.put(report(claim, Progress.RUNNING, results=one, provenance=provenance))
    writer.put(Ended(claim, None, bad))
    writer.close()
    assert counts(store, sweep.sweep_id) == {"done": 1, "pending": 1}
    done = store.results.trial(public_ids(store, sweep.sweep_id)[0])
    assert done.provenance == {
        **{"host": "a\ufffd?", "parts": ["a\ufffd?"]},
        **{"slot": 0, "seed": 0, "data_sha256": "0" * 64},
    }
    assert done.attempts[0].end_reason == "a\ufffd?"


def test_a_last_word_that_cannot_be_written_fails_the_one_member_it_is_about(
    sqlite_store: Store, tmp_path: Path
) -> None:
    sweep = submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim: Claim | None = claim_all(sqlite_store, epoch)
    assert claim is not None
    guilty = claim.members[0].trial_id
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
    while claim is not None:
        results = {
            slot: asdict(Trained(final_loss=None if member.trial_id == guilty else 2.0))
            for slot, member in enumerate(claim.members)
        }
        writer.put(report(claim, Progress.RUNNING, results=results))
        writer.put(report(claim, Progress.FINISHED, results=results))
        while not writer.is_idle():
            time.sleep(0.01)
        claim = sqlite_store.queue.claim_interrupted(epoch)
    writer.close()
    assert counts(sqlite_store, sweep.sweep_id) == {"done": 2, "failed": 1}
    trial = sqlite_store.results.trial(public_ids(sqlite_store, sweep.sweep_id)[0])
    assert trial.failure == "user_error"
    assert "its end could not be written: AssertionError" in str(trial.failure_message)


def test_what_the_database_lists_is_kept_whatever_else_lies_there(
    sqlite_store: Store, tmp_path: Path
) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
    foreign = tmp_path / attempt_name(claim.stack_id, 7)  # Of a former database, or yet to come.
    for step in (900, 901):
        (foreign / str(step)).mkdir(parents=True)
    paths = [saved(tmp_path, claim, step) for step in (2, 3, 4)]
    ahead = saved(tmp_path, claim, 5)
    for step, path in zip((2, 3, 4), paths, strict=True):
        writer.put(report(claim, Progress.RUNNING, checkpoint=path, checkpoint_step=step))
    writer.close()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/1/*")}
    assert left == {*paths[1:], ahead}
    assert len(list(foreign.iterdir())) == 2


def test_a_later_attempt_keeps_the_checkpoint_to_fall_back_to(
    sqlite_store: Store, tmp_path: Path
) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
    first = saved(tmp_path, claim, 3)
    writer.put(report(claim, Progress.RUNNING, checkpoint=first, checkpoint_step=3))
    saved(tmp_path, claim, 9)  # Whole, but its worker died before it could say so.
    writer.put(Ended(claim, None, "drained"))
    writer.close()
    again = reclaim(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
    second = saved(tmp_path, again, 4)
    writer.put(report(again, Progress.RUNNING, checkpoint=second, checkpoint_step=4))
    writer.close()
    assert sqlite_store.queue.checkpoints(claim.stack_id) == (second, first)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*/*")}
    assert left == {first, second}


def test_the_pace_of_a_stack_is_remembered_and_what_did_not_fit(
    sqlite_store: Store, tmp_path: Path
) -> None:
    submit(sqlite_store)
    epoch = take_over(sqlite_store)
    claim = claim_all(sqlite_store, epoch)
    writer = Writer(sqlite_store.queue, epoch, Folder(tmp_path), Stop())
    pace = Pace(device="a device", step_s=0.25, sequence_s=0.5, micro_batch=8)
    writer.put(report(claim, Progress.RUNNING, pace=pace))
    writer.put(Ended(claim, Failure(kind=FailureKind.OOM_HOST, message="killed")))
    writer.close()
    shape = shape_key(from_dict(claim.members[0].config))
    ran, killed = sqlite_store.queue.speeds([shape])
    assert (ran.device, ran.size, ran.step_s, ran.micro_batch) == ("a device", 3, 0.25, 8)
    assert (killed.device, killed.size, killed.step_s) == (cpu_name(), 3, None)
