"""A kill at any system call of a training, or of its resumption, changes no byte of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.faults.crashes import CRASHES, Crash
from tests.faults.tracing import RUN, SOURCE, Call, Tracing

Count = Callable[[str, int], None]

SHARDS = 4
SAMPLE = 40
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
        *(("mkdir", name) for name in ("runs", ".n-s0.new", "checkpoints")),
        *(("rename", name) for name in (".n-s0.new", ".result.json.tmp", ".epoch-000003.npz.tmp")),
        *(("fsync", name) for name in ("", "runs", "n-s0", "checkpoints", "metrics.jsonl")),
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
        assert tracing.damage([], state) == [], call
        assert tracing.train() == tracing.done, call
        assert tracing.differences() == [], call
        kills += 1
    return kills


def test_a_kill_at_some_calls_changes_no_byte(tracing: Tracing) -> None:
    tracing.reset()
    assert kill_at(tracing, tracing.calls()[::SAMPLE]) > 4


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_kill_at_any_call_changes_no_byte(tracing: Tracing, shard: int, count: Count) -> None:
    tracing.reset()
    calls = tracing.calls()
    assert len(calls) > 150
    count("kills of a training", kill_at(tracing, calls[shard::SHARDS]))


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_kill_at_some_calls_of_a_recovery_changes_no_byte(tracing: Tracing, crash: Crash) -> None:
    state = crash.made(tracing)
    tracing.reset(state)
    assert kill_at(tracing, tracing.calls()[SAMPLE::SAMPLE], state) > 1


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(2))
@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_kill_at_any_call_of_a_recovery_changes_no_byte(
    tracing: Tracing, crash: Crash, shard: int, count: Count
) -> None:
    state = crash.made(tracing)
    tracing.reset(state)
    calls = tracing.calls()
    assert len(calls) > 50
    count("kills of a recovery", kill_at(tracing, calls[shard::2], state))


@pytest.fixture
def growing(tracing: Tracing) -> Path:
    """A folder with a run of which the training takes over two epochs."""
    tracing.reset()
    shorter = [SOURCE if word == RUN else word for word in tracing.arguments]
    assert tracing.calls([*shorter, "--set", "epochs=2"])
    return tracing.keep("growing")


def kill_while_growing(tracing: Tracing, calls: Iterable[Call], state: Path) -> int:
    """Kill a training that grows; return how often.

    The source stays as it was. Only the epoch under way is trained twice, never one taken over.
    """
    source = {path: path.read_bytes() for path in (state / "runs" / SOURCE).rglob("*.*")}
    kills = 0
    for call in calls:
        kills += kill_at(tracing, [call], state)
        for path, content in source.items():
            assert (tracing.place / path.relative_to(state)).read_bytes() == content, call
        assert times_trained(tracing, 1, 2) == [1, 1], call
    return kills


def times_trained(tracing: Tracing, *epochs: int) -> list[int]:
    """Return how often each of some epochs was trained, here or in the run it comes from."""
    times = (tracing.run / "timing.jsonl").read_text()
    return [times.count(f'"epoch":{epoch},') for epoch in epochs]


def test_a_kill_at_some_calls_of_growing_changes_no_byte(tracing: Tracing, growing: Path) -> None:
    tracing.reset(growing)
    calls = tracing.calls()
    assert "training from epoch 3" in (tracing.run / "log.txt").read_text()
    assert kill_while_growing(tracing, calls[::SAMPLE], growing) > 4


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_kill_at_any_call_of_growing_changes_no_byte(
    tracing: Tracing, growing: Path, shard: int, count: Count
) -> None:
    tracing.reset(growing)
    calls = tracing.calls()
    count("kills of growing", kill_while_growing(tracing, calls[shard::SHARDS], growing))


@pytest.fixture
def shorter(tracing: Tracing) -> Path:
    """A folder with a run of two epochs of the name that the training is to take."""
    tracing.reset()
    assert tracing.calls([*tracing.arguments, "--set", "epochs=2"])
    return tracing.keep("shorter")


def kill_while_taking_the_name(tracing: Tracing, calls: Iterable[Call], state: Path) -> int:
    """Kill a training that replaces a shorter run of its name; return how often.

    At any time the shorter run is in its place or in the trash, as it was. The epochs that it has
    are not trained again.
    """
    former = contents(state / "runs" / RUN)
    trash = tracing.run.parent / ".trash"
    kills = 0
    for call in calls:
        tracing.reset(state)
        tracing.kill(call)
        assert former in map(contents, [tracing.run, *trash.glob("*")]), call
        assert tracing.train() == tracing.done, call
        assert set(tracing.differences()) == {".trash"}, call
        assert former in map(contents, trash.iterdir()), call
        assert times_trained(tracing, 1, 2) == [1, 1], call
        kills += 1
    return kills


def contents(folder: Path) -> dict[str, bytes]:
    """Return a run's files that stay as they are, by path."""
    paths = (path for path in folder.rglob("*.*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_kill_at_some_calls_of_taking_the_name_loses_nothing(
    tracing: Tracing, shorter: Path
) -> None:
    tracing.reset(shorter)
    calls = tracing.calls()
    assert "training from epoch 3" in (tracing.run / "log.txt").read_text()
    assert kill_while_taking_the_name(tracing, calls[::SAMPLE], shorter) > 4


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_kill_at_any_call_of_taking_the_name_loses_nothing(
    tracing: Tracing, shorter: Path, shard: int, count: Count
) -> None:
    tracing.reset(shorter)
    calls = tracing.calls()
    made = kill_while_taking_the_name(tracing, calls[shard::SHARDS], shorter)
    count("kills of taking a name", made)
