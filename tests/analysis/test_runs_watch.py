"""nnexp runs --watch follows trainings, their progress and the time left."""

from __future__ import annotations

import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.analysis.watch import left
from nnexp.cli import watch
from nnexp.store import listing, lock, metrics
from nnexp.store.metrics import Timing
from nnexp.store.run import Run
from nnexp.training.history import Row
from tests.analysis.listings import make
from tests.conftest import commit
from tests.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.conftest import Bench


def test_the_time_left_is_what_the_latest_epochs_took() -> None:
    rows = [Timing(1, 100.0, 0.0), *(Timing(epoch, 1.5, 0.5) for epoch in range(2, 14))]
    assert left(rows, 10, age=0.0) == 20.0
    assert left(rows, 10, age=0.5) == 19.5
    assert left(rows, 10, age=60.0) == 18.0, "a pause is not counted as work"
    assert left(rows, 10, age=-5.0) == 20.0, "nor is a clock that was put back"
    assert left(rows, 0, age=1.0) == 0.0
    slow = [Timing(epoch, 100.0, 0.0) for epoch in range(1, 31)]
    fast = [Timing(epoch, 1.0, 0.0) for epoch in range(31, 41)]
    assert left([*slow, *fast], 5, age=0.0) == 5.0
    every_third = [Timing(3, 5.0, 1.0), Timing(6, 5.0, 1.0)]
    assert left(every_third, 4, age=1.0) == 7.0


def test_timing_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "timing.jsonl"
    assert metrics.read_timings(path, {}) == []
    row = '{"epoch":%d,"train_seconds":%d,"evaluate_seconds":0.5}\n'
    path.write_text(row % (1, 1) + row % (2, 1) + "\0\0\n[]\n" + row % (2, 3) + row[:9])
    assert metrics.read_timings(path, {}) == [Timing(1, 1, 0.5), Timing(2, 3, 0.5)]


def test_a_watch_without_a_terminal_tells_each_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time stands still but for the run's own steps: one at each pause of the watch."""
    run = make("n", "epochs=30", ended=False)
    make("other", ended=False)
    make("old")
    held = lock.Lock(run.path / "LOCK")
    held.acquire()
    row = metrics.encode(Row(epoch=4, learning_rate=1.0, validation_accuracy=0.5))
    rows = (run.path / "metrics.jsonl").read_bytes() + row

    steps = iter(
        [
            lambda: None,
            lambda: (run.path / "metrics.jsonl").write_bytes(rows),
            lambda: commit(run.path),
            held.release,
        ]
    )
    now = iter(range(100))
    monkeypatch.setattr(time, "sleep", lambda _: next(steps, lambda: None)())
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    said = bench("runs", "--watch")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "runs/n: running, epoch 2/30, validation 90.00 %, best 90.00 %\n"
        "runs/n: running, epoch 4/30, validation 50.00 %, best 90.00 %\n"
        "runs/n: interrupted, epoch 4/30, validation 50.00 %, best 90.00 %\n"
    )


def test_a_watch_of_nothing_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0)
    make("a")
    make("b", ended=False)
    assert bench("runs", "--watch") == (0, "", "nothing is running in runs\n")
    assert bench("runs", "--watch", "b*").code == 0
    assert bench("runs", "--watch", "b*", "x*", "--where", "seed=7") == (
        1,
        "",
        "nothing is running in runs\nx*: no run in runs matches; nnexp runs lists all\n",
    )


def test_a_run_that_is_damaged_under_watch_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("n", ended=False)
    held = lock.Lock(run.path / "LOCK")
    held.acquire()
    monkeypatch.setattr(watch, "PATIENCE", 0.01)
    monkeypatch.setattr(watch, "INTERVAL", 0.02)
    looked = listing.entry

    def spoil(seen: Run, _: object) -> listing.Entry | None:
        entry = looked(seen)
        (run.path / "run.json").write_text("{}")
        return entry

    monkeypatch.setattr(listing, "entry", spoil)
    code, out, err = bench("runs", "--watch")
    held.release()
    assert (code, out.splitlines()[-1]) == (1, "runs/n: damaged, epoch 0/?")
    assert err == "runs/n/run.json: is damaged: its checksum does not match its content\n"


ENDLESS = ("--set", "epochs=100000")
LONG = ("--set", "epochs=1000", "--set", "batch_size=1", "--set", "patience=", "--name", "long")


@contextmanager
def started(bench: Bench, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """Train while the context lasts, and until the end if it waits for that."""
    process = bench.start("train", "tiny.yaml", "-q", *LONG, *settings)
    try:
        until((bench.folder / "runs/long-s0/timing.jsonl").read_bytes, process=process)
        yield process
    finally:
        process.terminate()  # nothing, if it has ended
        process.communicate()


@pytest.mark.slow
def test_a_training_is_watched_on_a_terminal_to_its_end(bench: Bench) -> None:
    with started(bench) as training:
        text = bench.on_a_terminal("runs", "--watch", NO_COLOR="1", TERM="xterm")
        assert training.wait(timeout=60) == 0
    screens = text.replace("\r\n", "\n").split("\x1b[2A\x1b[J")
    assert len(screens) > 1
    for screen in screens:
        assert re.match("run +epoch +validation +best +time left\n", screen)
    assert re.search(r"^long-s0 +\d+/1000  .* \d+:\d\d$", screens[0], re.MULTILINE)
    assert re.search(r"^long-s0 +1000/1000  .* finished$", screens[-1], re.MULTILINE)


def test_ctrl_c_ends_a_watch_and_not_the_training(bench: Bench) -> None:
    with started(bench, *ENDLESS) as training:
        with bench.start("runs", "--watch") as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline().startswith("runs/long-s0: running, epoch ")
            watching.send_signal(signal.SIGINT)
            _, err = watching.communicate(timeout=20)
        assert (watching.returncode, err) == (130, "\n")
        assert training.poll() is None
    assert training.returncode == 128 + signal.SIGTERM


def test_a_watch_ends_when_nobody_reads_it(bench: Bench) -> None:
    with started(bench, *ENDLESS) as training:
        with bench.start("runs", "--watch") as watching:
            assert watching.stdout is not None
            watching.stdout.readline()
            watching.stdout.close()
            assert watching.wait(timeout=20) == 0
        assert training.poll() is None


@pytest.mark.parametrize("option", ["--json", "-q", "--each", "--best=1", "--sort=name"])
def test_what_does_not_go_with_watch(bench: Bench, option: str) -> None:
    code, out, err = bench("runs", "--watch", option)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--watch can only be combined with PATTERN and --where" in err
