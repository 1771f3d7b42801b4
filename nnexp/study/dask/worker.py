"""The worker's side of a dask cluster: probe the machine, train jobs, clean up.

Each job runs in a subprocess of the worker, so that it can be stopped and a crash stays isolated.
One thread starts, supervises and awaits it, since the kernel kills it when that thread ends.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import nnexp
from nnexp.errors import NnexpError
from nnexp.names import is_run_name
from nnexp.store import disk, growth_index, lock, transfer
from nnexp.store.run import named
from nnexp.study.job import EpochCommitted, Message, Outcome, Ready, failure
from nnexp.study.local import process, starting
from nnexp.study.local.process import Limits, Process

REPORT_INTERVAL = 1.0
"""Minimum seconds between reported epochs: a thousand workers may share one scheduler."""

_stopped: set[str] = set()
"""Tokens of studies that are being stopped."""


class JobRequest(Struct, frozen=True, kw_only=True):
    """A job as the client sends it to a worker: plain values only."""

    number: int
    """The job's number in the study, which its messages carry."""
    config: dict[str, Any]
    name: str
    """The run's name."""
    version: str
    """The client's version of nnexp."""
    runs: str | None
    """The shared runs folder; None to train in the worker's private folder."""
    folder: str | None
    """The working directory for relative paths of data; None for the worker's own."""
    token: str
    """Identifies the study."""
    content: dict[str, str] | None
    """Content hashes of the data that the run is for; None for the data as it is."""
    until: int | None = None
    """The last epoch to train; None for all of the config's."""
    seconds: float | None
    """Time limit."""
    memory: int | None
    """Memory limit in bytes."""
    backend: str
    """The choice of the backend: the job's, or the user's."""
    data_root: str = ""
    """The folder that relative paths of data start from; empty for the working directory."""
    files: dict[str, bytes] | None = None
    """The unfinished run to continue, if the worker does not see the client's runs folder."""


class JobReport(Struct, frozen=True, kw_only=True):
    """How a requested job ended."""

    outcome: Outcome
    output: bytes = b""
    """The subprocess's standard output and error."""
    files: dict[str, bytes] | None = None
    """The run, if the client collects it."""
    worker: str = ""
    """The worker's address."""
    startup: float = 0.0
    """Seconds from the start of the subprocess until it could train."""
    is_abandoned: bool = False
    """The worker left or dropped the job while its study continues; it must be sent again."""


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """A worker's nnexp and machine."""

    version: str
    host: str
    problem: str | None
    """Why it cannot train, if it cannot."""


def is_report(future: Future[Any]) -> bool:
    """Return whether a dask task returned a report."""
    return not future.cancelled() and future.exception() is None


def report_of(future: Future[Any]) -> JobReport:
    """Return the report of a dask task, or one with the error if the task failed."""
    try:
        return msgspec.msgpack.decode(future.result(), type=JobReport)
    except CancelledError:  # e.g. by another client that restarts all workers
        outcome = Outcome(code=143, reason="dropped by the cluster", is_stopped=True)
        return JobReport(outcome=outcome, is_abandoned=True)
    except Exception as error:  # noqa: BLE001 - whatever dask or a worker raises
        reason = f"its task failed on the cluster: {type(error).__name__}: {error}"
        return JobReport(outcome=Outcome(code=1, reason=reason))


def probe(runs: str | None, token: str) -> dict[str, Any]:
    """Return this worker's WorkerInfo as builtins."""
    problem = _problem(runs, token)
    info = WorkerInfo(version=nnexp.__version__, host=socket.gethostname(), problem=problem)
    return msgspec.to_builtins(info)  # type: ignore[no-any-return]


def stop(token: str) -> None:
    """Stop a study's jobs at their next batch, and reject new ones."""
    _stopped.add(token)


def identities() -> dict[str, str]:
    """Return the identities of the runs in this worker's private folder, by name."""
    folder = _private_folder()
    identities: dict[str, str] = {}
    for name in filter(is_run_name, disk.directory_names(folder)):
        with contextlib.suppress(NnexpError):  # damaged, or just removed
            if (identity := transfer.identity(named(folder, name))) is not None:
                identities[name] = identity
    return identities


def discard(collected: Mapping[str, str]) -> None:
    """Remove collected runs, and what belongs to no run, from this worker's private folder.

    A run that is in use, or was trained further since it was collected, stays.

    Args:
        collected: the runs' identities by name.
    """
    for name, identity in collected.items():
        with contextlib.suppress(NnexpError):
            transfer.discard(named(_private_folder(), name), identity)
    with contextlib.suppress(NnexpError):
        transfer.remove_leftovers(_private_folder())
        growth_index.discard(_private_folder())


