"""The engine of many machines: trials go to a dask cluster that is there already.

A trial is a task; its result, a small report, is taken at once and the task's future dropped,
or dask would do it again where the worker that holds it is lost. What a worker does with a
trial is ``worker``'s.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nnexp.config import canonical
from nnexp.config.model import Config
from nnexp.datasets.shared import Data
from nnexp.errors import ClusterError, NameTakenError, NnexpError
from nnexp.store import transfer
from nnexp.store.run import Run
from nnexp.sweep import connection, watched, worker
from nnexp.sweep.connection import Held, Waits
from nnexp.sweep.engine import Measured, Outcome, Remark, Told, failure, known
from nnexp.sweep.limits import Limits
from nnexp.sweep.worker import Order, Report
from nnexp.trials import Job

AGAIN = 2.0
"""Seconds from one look at how many workers there are to the next, and from one call to stop."""


class _Sent(NamedTuple):
    """A trial that is under way."""

    job: Job
    future: Future[Outcome]


class Cluster:
    """An engine of a cluster's workers.

    Args:
        scheduler: its address, such as tcp://127.0.0.1:8786.
        runs: the folder of the runs.
        limits: what each trial may take.
        most: how many trials at a time; by default as many as the workers have threads.
        collect: whether workers do not see the folder, so that runs are brought home.
        waits: is told what is waited for.

    Raises:
        UsageError: dask is not installed, the address is none, or a worker is not fit.
        ClusterError: the scheduler does not answer, or has no worker.
    """

    def __init__(
        self,
        scheduler: str,
        runs: Path,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        *,
        most: int | None = None,
        collect: bool = False,
        waits: Waits = lambda _: None,
    ) -> None:
        self._runs = runs
        self._limits = limits
        self._most = most
        self._collect = collect
        self._scheduler = scheduler
        self._token = f"{connection.PREFIX}{secrets.token_hex(8)}"
        self._held: Held | None = None
        self._came: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._sent: dict[int, _Sent] = {}
        self._count = 0
        self._brought: list[str] = []
        self._is_stopping = False
        self._looked = self._called = 0.0
        self.startups: list[float] = []
        """Seconds from the start of each trial's process until it could train."""
        self._client = connection.connect(scheduler, waits)
        self._executor = self._client.get_executor(pure=False)
        self._client.subscribe_topic(self._token, self._hear)
        try:
            connection.await_workers(self._client, scheduler, waits)
            if not collect:
                self._held = Held(runs, self._token)
            shared = None if collect else str(runs.absolute())
            self.found = connection.look_around(self._client, shared, self._token)
            self._threads = self._count_threads()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """How many trials it takes at a time: a thread of a worker's each."""
        if time.monotonic() - self._looked > AGAIN:
            self._looked = time.monotonic()
            self._threads = self._count_threads()
        return min(self._threads, self._most or self._threads)

    def prepare(self, configs: Iterable[Config]) -> None:
        """Read the data here, where it is what the workers see, so that what is missing shows.

        Raises: DataError.
        """
        if not self._collect:
            Data().check(dict.fromkeys(config.data for config in configs))

    def submit(self, job: Job) -> Future[Outcome]:
        """Send a trial to the cluster."""
        number, self._count = self._count, self._count + 1
        order = Order(
            number=number,
            config=canonical.to_builtins(job.config),
            name=job.run.name,
            runs=None if self._collect else str(self._runs.absolute()),
            folder=None if self._collect else os.getcwd(),  # noqa: PTH109 - a string is sent
            token=self._token,
            seconds=self._limits.seconds,
            memory=self._limits.memory,
        )
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self._sent[number] = _Sent(job, future)
        done = self._executor.submit(worker.trial, msgspec.msgpack.encode(order))
        done.add_done_callback(lambda ended: self._came.put((number, ended)))
        return future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Told]]:
        """Let trials go on for so long at most, and return what they told meanwhile.

        Raises: ClusterError if the connection to the scheduler is lost.
        """
        told: list[tuple[Future[Outcome], Told]] = []
        block = True
        while True:
            try:
                number, came = self._came.get(block, seconds if block else None)
            except queue.Empty:
                break
            block = False
            if number not in self._sent:
                continue
            if isinstance(came, Future):
                self._check(came)
                sent = self._sent.pop(number)
                sent.future.set_result(self._outcome(sent.job, came))
            else:
                told.append((self._sent[number].future, came))
        self._check()
        if self._is_stopping and self._sent and time.monotonic() - self._called > AGAIN:
            self._call_stop()  # workers may have joined, and tasks been moved to them
        return told

    def stop(self) -> None:
        """Ask all that run to stop at their next batch."""
        self._is_stopping = True
        self._call_stop()

    def close(self) -> None:
        """Drop all that still runs, which stops it, and leave the cluster as it was."""
        with contextlib.suppress(Exception):
            if self._client.status == "running" and self._brought:
                self._client.run(worker.discard, self._brought, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)
        for sent in self._sent.values():
            sent.future.set_result(Outcome(code=143, reason="dropped", is_stopped=True))
        self._sent.clear()
        if self._held is not None:
            self._held.release()

    def _call_stop(self) -> None:
        """Tell the workers in a thread: a cluster that does not answer shall hold up nobody."""
        self._called = time.monotonic()

        def call() -> None:
            with contextlib.suppress(Exception):
                self._client.run(worker.stop, self._token, on_error="ignore")

        threading.Thread(target=call, daemon=True).start()

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take what a worker tells; in dask's thread."""
        told = dict(event[1])
        number = told.pop("trial")
        with contextlib.suppress(msgspec.ValidationError):
            self._came.put((number, msgspec.convert(told, Measured | Remark)))

    def _check(self, ended: Future[Any] | None = None) -> None:
        """Raise ClusterError where the scheduler is gone, with which all its tasks are."""
        if self._client.status != "running" and (ended is None or not _has_report(ended)):
            raise self._lost()

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"the connection to the scheduler at {self._scheduler} is lost; what is committed "
            "is safe; the same command goes on from there"
        )

    def _outcome(self, job: Job, ended: Future[Any]) -> Outcome:
        try:
            report = msgspec.msgpack.decode(ended.result(), type=Report)
        except CancelledError:
            self._check()
            return Outcome(code=143, reason="dropped by the cluster", is_stopped=self._is_stopping)
        except Exception as error:  # noqa: BLE001 - whatever dask or a worker says
            kind = type(error).__name__
            return Outcome(code=1, reason=f"the cluster gave it up: {kind}: {error}")
        if report.startup:
            self.startups.append(report.startup)
        outcome = watched.logged(report.outcome, report.said, self._runs, job.run.name)
        return outcome if report.files is None else self._brought_home(job, outcome, report.files)

    def _brought_home(self, job: Job, outcome: Outcome, files: dict[str, bytes]) -> Outcome:
        """Publish a run that was trained elsewhere, unless something has its name here."""
        try:
            published = transfer.publish(Run(job.run.path), job.config, files)
        except NnexpError as error:
            return failure(error)
        if published:
            self._brought.append(job.run.name)
            return outcome
        there = f"{job.run.path}: is there, unfinished, and was trained on the cluster, too"
        return known(Job(job.config, Run(job.run.path))) or failure(NameTakenError(there))

    def _count_threads(self) -> int:
        try:
            return max(1, sum(map(int, self._client.nthreads().values())))
        except Exception:  # noqa: BLE001 - whatever dask says of a scheduler that does not answer
            raise self._lost() from None


def _has_report(ended: Future[Any]) -> bool:
    return not ended.cancelled() and ended.exception() is None
