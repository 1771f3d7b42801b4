"""What a worker of a cluster does for a sweep: look around, train a trial, stop, and clear up.

A trial is a child process of the worker: a crash stays in it, and it can be stopped. It is
started, watched and waited for in one thread, with whose end the kernel would kill it.
"""

from __future__ import annotations

import contextlib
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

import nnexp
from nnexp.checks import is_run_name
from nnexp.errors import NnexpError
from nnexp.store import directories, disk, lock, transfer
from nnexp.store.run import Run, named
from nnexp.study.dask.messages import Order, Report, Surroundings
from nnexp.study.job import EpochCommitted, Message, Outcome, Ready, failure
from nnexp.study.local import process
from nnexp.study.local.lifeline import STOPPING
from nnexp.study.local.process import Limits, Watched

REPORT = 1.0
"""Seconds from one epoch that is told to the next: a thousand workers tell one scheduler."""

COMMAND = ("-m", "nnexp.study.local.fresh")

_stopped: set[str] = set()
"""The sweeps whose trials are to stop, by token."""


def look(runs: str | None, token: str) -> dict[str, Any]:
    """Return this worker's surroundings, as plain values."""
    problem = _problem(runs, token)
    found = Surroundings(version=nnexp.__version__, host=socket.gethostname(), problem=problem)
    return msgspec.to_builtins(found)  # type: ignore[no-any-return]


def stop(token: str) -> None:
    """Have the trials of a sweep stop at their next batch, and those to come not begin."""
    _stopped.add(token)


def finished() -> dict[str, str]:
    """Return the runs that are finished in this worker's own folder: their identities by name."""
    own = _own()
    runs = [named(own, name) for name in directories.names(own) if is_run_name(name)]
    found = {run.name: _identity(run) for run in runs}
    return {name: identity for name, identity in found.items() if identity is not None}


def _identity(run: Run) -> str | None:
    with contextlib.suppress(NnexpError):  # a damaged one, or one that goes just now
        return transfer.identity(run)
    return None


def discard(names: list[str]) -> None:
    """Remove runs that have been brought home, but for those that are in use."""
    for name in names:
        with contextlib.suppress(NnexpError):
            transfer.discard(named(_own(), name))


def trial(order: bytes) -> bytes:
    """Train the trial of an Order and return a Report, packed: dask looks into trees otherwise."""
    from distributed import get_worker  # noqa: PLC0415 - nothing but a worker needs it

    worker = get_worker()
    key = worker.get_current_task()
    wanted = msgspec.msgpack.decode(order, type=Order)

    def tell(told: Message) -> None:
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

    report = carry_out(wanted, tell, unwanted)
    return msgspec.msgpack.encode(msgspec.structs.replace(report, worker=worker.address))


def carry_out(
    order: Order, tell: Callable[[Message], None], unwanted: Callable[[], bool]
) -> Report:
    """Train a trial in a process of its own and return what came of it.

    Args:
        order: the trial.
        tell: is told its warnings, and its epochs now and then.
        unwanted: says whether it is to stop.
    """
    try:
        problem = _problem(order.runs, order.token)
        if order.version != nnexp.__version__:
            problem = f"has nnexp {nnexp.__version__}, not {order.version}"
        if problem is not None:
            return Report(outcome=Outcome(code=74, reason=f"{socket.gethostname()} {problem}"))
        if unwanted():
            return _stopped_report(order, Report(outcome=Outcome(code=143)))
        runs = Path(order.runs) if order.runs is not None else _own()
        run = named(runs, order.name)
        if order.files is not None:
            transfer.settle(run, order.files)
        report = _watch(start(order, runs), order, tell, unwanted)
        is_done = run.result is not None or not report.outcome.code
        files = transfer.packed(run) if order.runs is None and is_done else None
    except NnexpError as error:
        return Report(outcome=failure(error))
    return msgspec.structs.replace(report, files=files)


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
        "until": order.until,
    }
    temporary = disk.errors(Path(tempfile.gettempdir()))
    with contextlib.ExitStack() as kept, temporary, tempfile.TemporaryFile() as written:
        said = kept.enter_context(tempfile.TemporaryFile())
        written.write(json.dumps(words).encode())
        written.seek(0)
        with disk.errors(Path(sys.executable)):
            ours, theirs = os.pipe()
            kept.callback(os.close, ours)
            try:
                pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, *COMMAND],
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, each, stream)
                        for stream, each in enumerate((written.fileno(), theirs, said.fileno()))
                    ],
                    setsigmask=STOPPING,
                )
            finally:
                os.close(theirs)
        kept.pop_all()  # they are closed at the trial's end
    return Watched(pid, ours, said)


def _watch(
    child: Watched, order: Order, tell: Callable[[Message], None], unwanted: Callable[[], bool]
) -> Report:
    """Wait for a trial's end; stop it where it is no longer wanted, or takes too much."""
    most, asked, told_at = Limits(order.seconds, order.memory), 0.0, 0.0
    begun, startup = time.monotonic(), 0.0
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.pipe, selectors.EVENT_READ)
            while True:
                told = child.read() if selector.select(process.LOOK) else []
                if told is None:
                    break
                for each in told:
                    if isinstance(each, Ready):
                        startup = time.monotonic() - begun
                        continue
                    if isinstance(each, EpochCommitted) and time.monotonic() - told_at < REPORT:
                        continue
                    told_at = time.monotonic() if isinstance(each, EpochCommitted) else told_at
                    tell(each)
                child.look(most)
                if not asked and unwanted():
                    child.send(signal.SIGTERM)
                    asked = time.monotonic()
                elif asked and time.monotonic() - asked > process.GRACE:
                    child.send(signal.SIGKILL)
    except BaseException:
        child.send(signal.SIGKILL)
        child.end()
        raise
    outcome, said = child.end()
    report = Report(outcome=outcome, said=said, startup=startup)
    is_stopped = asked and outcome.code and not child.is_over_limit
    return _stopped_report(order, report) if is_stopped else report


def _stopped_report(order: Order, report: Report) -> Report:
    """Return the report of a trial that was asked to stop, however it did."""
    reason = report.outcome.reason or "stopped before it began"
    outcome = msgspec.structs.replace(report.outcome, is_stopped=True, reason=reason)
    return msgspec.structs.replace(report, outcome=outcome, is_left=order.token not in _stopped)


def _problem(runs: str | None, token: str) -> str | None:
    """Return why a trial cannot be trained here, or None if it can."""
    try:
        if runs is None:
            _own()
            return None
        path = Path(runs) / process.LOGS / token
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
