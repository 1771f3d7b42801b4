"""What a sweep on a cluster is made of, without one: what a worker does, and how runs come home."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import nnexp
from nnexp.config import canonical
from nnexp.errors import (
    ClusterError,
    CorruptError,
    InterruptedRunError,
    LockedError,
    NnexpError,
    UsageError,
)
from nnexp.store import disk, transfer
from nnexp.store.lock import Lock
from nnexp.store.run import Run
from nnexp.study import job as jobs
from nnexp.study import sweep_file
from nnexp.study.dask import client, worker
from nnexp.study.dask import executor as clusters
from nnexp.study.dask.client import Client, TokenFile, is_exposed
from nnexp.study.dask.executor import Cluster, Collector
from nnexp.study.dask.worker import JobReport, JobRequest
from nnexp.study.job import EpochCommitted, Job, Message, Notice, Outcome
from nnexp.study.local.process import Process
from nnexp.study.plan import PlannedRun, plan
from nnexp.training.history import best_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Bench

TOKEN = "token-0123"  # noqa: S105 - a file's name


@pytest.fixture
def held(bench: Bench) -> Iterator[TokenFile]:
    """The folder of the runs with a sweep's token."""
    found = TokenFile(bench.folder / "runs", TOKEN)
    yield found
    found.release()


def trial(*settings: str) -> PlannedRun:
    (found,) = plan(sweep_file.read("tiny.yaml", settings)).trials
    return found


def order(bench: Bench, found: PlannedRun, **changes: Any) -> JobRequest:  # noqa: ANN401 - fields'
    fields: dict[str, Any] = {
        "number": 0,
        "config": canonical.to_builtins(found.config),
        "name": found.name,
        "version": nnexp.__version__,
        "runs": str(bench.folder / "runs"),
        "folder": str(bench.folder),
        "token": TOKEN,
        "seconds": None,
        "memory": None,
    }
    return JobRequest(**(fields | changes))


def carried_out(wanted: JobRequest, told: list[Message] | None = None) -> JobReport:
    tell = (lambda _: None) if told is None else told.append
    return worker.train(wanted, tell, lambda: False)


@pytest.mark.usefixtures("held")
def test_a_worker_s_trial_is_the_run_that_train_makes(bench: Bench) -> None:
    told: list[Message] = []
    report = carried_out(order(bench, trial()), told)
    assert (report.outcome.code, report.outcome.epochs, report.output) == (0, 3, b"")
    assert report.startup > 0
    assert len(told) == 1  # of three quick epochs one is told
    bench("train", "tiny.yaml", "-q", "--runs", "loop")
    assert bench.files(f"runs/{trial().name}") == bench.files(f"loop/{trial().name}")


@pytest.mark.usefixtures("held")
def test_a_trial_that_is_no_longer_wanted_stops_and_is_no_failure(bench: Bench) -> None:
    found = trial("epochs=100000", "patience=null")
    end = time.monotonic() + 30

    def unwanted() -> bool:
        assert time.monotonic() < end
        return any((bench.folder / "runs").glob("*/checkpoints/*.npz"))

    outcome = worker.train(order(bench, found), lambda _: None, unwanted).outcome
    assert (outcome.code, outcome.is_stopped) == (143, True)
    assert bench("runs").out.count("interrupted") == 1


@pytest.mark.usefixtures("held")
def test_a_trial_that_was_never_wanted_does_not_begin(bench: Bench) -> None:
    outcome = worker.train(order(bench, trial()), lambda _: None, lambda: True).outcome
    assert outcome == Outcome(code=143, is_stopped=True, reason="stopped before it started")
    assert os.listdir(bench.folder / "runs") == [".sweep"]  # noqa: PTH208 - names alone


