"""A disk error at any system call of a training exits with 74 and one line, and loses no data."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnexp.store import growth_index
from tests.faults.conftest import lacking
from tests.faults.crashes import CRASHES, Crash
from tests.faults.tracing import RUN, Call, Tracing

Count = Callable[[str, int], None]

ERRORS = {
    name: os.strerror(getattr(errno, name)).lower()
    for name in ("ENOSPC", "EIO", "EACCES", "EDQUOT", "EMFILE")
}
RETRIED = ("read", "write", "fsync", "flock", "ftruncate")
"""What Python calls again where a signal cut it short."""

SHARDS = 2
SAMPLE = 40
"""Of so many calls, every day's tests take one; `pytest -m slow` takes all."""


def touching(tracing: Tracing, state: Path | None = None, *command: str) -> list[Call]:
    """Return a command's calls that touch the place; by default, a training's."""
    tracing.reset(state)
    return [call for call in tracing.calls([*command]) if call.path]


def is_harmless(call: Call, error: str = "EIO") -> bool:
    """Return whether an error at a call may change nothing.

    Such are the close of a directory that was listed, since Python does not check C's closedir, and
    a denied permission for the index of runs to grow from, which is searched without.
    """
    is_index = f"/{growth_index.FOLDER}" in call.path and error == "EACCES"
    return is_index or (call.name == "close" and call.after_listing)


def fail_at(
    tracing: Tracing, error: str, places: slice, state: Path | None = None, *, on: bool = False
) -> int:
    """Let each call of some places fail, train again, and return how often."""
    calls, faults = touching(tracing, state), 0
    assert len(calls) > 50
    for place in range(len(calls))[places]:
        call = calls[place]
        if on and call.name == "write":
            continue  # nothing could be told; the full file system below stands for it
        tracing.reset(state)
        code, out, err = tracing.fail(call, error, on=on)
        if is_harmless(call, error) and not on:
            assert (code, out, err) == tracing.done, call
        else:
            assert (code, out) == (74, ""), (call, err)
            path, _, told = err.partition(": ")
            assert path.startswith(str(tracing.place)), (call, err)
            assert told == f"{ERRORS[error]}\n", (call, err)
        assert tracing.damage(calls[:place], state) == [], call
        assert tracing.train() == tracing.done, call
        assert tracing.differences() == [], call
        faults += 1
    return faults


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_at_some_calls_ends_in_74_and_loses_nothing(tracing: Tracing, error: str) -> None:
    first = list(ERRORS).index(error) * SAMPLE // len(ERRORS)
    assert fail_at(tracing, error, slice(first, None, SAMPLE)) > 3


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_at_any_call_ends_in_74_and_loses_nothing(
    tracing: Tracing, error: str, shard: int, count: Count
) -> None:
    count(f"{error} at a call", fail_at(tracing, error, slice(shard, None, SHARDS)))


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_an_error_that_stays_ends_in_74_and_loses_nothing(
    tracing: Tracing, error: str, shard: int, count: Count
) -> None:
    """What is tidied up after a failure fails, too, and hides nothing."""
    made = fail_at(tracing, error, slice(shard, None, SHARDS), on=True)
    count(f"{error} from a call on", made)


@pytest.mark.slow
@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_an_error_at_any_call_of_a_recovery_ends_in_74_and_loses_nothing(
    tracing: Tracing, crash: Crash, count: Count
) -> None:
    state, faults = crash.made(tracing), 0
    for first, error in enumerate(ERRORS):  # each call fails once, in one way
        faults += fail_at(tracing, error, slice(first, None, len(ERRORS)), state)
    count("an error at a call of a recovery", faults)


OTHER = "other"
READERS = (
    *(("runs",), ("show", RUN), ("compare", RUN, OTHER)),
    *(("evaluate", RUN), ("replay", RUN), ("verify", "-q", RUN)),
)


@pytest.mark.slow
@pytest.mark.parametrize("command", READERS, ids=[command[0] for command in READERS])
def test_an_error_at_any_call_of_a_reader_is_told(
    tracing: Tracing, command: tuple[str, ...], count: Count, tmp_path: Path
) -> None:
    """Reading, too, takes no error for an answer; `runs` may list the run as damaged instead."""
    state = CRASHES["a result half written"].made(tracing)
    runs = str(tracing.run.parent)
    other = shutil.copytree(tracing.run, tmp_path / OTHER)
    places = {RUN: tracing.run, OTHER: other}
    arguments = [str(places.get(word, word)) for word in command]
    arguments += ["--runs", runs] if command == ("runs",) else []
    calls = touching(tracing, state, *arguments)
    assert len(calls) > 10
    for call in calls:
        code, _, err = tracing.fail(call, "EIO", arguments)
        if is_harmless(call):
            assert (code, err) == (0, ""), call
        else:
            assert code in ((1, 74) if command == ("runs",) else (74,)), (call, err)
            assert re.fullmatch(f"{re.escape(runs)}.*: {ERRORS['EIO']}\n", err), (call, err)
    count("EIO at a call of a reader", len(calls))


def test_a_signal_s_interruption_of_a_call_is_no_error(tracing: Tracing) -> None:
    calls = [call for call in touching(tracing) if call.name in RETRIED]
    assert {call.name for call in calls} == set(RETRIED) - {"ftruncate"}
    for call in calls[::4]:
        tracing.reset()
        assert tracing.fail(call, "EINTR") == tracing.done, call
        assert tracing.differences() == [], call


@pytest.fixture
def mount(tracing: Tracing) -> Iterator[Callable[[str], None]]:
    """Make the place a file system in memory, with options such as its size; or change them."""
    if os.geteuid():
        lacking("only root can mount a file system")

    def mounted(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tracing.place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")

    tracing.reset()
    yield mounted
    while tracing.place.is_mount():
        subprocess.run(["umount", str(tracing.place)], check=True)


@pytest.mark.parametrize("limit", ["size={}k", "nr_inodes={}"])
def test_a_file_system_that_is_full_ends_in_74_and_more_room_goes_on(
    tracing: Tracing, mount: Callable[[str], None], limit: str
) -> None:
    """Every size from nothing to enough, so that it is full at one file after another."""
    filled: list[str] = []
    for size in range(4, 200, 4) if "size" in limit else range(2, 50):
        mount(limit.format(size))
        code, out, err = tracing.train()
        if code == 0:
            break
        assert (code, out) == (74, "")
        path, _, told = err.partition(": ")
        assert told == "no space left on device\n"
        filled.append(path)
        mount("remount,size=1m,nr_inodes=1000")
        assert tracing.train() == tracing.done
        assert tracing.differences() == []
        subprocess.run(["umount", str(tracing.place)], check=True)
    assert code == 0
    assert tracing.differences() == []
    assert len(set(filled)) > 3
    assert all(path.startswith(str(tracing.run.parent)) for path in filled)