def run_job(request: bytes) -> bytes:
    """Train a packed JobRequest and return a packed JobReport. This is the dask task.

    They are packed because dask traverses objects in search of futures.
    """
    from distributed import get_worker  # noqa: PLC0415 - installed on workers, optional elsewhere

    worker = get_worker()
    key = worker.get_current_task()
    job = msgspec.msgpack.decode(request, type=JobRequest)

    def send(message: Message) -> None:
        worker.log_event(job.token, {"job": job.number, **msgspec.to_builtins(message)})

    def is_cancelled() -> bool:
        """Return whether the study stops, or its client or the cluster is gone."""
        task = worker.state.tasks.get(key)
        return (
            job.token in _stopped
            or task is None
            or task.state not in {"executing", "long-running"}
            or worker.status.name not in {"running", "paused"}
        )

    report = train(job, send, is_cancelled)
    return msgspec.msgpack.encode(msgspec.structs.replace(report, worker=worker.address))


def train(
    request: JobRequest, send: Callable[[Message], None], is_cancelled: Callable[[], bool]
) -> JobReport:
    """Train a job in a subprocess and return its report.

    Args:
        request: the job.
        send: called with its notices and, at most every REPORT_INTERVAL, an epoch.
        is_cancelled: returns whether to stop the job.
    """
    try:
        problem = _problem(request.runs, request.token)
        if request.version != nnexp.__version__:
            problem = f"has nnexp {nnexp.__version__}, not {request.version}"
        if problem is not None:
            reason = f"{socket.gethostname()} {problem}"
            return JobReport(outcome=Outcome(code=74, reason=reason))
        if is_cancelled():
            return _stopped_report(request, JobReport(outcome=Outcome(code=143)))
        runs = Path(request.runs) if request.runs is not None else _private_folder()
        run = named(runs, request.name)
        if request.files is not None:
            transfer.unpack(run, request.files)
        report = _supervise(start(request, runs), request, send, is_cancelled)
        has_result = run.result is not None or not report.outcome.code
        files = transfer.pack(run) if request.runs is None and has_result else None
    except NnexpError as error:
        return JobReport(outcome=failure(error))
    return msgspec.structs.replace(report, files=files)


def start(request: JobRequest, runs: Path) -> Process:
    """Start a job's subprocess. Raises: DiskError."""
    arguments = {
        "folder": request.folder,
        "runs": str(runs),
        "name": request.name,
        "config": request.config,
        "content": request.content,
        "until": request.until,
        "backend": request.backend,
        "data_root": request.data_root,
    }
    with disk.errors(Path(sys.executable)):
        return starting.spawn(arguments)


def _supervise(
    child: Process,
    request: JobRequest,
    send: Callable[[Message], None],
    is_cancelled: Callable[[], bool],
) -> JobReport:
    """Wait for a job's subprocess; stop it if the job is cancelled or exceeds a limit."""
    limits = Limits(request.seconds, request.memory)
    started, startup = time.monotonic(), 0.0
    cancelled, reported = 0.0, 0.0
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.pipe, selectors.EVENT_READ)
            while True:
                messages = child.read() if selector.select(process.LIMITS_INTERVAL) else []
                if messages is None:
                    break
                for message in messages:
                    if isinstance(message, Ready):
                        startup = time.monotonic() - started
                        continue
                    if isinstance(message, EpochCommitted):
                        if time.monotonic() - reported < REPORT_INTERVAL:
                            continue
                        reported = time.monotonic()
                    send(message)
                child.enforce(limits)
                if not cancelled and is_cancelled():
                    child.send_signal(signal.SIGTERM)
                    cancelled = time.monotonic()
                elif cancelled and time.monotonic() - cancelled > process.GRACE:
                    child.send_signal(signal.SIGKILL)
    except BaseException:
        child.send_signal(signal.SIGKILL)
        child.wait()
        raise
    outcome, output = child.wait()
    report = JobReport(outcome=outcome, output=output, startup=startup)
    is_stopped = cancelled and outcome.code and not child.is_over_limit
    return _stopped_report(request, report) if is_stopped else report


def _stopped_report(request: JobRequest, report: JobReport) -> JobReport:
    """Return the report of a stopped job, however it ended."""
    reason = report.outcome.reason or "stopped before it started"
    outcome = msgspec.structs.replace(report.outcome, is_stopped=True, reason=reason)
    is_abandoned = request.token not in _stopped
    return msgspec.structs.replace(report, outcome=outcome, is_abandoned=is_abandoned)


def _problem(runs: str | None, token: str) -> str | None:
    """Return why this worker cannot train, or None if it can."""
    try:
        if runs is None:
            _private_folder()
            return None
        path = Path(runs) / process.LOGS / token
        if not disk.exists(path):
            return f"does not see {runs}"
        if not lock.is_held(path):
            return f"sees {runs}, but not its locks"
        if not os.access(runs, os.W_OK):
            return f"has no permission to write to {runs}"
    except NnexpError as error:
        return f"cannot use its disk: {error}"
    return None


def _private_folder() -> Path:
    """Return this user's runs folder on this machine, which nobody else can write to.

    Raises: DiskError, CorruptError.
    """
    return disk.private_directory(Path(tempfile.gettempdir()) / f"nnexp-runs-{os.getuid()}")
