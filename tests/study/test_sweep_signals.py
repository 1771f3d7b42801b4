"""A signal stops a sweep and all its jobs, and a killed sweep leaves no process behind."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.study.sweeps import GRID, LONG, only_linux
from tests.waiting import catches, until

if TYPE_CHECKING:
    from tests.conftest import Bench


def children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in told.read_text().split()] if told.exists() else []


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


def measured(bench: Bench) -> int:
    files = bench.folder.glob("runs/[!.]*/metrics.jsonl")
    return sum(len(each.read_bytes().splitlines()) for each in files)


def begun(bench: Bench, *arguments: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """Start a sweep that takes forever, and return when two trials have committed something."""
    process = bench.start("sweep", "tiny.yaml", *GRID, *LONG, "-j", "2", *arguments, **options)
    saved = "runs/[!.]*/checkpoints/*.npz"
    until(lambda: len({each.parent for each in bench.folder.glob(saved)}) >= 2, process=process)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_sweep_and_trials_and_loses_nothing(
    bench: Bench, number: signal.Signals
) -> None:
    process = begun(bench)
    trials = children(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == (
        "stopped with 0 of 4 trials done; committed epochs are safe; repeat the command to resume"
    )
    assert len(trials) == 2
    assert all(map(gone, trials))
    assert not (bench.folder / "runs" / ".sweep").exists()
    statuses = bench("runs").out
    assert statuses.count("interrupted") == 2


def test_a_signal_to_the_whole_group_as_a_terminal_sends_it_is_the_same(bench: Bench) -> None:
    process = begun(bench, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(err.splitlines())) == (130, 1)
    assert bench("runs").out.count("interrupted") == 2


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_the_user_had_ignored_stops_no_trial_either(
    bench: Bench, number: signal.Signals
) -> None:
    """As ``nohup nnexp sweep ... &`` has it when the terminal closes; others stop it still."""
    last = signal.SIGINT if number == signal.SIGTERM else signal.SIGTERM
    process = begun(
        bench,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    try:
        trials = children(process.pid)
        os.killpg(process.pid, number)
        before = measured(bench)
        until(lambda: measured(bench) > before + 20)
        assert children(process.pid) == trials
        process.send_signal(last)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + last
    assert err.startswith("stopped with 0 of 4 trials done")


@only_linux
@pytest.mark.parametrize("numbers", [(signal.SIGKILL,), (signal.SIGTERM, signal.SIGTERM)])
def test_a_sweep_that_is_killed_leaves_no_trial_behind(
    bench: Bench, numbers: tuple[signal.Signals, ...]
) -> None:
    process = begun(bench)
    trials = children(process.pid)
    for trial in trials if len(numbers) > 1 else []:
        os.kill(trial, signal.SIGSTOP)  # it cannot heed the first
    process.send_signal(numbers[0])
    for number in numbers[1:]:
        until(lambda: not catches(process, signal.SIGTERM))
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -numbers[-1]
    until(lambda: all(map(gone, trials)))
    assert len(trials) == 2


def pipes(pid: int) -> list[tuple[str, bool]]:
    """Return the pipes that a process has open, and whether it can read from them."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # files come and go
            target, mode = str(path.readlink()), path.lstat().st_mode
            if target.startswith("pipe:") and int(path.name) > 2:
                found.append((target, bool(mode & stat.S_IRUSR)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only there /proc tells")
def test_a_trial_has_its_own_pipe_alone_and_only_to_write_to(bench: Bench) -> None:
    """A fork copies what the parent has open, the other trials' pipes too.

    With one of these ends open in a trial, another one that is killed would not be seen to end,
    or one whose sweep is gone would wait for a reader for ever.
    """
    process = begun(bench, "-j", "3")
    until(lambda: len(children(process.pid)) == 3)
    trials = children(process.pid)
    until(lambda: all(len(pipes(each)) == 1 for each in trials))
    read = {pipe for pipe, readable in pipes(process.pid) if readable}
    written = [pipes(each) for each in trials]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert [readable for each in written for _, readable in each] == [False] * 3
    assert {pipe for each in written for pipe, _ in each} == read
