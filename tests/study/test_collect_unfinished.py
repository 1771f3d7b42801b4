"""An unfinished run is resumed on a worker and collected, wherever a step of it is killed."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from nnexp.errors import CorruptError, LockedError
from nnexp.store import disk, lock, transfer
from nnexp.store.lock import Lock
from nnexp.store.run import LOCK, Run
from nnexp.study import job as jobs
from nnexp.study.dask import worker
from nnexp.study.dask.collector import Collector
from nnexp.study.dask.worker import JobReport
from nnexp.study.job import EpochCommitted, Job, Message, Outcome
from nnexp.training.history import best_row
from tests.study.dask_jobs import Leaving, Workers, carried_out, linked, order, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench


@pytest.fixture(
    params=[(12, 3, 2, 7, (4, 8)), (9, 1, 1, 5, (4, 9))], ids=["best-before", "best-last"]
)
def unfinished(bench: Bench, request: pytest.FixtureRequest) -> tuple[Run, Job, dict[str, bytes]]:
    """A run that was interrupted here, its trial, and what it came to elsewhere.

    Its best epoch here is another than in the end, and none of the last two; in the second case
    one in between was the best for a time, and its checkpoint is gone.
    """
    epochs, rate, seed, until, best = request.param
    bench.config(epochs=epochs, patience=None, learning_rate=rate, seed=seed)
    found = trial()
    bench("train", "tiny.yaml", "-q", "--runs", "away")
    run = Run(bench.folder / "runs" / found.run.name)
    assert list(jobs.messages(Job(found.config, run, until)))
    rows = Run(bench.folder / "away" / found.run.name).history()
    assert (best_row(rows[:until]).epoch, best_row(rows).epoch) == best
    return run, found, transfer.pack(Run(bench.folder / "away" / found.run.name))


def test_an_unfinished_run_is_brought_to_its_end_by_what_went_on_from_it(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.run.name]
    assert not transfer.publish(run, found.config, files)


def test_a_run_that_is_brought_to_its_end_goes_on_wherever_that_was_killed(
    bench: Bench,
    unfinished: tuple[Run, Job, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, found, files = unfinished
    shutil.copytree(bench.folder / "runs", bench.folder / "kept")
    kept, steps = bench.folder / "kept" / found.run.name, 0

    def killed_after(count: int) -> Callable[[Path, Path], None]:
        def move(source: Path, target: Path) -> None:
            nonlocal steps
            if steps == count:
                raise KeyboardInterrupt
            steps += 1
            source.replace(target)

        return move

    for count in itertools.count():
        shutil.rmtree(bench.folder / "runs")
        shutil.copytree(bench.folder / "kept", bench.folder / "runs")
        steps = 0
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(disk, "move", killed_after(count))
            assert transfer.publish(run, found.config, files)
            break
        assert len(Run(run.path).history()) >= max(Run(kept).checkpoints())
        shutil.copytree(bench.folder / "runs", bench.folder / f"again-{count}")
        assert bench("train", "tiny.yaml", "-q").code == 0
        here, away = (bench.files(f"{folder}/{found.run.name}") for folder in ("runs", "away"))
        reserve = f"checkpoints/epoch-{found.config.epochs - 1:06d}.npz"
        assert here.items() <= away.items()
        assert away.keys() - here.keys() <= {reserve}
        again = Run(bench.folder / f"again-{count}" / found.run.name)
        assert transfer.publish(again, found.config, files)
        assert bench.files(f"again-{count}/{found.run.name}") == away
    assert count == len(files) - 2  # all but run.json and config.yaml, which are the same


def test_what_did_not_go_on_from_what_is_here_does_not_end_it(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    whole = (run.path / "metrics.jsonl").read_bytes()
    for path in run.checkpoints().values():
        path.unlink()
    (run.path / "metrics.jsonl").write_bytes(whole.replace(b"0.", b"1.", 1))
    bench.commit(f"runs/{found.run.name}")  # rows that other arithmetic has made, say
    before = bench.files(f"runs/{found.run.name}")
    assert not transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == before
    (run.path / "metrics.jsonl").write_bytes(whole)
    bench.commit(f"runs/{found.run.name}")
    record = run.path / "run.json"
    record.write_bytes(record.read_bytes() + b"\n")
    before = bench.files(f"runs/{found.run.name}")
    assert not transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == before


@pytest.fixture
def partly(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> tuple[Run, Job, int, dict[str, bytes]]:
    """The run that was interrupted here, and what it came to elsewhere up to a later epoch."""
    run, found, _ = unfinished
    until = found.config.epochs - 1
    assert max(run.checkpoints()) < until
    there = Run(bench.folder / "partly" / found.run.name)
    assert list(jobs.messages(Job(found.config, there, until)))
    return run, found, until, transfer.pack(there)


def test_a_run_that_was_to_be_trained_up_to_an_epoch_is_brought_so_far(
    bench: Bench, partly: tuple[Run, Job, int, dict[str, bytes]]
) -> None:
    run, found, until, files = partly
    fresh = Run(bench.folder / "fresh" / found.run.name)
    with pytest.raises(CorruptError, match=r"lacks 'result\.json'"):
        transfer.publish(run, found.config, files)  # it was to be trained to its end
    for each in (run, fresh):
        assert transfer.publish(each, found.config, files, until)
        assert bench.files(str(each.path)) == bench.files(f"partly/{found.run.name}")
        assert transfer.publish(each, found.config, files, until)
    assert bench("train", "tiny.yaml", "-q").code == 0
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")


def test_a_run_that_is_further_here_does_not_go_back(
    bench: Bench, partly: tuple[Run, Job, int, dict[str, bytes]]
) -> None:
    """Not though both have a checkpoint that the other's rows go on from."""
    run, found, until, files = partly
    there = Run(bench.folder / "behind" / found.run.name)
    assert list(jobs.messages(Job(found.config, there, until - 1)))
    behind = transfer.pack(there)
    assert transfer.publish(run, found.config, files, until)
    assert max(there.checkpoints()) in run.checkpoints()
    before = bench.files(f"runs/{found.run.name}")
    assert not transfer.publish(run, found.config, behind, until - 1)
    assert bench.files(f"runs/{found.run.name}") == before
    home = Collector(linked(Workers()), bench.folder / "runs")
    report = JobReport(outcome=Outcome(), files=behind, worker="tcp://a:1")
    assert home.collect(Job(found.config, run, 3), report).epochs == 3
    other = msgspec.structs.replace(report, files=files | {"run.json": files["run.json"] + b"\n"})
    assert home.collect(Job(found.config, run, until), other).epochs == until