@pytest.mark.usefixtures("held")
def test_a_trial_that_its_worker_leaves_says_so_unless_its_sweep_stops_or_its_time_is_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the three only the first is to be sent anew."""
    found = trial("epochs=100000", "patience=null")
    for leaves in (False, True):  # once its time is up, which it is when it has hardly begun
        answers = iter([False])
        wanted = order(bench, found, seconds=0.01)
        late = worker.train(wanted, lambda _: None, lambda: next(answers, leaves))  # noqa: B023 - called at once
        assert late.outcome.reason == "took more than 0.01 s; what is committed is safe"
        assert (late.outcome.code, late.outcome.is_stopped, late.is_abandoned) == (
            143,
            False,
            False,
        )
    assert worker.train(order(bench, found), lambda _: None, lambda: True).is_abandoned
    monkeypatch.setattr(worker, "_stopped", {TOKEN})
    stopped = worker.train(order(bench, found), lambda _: None, lambda: True)
    assert (stopped.outcome.is_stopped, stopped.is_abandoned) == (True, False)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("call", ["pipe", "posix_spawn"])
def test_a_worker_without_a_process_left_puts_the_trial_back_and_keeps_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    wanted = order(bench, trial())
    before = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(os, call, refused)
    found = worker.train(wanted, lambda _: None, lambda: False).outcome
    assert (found.code, found.is_scarce) == (74, True)
    assert found.reason.endswith(": too many open files")
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.usefixtures("held")
def test_a_signal_that_comes_before_a_trial_is_ready_for_it_waits(bench: Bench) -> None:
    process = worker.start(order(bench, trial()), bench.folder / "runs")
    process.send_signal(signal.SIGTERM)
    while process.read() is not None:
        pass
    outcome, said = process.wait()
    assert (outcome.code, outcome.is_stopped, said) == (143, True, b"")


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("status", "state", "is_wanted"),
    [
        ("running", "executing", True),
        ("paused", "long-running", True),
        ("closing_gracefully", "executing", False),
        ("closing", "executing", False),
        ("running", "cancelled", False),
        ("running", None, False),
    ],
)
def test_a_worker_that_leaves_or_is_to_drop_a_trial_does_not_begin_it(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    state: str | None,
    *,
    is_wanted: bool,
) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    tasks = {} if state is None else {"key": SimpleNamespace(state=state)}
    host = SimpleNamespace(
        address="tcp://127.0.0.1:1",
        get_current_task=lambda: "key",
        log_event=lambda *_: None,
        state=SimpleNamespace(tasks=tasks),
        status=SimpleNamespace(name=status),
    )
    monkeypatch.setattr(distributed, "get_worker", lambda: host)
    sent = msgspec.msgpack.encode(order(bench, trial()))
    report = msgspec.msgpack.decode(worker.run_job(sent), type=JobReport)
    assert report.is_abandoned is not is_wanted
    assert report.outcome.code == (0 if is_wanted else 143)
    assert (bench.folder / "runs" / trial().name).exists() is is_wanted


@pytest.mark.usefixtures("held")
def test_what_a_process_says_that_crashes_comes_back(bench: Bench) -> None:
    report = carried_out(order(bench, trial(), config={"epochs": "many"}))
    assert report.outcome == Outcome(code=1, reason="its process exited without reporting a result")
    assert b"epochs: must be" in report.output


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a trial sees it at its next batch")
@pytest.mark.usefixtures("held")
def test_a_trial_dies_with_the_thread_that_watches_it(bench: Bench) -> None:
    """The kernel's word for a parent is the thread: where that is gone, nobody watches."""
    wanted = order(bench, trial("epochs=100000", "patience=null"))
    started: list[Process] = []

    def abandon() -> None:
        started.append(worker.start(wanted, bench.folder / "runs"))
        end = time.monotonic() + 30
        while not any((bench.folder / "runs").glob("*/checkpoints/*.npz")):
            assert time.monotonic() < end
            time.sleep(0.01)

    thread = threading.Thread(target=abandon)
    thread.start()
    thread.join(40)
    outcome, _ = started[0].wait()
    assert outcome == Outcome(code=137, reason="killed by SIGKILL")


def test_a_worker_says_what_it_lacks(bench: Bench) -> None:
    runs = bench.folder / "runs"
    assert worker.probe(str(runs), TOKEN)["problem"] == f"does not see {runs}"
    held = TokenFile(runs, TOKEN)
    assert worker.probe(str(runs), TOKEN)["problem"] is None
    (runs / ".sweep" / "token-free").touch()
    assert worker.probe(str(runs), "token-free")["problem"] == (f"sees {runs}, but not its locks")
    assert carried_out(order(bench, trial(), token="token-free")).outcome.code == 74  # noqa: S106 - as above
    old = carried_out(order(bench, trial(), version="0.0.1")).outcome
    assert old.reason == f"{socket.gethostname()} has nnexp {nnexp.__version__}, not 0.0.1"
    other = TokenFile(runs, "token-other")
    assert sorted(path.name for path in (runs / ".sweep").iterdir()) == [TOKEN, "token-other"]
    other.release()
    held.release()
    assert not (runs / ".sweep").exists()


class Workers:
    """What a client of two workers answers, the second of which is told of in the arguments."""

    def __init__(self, version: str = nnexp.__version__, problem: str | None = None) -> None:
        self.status = "running"
        self.scheduler_comm = object()
        self.sent: list[Future[bytes]] = []
        self._second = {"version": version, "host": "b", "problem": problem}

    def run(self, call: Callable[..., Any], *_: object, **__: object) -> dict[str, object]:
        first = {"version": nnexp.__version__, "host": "a", "problem": None}
        answers = {find_spec: ("is there",) * 2, worker.probe: (first, self._second)}
        return dict(zip(("tcp://a:1", "tcp://b:1"), answers.get(call, ({}, {})), strict=True))

    def nthreads(self) -> dict[str, int]:
        return {"tcp://a:1": 1, "tcp://b:1": 1}

    def get_executor(self, **_: object) -> Workers:
        return self

    def submit(self, *_: object) -> Future[bytes]:
        self.sent.append(Future())
        return self.sent[-1]

    def subscribe_topic(self, _: str, hear: Callable[[tuple[float, object]], None]) -> None:
        self.hear = hear

    def close(self, **_: object) -> None:
        self.status = "closed"


