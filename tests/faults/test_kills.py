"""A kill at any system call of a training, and of what goes on after it, changes no byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.tracing import Call, Tracing

Count = Callable[[str, int], None]

SHARDS = 4
SAMPLE = 25
"""Of so many calls, every day's tests take one; `pytest -m slow` takes all."""


def test_the_calls_are_those_of_a_fresh_process(tracing: Tracing) -> None:
    tracing.reset()
    forked = tracing.calls()
    tracing.reset()
    fresh = tracing.fresh_calls()
    assert [(c.name, c.path) for c in forked] == [(c.name, c.path) for c in fresh]


def test_the_calls_are_all_there_are(tracing: Tracing) -> None:
    """Each kind of step that a run makes is among them, so that none is missed for its name."""
    tracing.reset()
    calls = tracing.calls()
    assert len(calls) > 150
    made = {
        (call.name.removesuffix("2").removesuffix("at"), Path(call.path).name) for call in calls
    }
    assert made >= {
        *(("mkdir", name) for name in ("runs", ".n.new", "checkpoints")),
        *(("rename", name) for name in (".n.new", ".result.json.tmp", ".epoch-000003.npz.tmp")),
        *(("fsync", name) for name in ("", "runs", "n", "checkpoints", "metrics.jsonl")),
        *(("write", name) for name in ("run.json", "log.txt", "timing.jsonl", "metrics.jsonl")),
        *(("close", name) for name in ("LOCK", "run.json")),
        ("flock", "LOCK"),
        ("unlink", "epoch-000001.npz"),
    }
    assert calls[-1].path == ""


def test_a_kill_comes_before_the_call_takes_effect(tracing: Tracing) -> None:
    tracing.reset()
    made = next(call for call in tracing.calls() if call.name.startswith("mkdir"))
    tracing.reset()
    tracing.kill(made)
    assert not tracing.run.parent.exists()


def kill_at(tracing: Tracing, calls: Iterable[Call], state: Path | None = None) -> int:
    """Kill a training at each of some calls, start it again, and return how often."""
    kills = 0
    for call in calls:
        tracing.reset(state)
        tracing.kill(call)
        assert tracing.train() == tracing.done, call
        assert tracing.differences() == [], call
        kills += 1
    return kills


def test_a_kill_at_some_calls_changes_no_byte(tracing: Tracing) -> None:
    tracing.reset()
    assert kill_at(tracing, tracing.calls()[::SAMPLE]) > 6


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_kill_at_any_call_changes_no_byte(tracing: Tracing, shard: int, count: Count) -> None:
    tracing.reset()
    calls = tracing.calls()
    assert len(calls) > 150
    count("kills of a training", kill_at(tracing, calls[shard::SHARDS]))


class Crash(NamedTuple):
    """What a first kill leaves: at the first call of a name on a path."""

    name: str
    path: str
    torn: bytes = b""
    """Added to metrics.jsonl, as a write that a kill cut short leaves it."""


CRASHES = {
    "a run half built": Crash("fsync", "/runs/.n.new/config.yaml"),
    "a run built and not published": Crash("rename", "/runs/.n.new"),
    "a run published and not begun": Crash("openat", "/runs/n/log.txt"),
    "a row without its checkpoint": Crash("openat", "/runs/n/checkpoints/.epoch-000002.npz.tmp"),
    "half a row": Crash("openat", "/runs/n/checkpoints/.epoch-000002.npz.tmp", b'{"epoch":2,"le'),
    "a checkpoint not in its place": Crash("rename", "/runs/n/checkpoints/.epoch-000003.npz.tmp"),
    "a checkpoint too many": Crash("unlink", "/runs/n/checkpoints/epoch-000001.npz"),
    "predictions without a result": Crash("openat", "/runs/n/.result.json.tmp"),
    "a result half written": Crash("fsync", "/runs/n/.result.json.tmp"),
}


def crashed(tracing: Tracing, crash: Crash) -> Path:
    """Return what a crash leaves, kept for reset."""
    tracing.reset()
    calls = tracing.calls()
    place = next(c for c in calls if c.name.startswith(crash.name) and c.path == crash.path)
    tracing.reset()
    tracing.kill(place)
    if crash.torn:
        with (tracing.run / "metrics.jsonl").open("ab") as file:
            file.write(crash.torn)
    return tracing.keep("crashed")


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_kill_at_some_calls_of_a_recovery_changes_no_byte(tracing: Tracing, crash: Crash) -> None:
    state = crashed(tracing, crash)
    tracing.reset(state)
    assert kill_at(tracing, tracing.calls()[SAMPLE::SAMPLE], state) > 1


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(2))
@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_kill_at_any_call_of_a_recovery_changes_no_byte(
    tracing: Tracing, crash: Crash, shard: int, count: Count
) -> None:
    state = crashed(tracing, crash)
    tracing.reset(state)
    calls = tracing.calls()
    assert len(calls) > 50
    count("kills of a recovery", kill_at(tracing, calls[shard::2], state))