def test_an_unfinished_run_needs_the_checkpoints_of_its_best_and_its_last_epoch(
    bench: Bench, partly: tuple[Run, Job, int, dict[str, bytes]]
) -> None:
    _, found, until, files = partly
    best = best_row(Run(bench.folder / "partly" / found.run.name).history()).epoch
    for epoch in {best, until}:
        rest = {name: files[name] for name in files if f"{epoch:06d}" not in name}
        with pytest.raises(CorruptError):
            transfer.publish(Run(bench.folder / "new" / found.run.name), found.config, rest, until)
    assert not list((bench.folder / "new").iterdir())


def test_a_run_that_is_brought_up_to_an_epoch_goes_on_wherever_that_was_killed(
    bench: Bench,
    partly: tuple[Run, Job, int, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And then it is opened again, for what the kill left is not what belongs there."""
    run, found, until, files = partly
    shutil.copytree(bench.folder / "runs", bench.folder / "kept")
    part = bench.files(f"partly/{found.run.name}")
    real = {name: getattr(disk, name) for name in ("move", "remove")}

    def killed_after(steps: int, name: str) -> Callable[..., None]:
        def call(path: Path, *rest: Path) -> None:
            is_here = any(run.path in each.parents for each in (path, *rest))
            if is_here and next(count) == steps:
                raise KeyboardInterrupt
            real[name](path, *rest)

        return call

    for steps in itertools.count():
        shutil.rmtree(bench.folder / "runs")
        shutil.copytree(bench.folder / "kept", bench.folder / "runs")
        count = itertools.count()
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            for name in real:
                patch.setattr(disk, name, killed_after(steps, name))
            assert transfer.publish(run, found.config, files, until)
            break
        reached = jobs.existing_outcome(Job(found.config, Run(run.path), until))
        if reached is not None:
            assert bench.files(f"runs/{found.run.name}") == part
        again = Run(bench.folder / "again" / found.run.name)
        shutil.rmtree(bench.folder / "again", ignore_errors=True)
        shutil.copytree(bench.folder / "runs", bench.folder / "again")
        assert transfer.publish(again, found.config, files, until)
        assert bench.files(f"again/{found.run.name}") == part
        assert list(jobs.messages(Job(found.config, Run(run.path), until))) is not None
        here = bench.files(f"runs/{found.run.name}")
        assert here.items() <= part.items()
        assert part.keys() - here.keys() <= {f"checkpoints/epoch-{until - 1:06d}.npz"}
        assert bench("train", "tiny.yaml", "-q").code == 0
        assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")
    assert steps > len(part) - 2


def test_copies_of_unfinished_runs_stay_on_workers_until_the_end(
    bench: Bench, partly: tuple[Run, Job, int, dict[str, bytes]]
) -> None:
    """Until then the worker may be given the run again, and be about to go on with it."""
    run, found, until, files = partly
    behind = transfer.identities(run)[2]
    workers = Leaving({found.run.name: behind, "other": "0"})
    home = Collector(linked(workers), bench.folder / "runs")
    home.find_copies()
    report = JobReport(outcome=Outcome(), files=files, worker="tcp://b:1")
    assert home.collect(Job(found.config, run, until), report) == Outcome()
    home.clean_up()
    assert workers.discarded == []
    home.close(10)
    assert workers.discarded == [({found.run.name: behind}, ["tcp://a:1"])]


def test_a_run_that_is_trained_here_is_not_brought_to_its_end(
    unfinished: tuple[Run, Job, dict[str, bytes]],
) -> None:
    run, found, files = unfinished
    lock = Lock(run.path / "LOCK")
    lock.acquire()
    with pytest.raises(LockedError):
        transfer.publish(run, found.config, files)
    lock.release()


def test_a_worker_goes_on_with_what_is_sent_unless_it_has_as_much(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    there = Run(bench.folder / "there" / found.run.name)
    begun = max(run.checkpoints())
    for until, reached in ((None, begun), (3, begun), (begun + 1, begun + 1)):
        shutil.rmtree(bench.folder / "there", ignore_errors=True)
        if until is not None:
            assert list(jobs.messages(Job(found.config, there, until)))
        transfer.unpack(there, transfer.pack(run))
        assert max(there.checkpoints()) == reached
    transfer.unpack(there, files)  # which is further
    transfer.unpack(there, transfer.pack(run))
    assert Run(there.path).result is not None
    assert [path.name for path in there.path.parent.iterdir()] == [found.run.name]
    lock = Lock(there.path / "LOCK")
    lock.acquire()
    identity = transfer.identity(there) or ""
    with pytest.raises(LockedError):
        transfer.discard(there, identity)
    with pytest.raises(LockedError):
        transfer.unpack(there, files)
    lock.release()
    transfer.discard(there, transfer.identities(there)[begun])  # it was trained further since
    assert there.exists
    transfer.discard(there, identity)
    assert not there.exists


def test_a_part_of_a_checkpoint_that_a_kill_left_is_in_nobody_s_way(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    """It is written under another name first, under which nothing else would ever remove it."""
    run, found, files = unfinished
    there = Run(bench.folder / "there" / found.run.name)
    for reached in (2, 3):
        assert list(jobs.messages(Job(found.config, there, reached)))
        (there.path / "checkpoints" / f".epoch-{reached + 1:06d}.npz.tmp").write_bytes(b"")
        (there.path / ".result.json.tmp").write_bytes(b"")
        if reached == 2:
            transfer.discard(there, transfer.identity(there) or "")
            assert not list(there.path.parent.iterdir())
    transfer.unpack(there, transfer.pack(run))
    assert bench.files(f"there/{found.run.name}") == bench.files(f"runs/{found.run.name}")
    (run.path / "checkpoints" / f".epoch-{max(run.checkpoints()) + 1:06d}.npz.tmp").touch()
    (run.path / ".predictions.npz.tmp").touch()
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")


def test_what_no_run_has_is_not_removed_and_that_is_said(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    run, found, _ = unfinished
    there = Run(bench.folder / "there" / found.run.name)
    assert list(jobs.messages(Job(found.config, there, 2)))
    mine = there.path.with_name(f".{found.run.name}.removed") / "mine.txt"
    (there.path / "mine.txt").touch()
    transfer.unpack(there, transfer.pack(run))
    assert mine.exists()
    shutil.rmtree(there.path)
    assert list(jobs.messages(Job(found.config, there, 2)))
    with pytest.raises(CorruptError, match="it contains other files than a run's"):
        transfer.unpack(there, transfer.pack(run))
    assert mine.exists()


def test_a_copy_is_there_whole_or_not_at_all_wherever_its_removal_was_killed(
    bench: Bench,
    unfinished: tuple[Run, Job, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, found, _ = unfinished
    there, real = Run(bench.folder / "there" / found.run.name), disk.remove
    for steps in itertools.count():
        if not there.exists:
            assert list(jobs.messages(Job(found.config, there, 2)))
        before, count = bench.files(f"there/{found.run.name}"), itertools.count()

        def remove(path: Path) -> None:
            if next(count) == steps:  # noqa: B023 - called at once
                raise KeyboardInterrupt
            real(path)

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(disk, "remove", remove)
            transfer.discard(there, transfer.identity(there) or "")
            break
        assert not there.exists or bench.files(f"there/{found.run.name}") == before
        transfer.unpack(there, transfer.pack(run))
        assert bench.files(f"there/{found.run.name}") == bench.files(f"runs/{found.run.name}")
    transfer.remove_leftovers(there.path.parent)
    assert steps > len(transfer.pack(run))
    assert not list(there.path.parent.iterdir())


def test_a_run_whose_creation_was_killed_is_a_leftover(
    unfinished: tuple[Run, Job, dict[str, bytes]],
) -> None:
    run, _, _ = unfinished
    half = run.path.with_name(f".{run.name}.new")
    shutil.copytree(run.path, half)
    with lock.hold(half / LOCK, ""):
        transfer.remove_leftovers(half.parent)
        assert half.exists()
    transfer.remove_leftovers(half.parent)
    assert not half.exists()
    assert run.exists


def test_a_trial_without_a_common_folder_goes_on_from_what_was_sent(
    bench: Bench,
    unfinished: tuple[Run, Job, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, found, files = unfinished
    monkeypatch.setattr(tempfile, "tempdir", str(bench.folder / "tmp"))
    (bench.folder / "tmp").mkdir()
    workers = Workers()
    home = Collector(linked(workers), bench.folder / "runs")
    told: list[Message] = []
    begun = run.checkpoints()
    wanted = order(bench, found, runs=None, files=home.files(run))
    report = carried_out(wanted, told)
    assert min(each.epoch for each in told if isinstance(each, EpochCommitted)) > max(begun)
    assert report.files is not None
    assert worker.identities() == {
        found.run.name: transfer.identity(
            Run(next((bench.folder / "tmp").iterdir()) / found.run.name)
        )
    }
    changed = msgspec.structs.replace(report, files=report.files | {"result.json": b"{}"})
    assert home.collect(Job(found.config, run), changed).code == 5
    assert home.collect(Job(found.config, run), report) == report.outcome
    assert bench.files(f"runs/{found.run.name}") == bench.files(f"away/{found.run.name}")
    identities = worker.identities()
    worker.discard(identities | {"another": "0", "../x": "0"})
    assert worker.identities() == {}
    assert home.files(Run(bench.folder / "runs" / "new")) is None
    assert files.keys() == report.files.keys()


def test_what_another_process_is_removing_is_left_to_it(
    bench: Bench, unfinished: tuple[Run, Job, dict[str, bytes]]
) -> None:
    _, found, _ = unfinished
    there = Run(bench.folder / "there" / found.run.name)
    assert list(jobs.messages(Job(found.config, there, 2)))
    removed = there.path.with_name(f".{found.run.name}.removed")
    removed.mkdir()
    lock = Lock(removed / "LOCK")
    lock.acquire()
    (removed / "run.json").write_text("another's")
    transfer.discard(there, transfer.identity(there) or "")
    assert (removed / "run.json").read_text() == "another's"
    assert there.exists
    lock.release()
    transfer.discard(there, transfer.identity(there) or "")
    assert not there.exists
    assert not removed.exists()