def linked(workers: Workers) -> Client:
    return Client(workers, "tcp://s:1", lambda _: None)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (Workers(version="0.0.1"), f"tcp://b:1 has nnexp 0.0.1, not {nnexp.__version__}"),
        (Workers(problem="sees nothing"), "tcp://b:1 on b sees nothing"),
    ],
)
def test_a_worker_that_is_not_fit_is_named(workers: Workers, said: str) -> None:
    assert client.check_workers(linked(Workers()), None, TOKEN).startswith("2 workers on 2 hosts")
    with pytest.raises(UsageError) as raised:
        client.check_workers(linked(workers), None, TOKEN)
    assert str(raised.value) == said


class Deaf(Workers):
    """Workers the second of which does not answer, or a scheduler that does not."""

    def __init__(self, *, scheduler: bool) -> None:
        super().__init__()
        self._is_mute = scheduler

    def run(self, *_: object, **__: object) -> dict[str, object]:
        time.sleep(1)
        raise AssertionError("nobody waits so long")

    def scheduler_info(self) -> dict[str, object]:
        if self._is_mute:
            time.sleep(1)
        heard = {"tcp://a:1": {"last_seen": 100.0}, "tcp://b:1": {"last_seen": 70.0}}
        return {"workers": heard}


@pytest.mark.parametrize(
    ("is_the_scheduler", "said"),
    [
        (False, "tcp://b:1: the worker does not answer"),
        (True, "tcp://s:1: the scheduler does not answer"),
    ],
)
def test_who_does_not_answer_is_waited_for_no_longer_than_that_and_named(
    monkeypatch: pytest.MonkeyPatch, said: str, *, is_the_scheduler: bool
) -> None:
    for limit in ("SECONDS", "CLOSING"):
        monkeypatch.setattr(client, limit, 0.3)
    waited: list[str] = []
    deaf = Client(Deaf(scheduler=is_the_scheduler), "tcp://s:1", waited.append)
    with pytest.raises(ClusterError) as raised:
        client.check_workers(deaf, None, TOKEN)
    assert str(raised.value) == said
    assert waited[0] == "all workers of the scheduler at tcp://s:1 to answer"

    def stop(_: str) -> None:
        raise InterruptedRunError(15, "stopped")

    deaf = Client(Deaf(scheduler=is_the_scheduler), "tcp://s:1", stop)
    with pytest.raises(InterruptedRunError):
        client.check_workers(deaf, None, TOKEN)


class Leaving(Workers):
    """Workers of which the first one has runs."""

    def __init__(self, finished: dict[str, str]) -> None:
        super().__init__()
        self._finished = finished
        self.discarded: list[tuple[dict[str, str], object]] = []

    def run(self, call: Callable[..., Any], *words: Any, **how: object) -> dict[str, object]:  # noqa: ANN401 - as there
        if call is worker.discard:
            self.discarded.append((words[0], how["workers"]))
            for name in words[0]:
                self._finished.pop(name, None)
        return {"tcp://a:1": self._finished}


@pytest.fixture
def engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Workers]]:
    """The engine of a cluster that does nothing by itself."""
    workers = Workers()
    monkeypatch.setattr(client, "connect", lambda *_: linked(workers))
    made = Cluster("tcp://s:1", bench.folder / "runs")
    yield made, workers
    made.close()


LEFT = msgspec.msgpack.encode(
    JobReport(outcome=Outcome(code=143, reason="stopped", is_stopped=True), is_abandoned=True)
)


def job(bench: Bench) -> Job:
    return Job(trial().config, Run(bench.folder / "runs" / trial().name))


def test_a_trial_whose_worker_leaves_is_sent_anew_but_not_for_ever(
    bench: Bench, engine: tuple[Cluster, Workers]
) -> None:
    cluster, workers = engine
    future = cluster.submit(job(bench))
    for left in range(3):
        workers.sent[left].set_result(LEFT)
        cluster.wait(0.01)
    assert (len(workers.sent), future.done()) == (4, False)
    told = {"job": 0, **msgspec.to_builtins(EpochCommitted(1, 0.5))}
    for event in (None, {}, {"job": 0}, {"job": "x"}, {"job": 9}, told):
        workers.hear((0.0, event))
    assert cluster.wait(0.01) == [(future, EpochCommitted(1, 0.5))]
    workers.sent[3].cancel()  # by another client that restarts all workers
    cluster.wait(0.01)
    for left in range(4, 7):
        assert (len(workers.sent), future.done()) == (left + 1, False)
        workers.sent[left].set_result(LEFT)
        cluster.wait(0.01)
    outcome = future.result(0)
    assert (outcome.code, len(workers.sent)) == (143, 7)
    assert outcome.reason == "4 workers in a row left before committing an epoch of it"


