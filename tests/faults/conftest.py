"""Fixtures for faults of the machine: required tools, and a count of the faults injected."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.tracing import Tracing, obstacle

MUST_RUN = "NNEXP_FAULTS_MUST_RUN"
"""Set where faults can be made, so that no skip goes unnoticed."""

COUNTED = "faults: "


def lacking(what: str) -> None:
    """Skip a test for what the machine lacks, unless it must not lack it."""
    if os.environ.get(MUST_RUN):
        pytest.fail(f"{MUST_RUN} is set, but {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def tracing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracing]:
    """A training whose system calls can be made to fail."""
    if (reason := obstacle()) is not None:
        lacking(reason)
    made = Tracing(tmp_path_factory.mktemp("tracing"))
    yield made
    made.close()


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note how many faults a test made, for the summary."""
    return lambda what, number: record_property(f"{COUNTED}{what}", number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were made in tests that passed."""
    made: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for what, number in report.user_properties:
            if what.startswith(COUNTED):
                made[what] += number
    for what, number in sorted(made.items()):
        terminalreporter.write_line(f"{what} {number}")
