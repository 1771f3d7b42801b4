"""What a sweep and the workers of a cluster say to each other: nothing but plain values."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from typing import Any

import msgspec
from msgspec import Struct

from nnexp.study.job import Outcome


class Order(Struct, frozen=True, kw_only=True):
    """What a worker is asked to do."""

    number: int
    """Which trial it is, for what is told of it."""
    config: dict[str, Any]
    name: str
    version: str
    """Of nnexp, where the sweep is."""
    runs: str | None
    """The folder of the runs, which all see; None where each has its own."""
    folder: str | None
    """What paths of data are relative to; None where the worker need not have it."""
    token: str
    """The sweep."""
    until: int | None = None
    """The last epoch to train; None: to the config's end."""
    seconds: float | None
    memory: int | None
    files: dict[str, bytes] | None = None
    """The unfinished run to go on with, where the worker does not see the folder that it is in."""


class Report(Struct, frozen=True, kw_only=True):
    """What came of an order."""

    outcome: Outcome
    said: bytes = b""
    """What the process wrote to its standard output and error."""
    files: dict[str, bytes] | None = None
    """The finished run, where it is to be brought home."""
    worker: str = ""
    """Its address."""
    startup: float = 0.0
    """Seconds from the start of the process until it could train."""
    is_left: bool = False
    """It was stopped because its worker leaves, or was told to drop it, and not by its sweep."""


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a worker finds where it is."""

    version: str
    host: str
    problem: str | None


def is_report(ended: Future[Any]) -> bool:
    """Return whether a task ended with a report."""
    return not ended.cancelled() and ended.exception() is None


def received(ended: Future[Any]) -> Report:
    """Return the report of a task that ended, be it one of why there is none."""
    try:
        return msgspec.msgpack.decode(ended.result(), type=Report)
    except CancelledError:  # by another client that restarts all workers, say
        outcome = Outcome(code=143, reason="dropped by the cluster", is_stopped=True)
        return Report(outcome=outcome, is_left=True)
    except Exception as error:  # noqa: BLE001 - whatever dask or a worker says
        reason = f"the cluster gave it up: {type(error).__name__}: {error}"
        return Report(outcome=Outcome(code=1, reason=reason))