def test_a_cluster_that_loses_its_last_worker_says_so_each_time(
    bench: Bench, engine: tuple[Cluster, Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, workers = engine
    monkeypatch.setattr(client, "COUNT_INTERVAL", 0.0)
    counted: dict[str, int] = {}
    monkeypatch.setattr(workers, "nthreads", lambda: counted)

    def notices() -> list[str]:
        """Return what is said at first, and within some counts more."""
        said: list[str] = []
        end, more = time.monotonic() + 10, 5
        while more and time.monotonic() < end:
            assert cluster.slots  # counts the workers in the background
            said += [each.message for _, each in cluster.wait(0.01) if isinstance(each, Notice)]
            more -= bool(said)
        return said

    future = cluster.submit(job(bench))
    for _ in range(2):
        counted.clear()
        assert notices() == ["the cluster at tcp://s:1 has no workers left; waiting for one"]
        counted["tcp://a:1"] = 1
        assert notices() == ["the cluster at tcp://s:1 has a worker again; resuming"]
    assert not future.done()


def test_trials_that_do_not_stop_are_waited_for_only_so_long(
    bench: Bench, engine: tuple[Cluster, Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, workers = engine
    futures = [cluster.submit(job(bench)) for _ in range(2)]
    cluster.stop()
    workers.sent[0].set_result(LEFT)
    cluster.wait(0.01)
    assert futures[0].result(0).is_stopped
    assert (len(workers.sent), futures[1].done()) == (2, False)
    monkeypatch.setattr(clusters, "STOP_TIMEOUT", 0)
    cluster.wait(0.01)
    assert futures[1].result(0).is_stopped


@pytest.mark.parametrize("status", ["running", "connecting"])
def test_a_scheduler_that_is_new_at_the_same_address_is_a_lost_one(
    bench: Bench, engine: tuple[Cluster, Workers], status: str
) -> None:
    cluster, workers = engine
    cluster.submit(job(bench))
    workers.sent[0].cancel()
    workers.status, workers.scheduler_comm = status, object()
    with pytest.raises(ClusterError, match="tcp://s:1 is lost; what is committed is safe"):
        cluster.wait(0.01)


@pytest.fixture
def at_home(bench: Bench) -> tuple[Run, PlannedRun, dict[str, bytes]]:
    """Where a finished run shall go, its trial, and its files."""
    bench("train", "tiny.yaml", "-q", "--runs", "away")
    found = trial()
    files = transfer.pack(Run(bench.folder / "away" / found.name))
    return Run(bench.folder / "runs" / found.name), found, files


def test_a_run_that_is_brought_home_is_the_same(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")
    assert bench("verify", f"runs/{found.name}").code == 0
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.name]


def test_what_is_there_is_never_overwritten(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    run.path.mkdir(parents=True)
    assert transfer.publish(run, found.config, files) is False
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.name]
    assert not list(run.path.iterdir())


def test_a_byte_that_changed_on_the_way_is_noticed(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    unchecked = {"log.txt", "timing.jsonl"}
    for name in files.keys() - unchecked:
        content = bytearray(files[name])
        array = content.rfind(b"\x93NUMPY")  # in an archive, an array's first byte
        content[array + 128 if array >= 0 else len(content) // 2] ^= 1
        with pytest.raises(NnexpError):
            transfer.publish(run, found.config, files | {name: bytes(content)})
        assert not list((bench.folder / "runs").iterdir())
    with pytest.raises(CorruptError, match="another config"):
        transfer.publish(run, trial("epochs=2").config, files)


@pytest.mark.parametrize("name", ["../escaped", "/etc/x", "LOCK", "checkpoints/../x", "x", ""])
def test_only_a_run_s_own_files_come_home(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]], name: str
) -> None:
    run, found, files = at_home
    with pytest.raises(CorruptError, match="contains an unknown file"):
        transfer.publish(run, found.config, files | {name: b""})
    assert not (bench.folder / "runs").exists()


def test_a_run_that_lacks_a_file_does_not_come_home(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    for name in files.keys() - {"log.txt", "timing.jsonl"}:
        rest = {key: content for key, content in files.items() if key != name}
        if name == "checkpoints/epoch-000002.npz":
            continue  # the best epoch's and the last one are needed, this is a reserve
        with pytest.raises(NnexpError):
            transfer.publish(run, found.config, rest)
    assert not list((bench.folder / "runs").glob("*"))


def test_a_run_larger_than_may_be_sent_is_refused(
    at_home: tuple[Run, PlannedRun, dict[str, bytes]],
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, found, files = at_home
    monkeypatch.setattr(transfer, "SIZE_LIMIT", sum(map(len, files.values())) - 1)
    with pytest.raises(CorruptError, match="more than the"):
        transfer.pack(Run(bench.folder / "away" / found.name))


def test_what_one_killed_while_publishing_left_is_no_hindrance(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = at_home
    left = run.path.with_name(f".{run.name}.home")
    (left / "checkpoints").mkdir(parents=True)
    (left / "checkpoints" / "epoch-000099.npz").write_bytes(b"")
    (left / "result.json").write_bytes(b"")
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")


def test_what_one_killed_while_publishing_left_goes_unless_it_is_in_use(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, _, _ = at_home
    transfer.remove_leftovers(bench.folder / "runs")
    for name in (".a.home", ".b.home", "c.home", ".d.new"):
        (run.path.parent / name / "checkpoints").mkdir(parents=True)
        (run.path.parent / name / "LOCK").touch()
        (run.path.parent / name / "run.json").touch()
    lock = Lock(run.path.parent / ".b.home" / "LOCK")
    lock.acquire()
    workers = Leaving({})
    Collector(linked(workers), bench.folder / "runs").find_copies()
    assert sorted(path.name for path in run.path.parent.iterdir()) == [
        ".b.home",
        ".d.new",
        "c.home",
    ]
    lock.release()


@pytest.fixture(
    params=[(12, 3, 2, 7, (4, 8)), (9, 1, 1, 5, (4, 9))], ids=["best-before", "best-last"]
)
def unfinished(
    bench: Bench, request: pytest.FixtureRequest
) -> tuple[Run, PlannedRun, dict[str, bytes]]:
    """A run that was interrupted here, its trial, and what it came to elsewhere.

    Its best epoch here is another than in the end, and none of the last two; in the second case
    one in between was the best for a time, and its checkpoint is gone.
    """
    epochs, rate, seed, until, best = request.param
    bench.config(epochs=epochs, patience=None, learning_rate=rate, seed=seed)
    found = trial()
    bench("train", "tiny.yaml", "-q", "--runs", "away")
    run = Run(bench.folder / "runs" / found.name)
    assert list(jobs.messages(Job(found.config, run, until)))
    rows = Run(bench.folder / "away" / found.name).history()
    assert (best_row(rows[:until]).epoch, best_row(rows).epoch) == best
    return run, found, transfer.pack(Run(bench.folder / "away" / found.name))


def test_an_unfinished_run_is_brought_to_its_end_by_what_went_on_from_it(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [found.name]
    assert not transfer.publish(run, found.config, files)


def test_a_run_that_is_brought_to_its_end_goes_on_wherever_that_was_killed(
    bench: Bench,
    unfinished: tuple[Run, PlannedRun, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, found, files = unfinished
    shutil.copytree(bench.folder / "runs", bench.folder / "kept")
    kept, steps = bench.folder / "kept" / found.name, 0

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
        here, away = (bench.files(f"{folder}/{found.name}") for folder in ("runs", "away"))
        reserve = f"checkpoints/epoch-{found.config.epochs - 1:06d}.npz"
        assert here.items() <= away.items()
        assert away.keys() - here.keys() <= {reserve}
        again = Run(bench.folder / f"again-{count}" / found.name)
        assert transfer.publish(again, found.config, files)
        assert bench.files(f"again-{count}/{found.name}") == away
    assert count == len(files) - 2  # all but run.json and config.yaml, which are the same


def test_what_did_not_go_on_from_what_is_here_does_not_end_it(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    whole = (run.path / "metrics.jsonl").read_bytes()
    for path in run.checkpoints().values():
        path.unlink()
    (run.path / "metrics.jsonl").write_bytes(whole.replace(b"0.", b"1.", 1))
    bench.commit(f"runs/{found.name}")  # rows that other arithmetic has made, say
    before = bench.files(f"runs/{found.name}")
    assert not transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == before
    (run.path / "metrics.jsonl").write_bytes(whole)
    bench.commit(f"runs/{found.name}")
    record = run.path / "run.json"
    record.write_bytes(record.read_bytes() + b"\n")
    before = bench.files(f"runs/{found.name}")
    assert not transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == before


@pytest.fixture
def partly(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> tuple[Run, PlannedRun, int, dict[str, bytes]]:
    """The run that was interrupted here, and what it came to elsewhere up to a later epoch."""
    run, found, _ = unfinished
    until = found.config.epochs - 1
    assert max(run.checkpoints()) < until
    there = Run(bench.folder / "partly" / found.name)
    assert list(jobs.messages(Job(found.config, there, until)))
    return run, found, until, transfer.pack(there)


def test_a_run_that_was_to_be_trained_up_to_an_epoch_is_brought_so_far(
    bench: Bench, partly: tuple[Run, PlannedRun, int, dict[str, bytes]]
) -> None:
    run, found, until, files = partly
    fresh = Run(bench.folder / "fresh" / found.name)
    with pytest.raises(CorruptError, match=r"lacks 'result\.json'"):
        transfer.publish(run, found.config, files)  # it was to be trained to its end
    for each in (run, fresh):
        assert transfer.publish(each, found.config, files, until)
        assert bench.files(str(each.path)) == bench.files(f"partly/{found.name}")
        assert transfer.publish(each, found.config, files, until)
    assert bench("train", "tiny.yaml", "-q").code == 0
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")


def test_a_run_that_is_further_here_does_not_go_back(
    bench: Bench, partly: tuple[Run, PlannedRun, int, dict[str, bytes]]
) -> None:
    """Not though both have a checkpoint that the other's rows go on from."""
    run, found, until, files = partly
    there = Run(bench.folder / "behind" / found.name)
    assert list(jobs.messages(Job(found.config, there, until - 1)))
    behind = transfer.pack(there)
    assert transfer.publish(run, found.config, files, until)
    assert max(there.checkpoints()) in run.checkpoints()
    before = bench.files(f"runs/{found.name}")
    assert not transfer.publish(run, found.config, behind, until - 1)
    assert bench.files(f"runs/{found.name}") == before
    home = Collector(linked(Workers()), bench.folder / "runs")
    report = JobReport(outcome=Outcome(), files=behind, worker="tcp://a:1")
    assert home.collect(Job(found.config, run, 3), report).epochs == 3
    other = msgspec.structs.replace(report, files=files | {"run.json": files["run.json"] + b"\n"})
    assert home.collect(Job(found.config, run, until), other).epochs == until


def test_an_unfinished_run_needs_the_checkpoints_of_its_best_and_its_last_epoch(
    bench: Bench, partly: tuple[Run, PlannedRun, int, dict[str, bytes]]
) -> None:
    _, found, until, files = partly
    best = best_row(Run(bench.folder / "partly" / found.name).history()).epoch
    for epoch in {best, until}:
        rest = {name: files[name] for name in files if f"{epoch:06d}" not in name}
        with pytest.raises(CorruptError):
            transfer.publish(Run(bench.folder / "new" / found.name), found.config, rest, until)
    assert not list((bench.folder / "new").iterdir())


def test_a_run_that_is_brought_up_to_an_epoch_goes_on_wherever_that_was_killed(
    bench: Bench,
    partly: tuple[Run, PlannedRun, int, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And then it is opened again, for what the kill left is not what belongs there."""
    run, found, until, files = partly
    shutil.copytree(bench.folder / "runs", bench.folder / "kept")
    part = bench.files(f"partly/{found.name}")
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
            assert bench.files(f"runs/{found.name}") == part
        again = Run(bench.folder / "again" / found.name)
        shutil.rmtree(bench.folder / "again", ignore_errors=True)
        shutil.copytree(bench.folder / "runs", bench.folder / "again")
        assert transfer.publish(again, found.config, files, until)
        assert bench.files(f"again/{found.name}") == part
        assert list(jobs.messages(Job(found.config, Run(run.path), until))) is not None
        here = bench.files(f"runs/{found.name}")
        assert here.items() <= part.items()
        assert part.keys() - here.keys() <= {f"checkpoints/epoch-{until - 1:06d}.npz"}
        assert bench("train", "tiny.yaml", "-q").code == 0
        assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")
    assert steps > len(part) - 2


def test_copies_of_unfinished_runs_stay_on_workers_until_the_end(
    bench: Bench, partly: tuple[Run, PlannedRun, int, dict[str, bytes]]
) -> None:
    """Until then the worker may be given the run again, and be about to go on with it."""
    run, found, until, files = partly
    behind = transfer.identities(run)[2]
    workers = Leaving({found.name: behind, "other": "0"})
    home = Collector(linked(workers), bench.folder / "runs")
    home.find_copies()
    report = JobReport(outcome=Outcome(), files=files, worker="tcp://b:1")
    assert home.collect(Job(found.config, run, until), report) == Outcome()
    home.clean_up()
    assert workers.discarded == []
    home.close(10)
    assert workers.discarded == [({found.name: behind}, ["tcp://a:1"])]


def test_a_run_that_is_trained_here_is_not_brought_to_its_end(
    unfinished: tuple[Run, PlannedRun, dict[str, bytes]],
) -> None:
    run, found, files = unfinished
    lock = Lock(run.path / "LOCK")
    lock.acquire()
    with pytest.raises(LockedError):
        transfer.publish(run, found.config, files)
    lock.release()


def test_a_worker_goes_on_with_what_is_sent_unless_it_has_as_much(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, files = unfinished
    there = Run(bench.folder / "there" / found.name)
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
    assert [path.name for path in there.path.parent.iterdir()] == [found.name]
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
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    """It is written under another name first, under which nothing else would ever remove it."""
    run, found, files = unfinished
    there = Run(bench.folder / "there" / found.name)
    for reached in (2, 3):
        assert list(jobs.messages(Job(found.config, there, reached)))
        (there.path / "checkpoints" / f".epoch-{reached + 1:06d}.npz.tmp").write_bytes(b"")
        (there.path / ".result.json.tmp").write_bytes(b"")
        if reached == 2:
            transfer.discard(there, transfer.identity(there) or "")
            assert not list(there.path.parent.iterdir())
    transfer.unpack(there, transfer.pack(run))
    assert bench.files(f"there/{found.name}") == bench.files(f"runs/{found.name}")
    (run.path / "checkpoints" / f".epoch-{max(run.checkpoints()) + 1:06d}.npz.tmp").touch()
    (run.path / ".predictions.npz.tmp").touch()
    assert transfer.publish(run, found.config, files)
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")


def test_what_no_run_has_is_not_removed_and_that_is_said(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    run, found, _ = unfinished
    there = Run(bench.folder / "there" / found.name)
    assert list(jobs.messages(Job(found.config, there, 2)))
    mine = there.path.with_name(f".{found.name}.removed") / "mine.txt"
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
    unfinished: tuple[Run, PlannedRun, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, found, _ = unfinished
    there, real = Run(bench.folder / "there" / found.name), disk.remove
    for steps in itertools.count():
        if not there.exists:
            assert list(jobs.messages(Job(found.config, there, 2)))
        before, count = bench.files(f"there/{found.name}"), itertools.count()

        def remove(path: Path) -> None:
            if next(count) == steps:  # noqa: B023 - called at once
                raise KeyboardInterrupt
            real(path)

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(disk, "remove", remove)
            transfer.discard(there, transfer.identity(there) or "")
            break
        assert not there.exists or bench.files(f"there/{found.name}") == before
        transfer.unpack(there, transfer.pack(run))
        assert bench.files(f"there/{found.name}") == bench.files(f"runs/{found.name}")
    transfer.remove_leftovers(there.path.parent)
    assert steps > len(transfer.pack(run))
    assert not list(there.path.parent.iterdir())


def test_a_trial_without_a_common_folder_goes_on_from_what_was_sent(
    bench: Bench,
    unfinished: tuple[Run, PlannedRun, dict[str, bytes]],
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
        found.name: transfer.identity(Run(next((bench.folder / "tmp").iterdir()) / found.name))
    }
    changed = msgspec.structs.replace(report, files=report.files | {"result.json": b"{}"})
    assert home.collect(Job(found.config, run), changed).code == 5
    assert home.collect(Job(found.config, run), report) == report.outcome
    assert bench.files(f"runs/{found.name}") == bench.files(f"away/{found.name}")
    identities = worker.identities()
    worker.discard(identities | {"another": "0", "../x": "0"})
    assert worker.identities() == {}
    assert home.files(Run(bench.folder / "runs" / "new")) is None
    assert files.keys() == report.files.keys()


def test_what_was_brought_home_before_goes_from_the_workers(
    bench: Bench, at_home: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    """Only what is the same here: what a worker says of any other name, it keeps."""
    run, found, files = at_home
    transfer.publish(run, found.config, files)
    identity = transfer.identity(run)
    assert identity is not None
    client = Leaving({found.name: identity, "other": identity, "../runs": identity})
    home = Collector(linked(client), bench.folder / "runs")
    home.find_copies()
    home.close(10)
    assert client.discarded == [({found.name: identity}, ["tcp://a:1"])]
    client = Leaving({found.name: "0"})
    home = Collector(linked(client), bench.folder / "runs")
    home.find_copies()
    home.close(10)
    assert client.discarded == []


def test_two_do_not_publish_at_once(at_home: tuple[Run, PlannedRun, dict[str, bytes]]) -> None:
    run, found, files = at_home
    left = run.path.with_name(f".{run.name}.home")
    left.mkdir(parents=True)
    lock = Lock(left / "LOCK")
    lock.acquire()
    with pytest.raises(NnexpError, match="another process"):
        transfer.publish(run, found.config, files)
    lock.release()


def test_a_build_that_another_process_has_begun_since_is_left_to_it(
    at_home: tuple[Run, PlannedRun, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found, files = at_home
    build, rename = run.path.with_name(f".{run.name}.home"), disk.move_directory

    def renamed(source: Path, target: Path) -> bool:
        is_placed = rename(source, target)
        (build / "checkpoints").mkdir(parents=True)
        (build / "LOCK").touch()
        (build / "run.json").write_text("another's")
        return is_placed

    monkeypatch.setattr(disk, "move_directory", renamed)
    assert transfer.publish(run, found.config, files)
    assert (build / "run.json").read_text() == "another's"
    assert (build / "LOCK").exists()


def test_what_another_process_is_removing_is_left_to_it(
    bench: Bench, unfinished: tuple[Run, PlannedRun, dict[str, bytes]]
) -> None:
    _, found, _ = unfinished
    there = Run(bench.folder / "there" / found.name)
    assert list(jobs.messages(Job(found.config, there, 2)))
    removed = there.path.with_name(f".{found.name}.removed")
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


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    mine = disk.private_directory(tmp_path / "mine")
    assert mine.stat().st_mode & 0o777 == 0o700
    assert disk.private_directory(mine) == mine
    mine.chmod(0o770)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (mine, tmp_path / "link"):
        with pytest.raises(CorruptError, match="not a private folder"):
            disk.private_directory(path)


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tls://10.0.0.1:8786", False),
        ("wss://10.0.0.1:8786", False),
        ("tcp://10.0.0.1:8786", True),
        ("head:8786", True),
        ("tcp://[fe80::1]:8786", True),
    ],
)
def test_an_address_that_lets_anyone_in_is_warned_of(address: str, *, is_so: bool) -> None:
    assert is_exposed(address) is is_so


@pytest.mark.parametrize("option", [("--scheduler", "tcp://127.0.0.1:1"), ("--collect",)])
def test_options_of_a_cluster_go_with_its_engine(bench: Bench, option: tuple[str, ...]) -> None:
    code, _, err = bench("sweep", "tiny.yaml", *option)
    assert (code, err) == (2, "--scheduler and --collect go with --engine dask\n")


def scripted(bench: Bench, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{script}\nfrom nnexp.cli import main\nmain()"]
    return subprocess.run(
        [*command, "sweep", "tiny.yaml", "--engine", "dask", *arguments],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_dask_one_is_told_how_to_have_it(bench: Bench) -> None:
    script = "import sys; sys.modules['distributed'] = None"
    for address in ("tcp://10.0.0.1:8786", "foo"):
        done = scripted(bench, script, "--scheduler", address)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("--engine dask needs dask (")
        assert done.stderr.endswith("): pip install 'nnexp[dask]'\n")
    assert not (bench.folder / "runs").exists()


NO_ADDRESS = "is not a scheduler address, such as tcp://127.0.0.1:8786"


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("tcp://127.0.0.1:9", 74, "the scheduler does not answer: Timed out trying to connect to"),
        ("foo", 2, f"{NO_ADDRESS}: missing port number in address 'foo'"),
        ("tcp://127.0.0.1", 2, f"{NO_ADDRESS}: missing port number in address '127.0.0.1'"),
        ("", 2, f"{NO_ADDRESS}: missing port number in address ''"),
        ("tcp://10.0.0.1:99999", 2, f"{NO_ADDRESS}: no host, or no port below 65,536"),
        ("what://10.0.0.1:9", 2, f"{NO_ADDRESS}: unknown address scheme 'what'"),
        (
            "tls://10.0.0.1:9",
            2,
            "needs a certificate; set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and ",
        ),
    ],
)
def test_a_scheduler_that_cannot_be_is_told_of_alone(
    bench: Bench, address: str, code: int, said: str
) -> None:
    """A bad address is told before anything that would be so of a good one."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    script = "from nnexp.study.dask import client; client.SECONDS = 1"
    done = scripted(bench, script, "--scheduler", address)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"{address or repr(address)}: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert not (bench.folder / "runs").exists()


def waiting(bench: Bench, address: str, *arguments: str) -> subprocess.Popen[str]:
    engine = ("--engine", "dask", "--scheduler", address)
    return bench.start("sweep", "tiny.yaml", *engine, *arguments)


def test_a_sweep_that_waits_for_its_scheduler_says_so_and_can_be_stopped(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        process, quiet = waiting(bench, address), waiting(bench, address, "-q")
        assert process.stderr is not None
        assert process.stderr.readline() == f"waiting for the scheduler at {address}\n"
        time.sleep(1)
        for each in (process, quiet):
            each.send_signal(signal.SIGINT)
        told = "stopped with 0 of 1 trials done; what is committed is safe"
        for each in (process, quiet):
            out, err = each.communicate(timeout=30)
            assert (each.returncode, out) == (130, "")
            assert err.startswith(told)
            assert err.count("\n") == 1


def test_a_scheduler_that_takes_a_call_and_says_nothing_is_given_up(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        script = "from nnexp.study.dask import client; client.SECONDS = 1"
        done = scripted(bench, script, "--scheduler", address, "-q")
    told = f"{address}: the scheduler does not answer: no reply within 1 s\n"
    assert (done.returncode, done.stdout, done.stderr) == (74, "", told)


def test_a_sweep_that_waits_for_workers_says_so_and_gives_up(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    command = ("-m", "distributed.cli.dask_scheduler", "--host", address, *quiet)
    scheduler = subprocess.Popen(
        [sys.executable, *command], cwd=bench.folder, stderr=subprocess.DEVNULL
    )
    try:
        while scheduler.poll() is None:  # how long it takes to begin is not what is tested
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        script = "from nnexp.study.dask import client; client.SECONDS = 4"
        done = scripted(bench, script, "--scheduler", address)
    finally:
        scheduler.kill()
        scheduler.wait()
    assert (done.returncode, done.stdout) == (74, "")
    *before, last = done.stderr.splitlines()
    assert before[-1] == f"waiting for workers of the scheduler at {address}"
    assert last == f"{address}: has no worker; dask worker {address} starts one"
