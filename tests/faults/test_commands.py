"""A disk error at each kind of system call of every command is told, and no command exits with 0.

`python -m benchmarks.faults` lets every call fail, not only the first of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import commands
from tests.faults.tracing import Tracing

LEAST = 4
"""Kinds of calls that every command has at least."""


@pytest.fixture(scope="module")
def prepared(tracing: Tracing) -> Path:
    return commands.prepare(tracing)


def check(tracing: Tracing, state: Path, name: str) -> int:
    """Let a call of each kind fail, and return how often one did."""
    made = list(commands.faults(tracing, state, name, each=False))
    assert [fault.problem for fault in made if fault.problem] == []
    assert len(made) >= LEAST
    return len(made)


@pytest.mark.parametrize("name", ["replay", "runs"])
def test_an_error_at_each_kind_of_call_of_a_reader_is_told(
    tracing: Tracing, prepared: Path, name: str, count: Callable[[str, int], None]
) -> None:
    count("EIO at a kind of call", check(tracing, prepared, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", commands.COMMANDS)
def test_an_error_at_each_kind_of_call_is_told(
    tracing: Tracing, prepared: Path, name: str, count: Callable[[str, int], None]
) -> None:
    if name not in commands.available():
        pytest.skip(f"{commands.EXTRAS[name]} is not installed")
    count("EIO at a kind of call", check(tracing, prepared, name))


def test_kinds_are_calls_and_paths_without_names_and_numbers(tracing: Tracing) -> None:
    tracing.reset()
    calls = [call for call in tracing.calls() if call.path]
    kinds = {commands.kind(call) for call in calls}
    assert ("openat", "/runs/n-s0/checkpoints/.epoch-N.npz.tmp") in kinds
    assert len(kinds) < len(calls)
