"""A dask worker trains a job in a subprocess, reports its result and stops it on request."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest

import nnexp
from nnexp.study.dask import worker
from nnexp.study.dask.client import TokenFile
from nnexp.study.dask.worker import JobReport
from nnexp.study.job import Message, Outcome
from nnexp.study.local.process import Process
from tests.study.dask_jobs import TOKEN, carried_out, order, trial
from tests.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench


@pytest.fixture
def held(bench: Bench) -> Iterator[TokenFile]:
    """The folder of the runs with a sweep's token."""
    found = TokenFile(bench.folder / "runs", TOKEN)
    yield found
    found.release()


@pytest.mark.usefixtures("held")
def test_a_worker_s_trial_is_the_run_that_train_makes(bench: Bench) -> None:
    told: list[Message] = []
    report = carried_out(order(bench, trial()), told)
    assert (report.outcome.code, report.outcome.epochs, report.output) == (0, 3, b"")
    assert report.startup > 0
    assert len(told) == 1  # of three quick epochs one is told
    bench("train", "tiny.yaml", "-q", "--runs", "loop")
    assert bench.files(f"runs/{trial().run.name}") == bench.files(f"loop/{trial().run.name}")


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("entry", ["", "."])
def test_a_trial_imports_nothing_from_the_working_directory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """As faults/5; an empty entry of PYTHONPATH stands for the working directory, too."""
    evil = 'open("PWNED", "w"); raise SystemExit(0)'
    for name in ("numpy.py", "json.py", "nnexp/__init__.py", "nnexp/study/local/child.py"):
        (bench.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.folder / name).write_text(evil)
    package = str(Path(nnexp.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([entry, package]))
    assert carried_out(order(bench, trial()), []).outcome.code == 0
    assert not (bench.folder / "PWNED").exists()


@pytest.mark.usefixtures("held")
def test_a_worker_s_data_starts_from_the_client_s_root(bench: Bench) -> None:
    wanted = order(bench, trial(), data_root="data")
    (bench.folder / "data").mkdir()
    (bench.folder / "tiny.npz").rename(bench.folder / "data/tiny.npz")
    assert carried_out(wanted).outcome.code == 0
    assert not Path("tiny.npz").exists()


@pytest.mark.usefixtures("held")
def test_a_trial_that_is_no_longer_wanted_stops_and_is_no_failure(bench: Bench) -> None:
    found = trial("epochs=100000", "patience=null")
    end = time.monotonic() + SECONDS

    def unwanted() -> bool:
        assert time.monotonic() < end
        return any((bench.folder / "runs").glob("[!.]*/checkpoints/*.npz"))

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
        assert late.outcome.reason == "took more than 0.01 s; committed epochs are safe"
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
    assert (bench.folder / "runs" / trial().run.name).exists() is is_wanted


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
        until(lambda: list((bench.folder / "runs").glob("[!.]*/checkpoints/*.npz")))

    thread = threading.Thread(target=abandon)
    thread.start()
    thread.join(2 * SECONDS)
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
