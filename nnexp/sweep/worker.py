"""What a worker of a cluster does for a sweep: look around, train a trial, stop, and clear up.

A trial is a child process of the worker: a crash stays in it, and it can be stopped. It is
started, watched and waited for in one thread, with whose end the kernel would kill it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import nnexp
from nnexp.errors import NnexpError
from nnexp.store import directories, disk, lock, transfer
from nnexp.store.run import named
from nnexp.sweep import watched
from nnexp.sweep.engine import Begun, Measured, Outcome, Told, failure
from nnexp.sweep.kinship import STOPPING
from nnexp.sweep.limits import Limits
from nnexp.sweep.watched import Watched

REPORT = 1.0
"""Seconds from one epoch that is told to the next: a thousand workers tell one scheduler."""

COMMAND = ("-m", "nnexp.sweep.apart")

_stopped: set[str] = set()
"""The sweeps whose trials are to stop, by token."""


class Order(Struct, frozen=True, kw_only=True):
    """What a worker is asked to do; small, and nothing but plain values."""

    number: int
    """Which trial it is, for what is told of it."""
    config: dict[str, Any]
    name: str
    runs: str | None
    """The folder of the runs, which all see; None where each has its own."""
    folder: str | None
    """What paths of data are relative to; None where the worker need not have it."""
    token: str
    """The sweep."""
    seconds: float | None
    memory: int | None


class Report(Struct, frozen=True, kw_only=True):
    """What came of an order."""

    outcome: Outcome
    said: bytes = b""
    """What the process wrote to its standard output and error."""
    files: dict[str, bytes] | None = None
    """The finished run, where it is to be brought home."""
    startup: float = 0.0
    """Seconds from the start of the process until it could train."""


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a worker finds where it is."""

    version: str
    host: str
    problem: str | None


def look(runs: str | None, token: str) -> dict[str, Any]:
    """Return this worker's surroundings, as plain values."""
    problem = _problem(runs, token)
    found = Surroundings(version=nnexp.__version__, host=socket.gethostname(), problem=problem)
    return msgspec.to_builtins(found)  # type: ignore[no-any-return]


def stop(token: str) -> None:
    """Have the trials of a sweep stop at their next batch, and those to come not begin."""
    _stopped.add(token)


def discard(names: list[str]) -> None:
    """Remove runs that have been brought home."""
    for name in names:
        transfer.discard(named(_own(), name))


def trial(order: bytes) -> bytes:
    """Train the trial of an Order and return a Report, packed: dask looks into trees otherwise."""
    from distributed import get_worker  # noqa: PLC0415 - nothing but a worker needs it

    worker = get_worker()
    key = worker.get_current_task()
    wanted = msgspec.msgpack.decode(order, type=Order)

    def tell(told: Told) -> None:
        worker.log_event(wanted.token, {"trial": wanted.number, **msgspec.to_builtins(told)})

    def unwanted() -> bool:
        """Return whether the sweep stops, or its process or the cluster is gone."""
        task = worker.state.tasks.get(key)
        return (
            wanted.token in _stopped
            or task is None
            or task.state not in {"executing", "long-running"}
            or worker.status.name not in {"running", "paused"}
        )

    return msgspec.msgpack.encode(carry_out(wanted, tell, unwanted))


def carry_out(order: Order, tell: Callable[[Told], None], unwanted: Callable[[], bool]) -> Report:
    """Train a trial in a process of its own and return what came of it.

    Args:
        order: the trial.
        tell: is told its warnings, and its epochs now and then.
        unwanted: says whether it is to stop.
    """
    try:
        problem = _problem(order.runs, order.token)
        if problem is not None:
            return Report(outcome=Outcome(code=74, reason=f"{socket.gethostname()} {problem}"))
        if unwanted():
            return Report(outcome=_stopped_outcome(Outcome(code=143)))
        runs = Path(order.runs) if order.runs is not None else _own()
        outcome, said, startup = _watch(start(order, runs), order, tell, unwanted)
        home = order.runs is None and named(runs, order.name).result is not None
        files = transfer.packed(named(runs, order.name)) if home else None
    except NnexpError as error:
        return Report(outcome=failure(error))
    return Report(outcome=outcome, said=said, files=files, startup=startup)


def start(order: Order, runs: Path) -> Watched:
    """Start a trial's process, which signals reach once it is ready for them.

    Raises: DiskError.
    """
    words = {
        "parent": os.getpid(),
        "folder": order.folder,
        "runs": str(runs),
        "name": order.name,
        "config": order.config,
    }
    with disk.errors(Path(tempfile.gettempdir())):
        said = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed at the trial's end
        written = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below
    with written:
        with disk.errors(Path(tempfile.gettempdir())):
            written.write(json.dumps(words).encode())
            written.seek(0)
        ours, theirs = os.pipe()
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *COMMAND],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, descriptor, stream)
                    for stream, descriptor in enumerate((written.fileno(), theirs, said.fileno()))
                ],
                setsigmask=STOPPING,
            )
        finally:
            os.close(theirs)
    return Watched(pid, ours, said)


def _watch(
    process: Watched, order: Order, tell: Callable[[Told], None], unwanted: Callable[[], bool]
) -> tuple[Outcome, bytes, float]:
    """Wait for a trial's end; stop it where it is no longer wanted, or takes too much.

    Returns: what came of it, what its process said, and the seconds until it could train.
    """
    most, asked, told_at = Limits(order.seconds, order.memory), 0.0, 0.0
    begun, startup = time.monotonic(), 0.0
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.pipe, selectors.EVENT_READ)
            while True:
                told = process.read() if selector.select(watched.LOOK) else []
                if told is None:
                    break
                for each in told:
                    if isinstance(each, Begun):
                        startup = time.monotonic() - begun
                        continue
                    if isinstance(each, Measured) and time.monotonic() - told_at < REPORT:
                        continue
                    told_at = time.monotonic() if isinstance(each, Measured) else told_at
                    tell(each)
                process.look(most)
                if not asked and unwanted():
                    process.send(signal.SIGTERM)
                    asked = time.monotonic()
                elif asked and time.monotonic() - asked > watched.GRACE:
                    process.send(signal.SIGKILL)
    except BaseException:
        process.send(signal.SIGKILL)
        process.end()
        raise
    outcome, said = process.end()
    return (_stopped_outcome(outcome) if asked and outcome.code else outcome), said, startup


def _stopped_outcome(outcome: Outcome) -> Outcome:
    """Return the outcome of a trial that was asked to stop, however it did."""
    reason = outcome.reason or "stopped before it began"
    return msgspec.structs.replace(outcome, is_stopped=True, reason=reason)


def _problem(runs: str | None, token: str) -> str | None:
    """Return why a trial cannot be trained here, or None if it can."""
    try:
        if runs is None:
            _own()
            return None
        path = Path(runs) / watched.LOGS / token
        if not disk.exists(path):
            return f"does not see {runs}"
        if not lock.is_held(path):
            return f"sees {runs}, but not the locks that are held there"
        if not os.access(runs, os.W_OK):
            return f"may not write to {runs}"
    except NnexpError as error:
        return f"cannot use its disk: {error}"
    return None


def _own() -> Path:
    """Return this user's folder of runs on this machine, which nobody else may write to.

    Raises: DiskError, CorruptError.
    """
    return directories.private(Path(tempfile.gettempdir()) / f"nnexp-runs-{os.getuid()}")
