"""The engine that trains jobs on the workers of a running dask cluster.

A job is a dask task that returns a small report. Its future is dropped as soon as the report has
arrived: while it exists, dask repeats a finished task if the worker with its result is lost.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import nnexp
from nnexp.config import canonical
from nnexp.config.model import Config
from nnexp.datasets import data_root
from nnexp.datasets.loading import Data
from nnexp.errors import NnexpError
from nnexp.native.availability import chosen
from nnexp.study.dask import client, worker
from nnexp.study.dask.client import CLOSING, OnWait, TokenFile
from nnexp.study.dask.collector import Collector
from nnexp.study.dask.worker import JobReport, JobRequest
from nnexp.study.in_process import InProcess
from nnexp.study.job import (
    Engine,
    EpochCommitted,
    Job,
    Message,
    Notice,
    Outcome,
    failure,
)
from nnexp.study.local import process
from nnexp.study.local.process import Limits

STOP_TIMEOUT = process.GRACE + 5
"""Seconds that jobs have to stop, including the time for workers to kill them."""

STOP_INTERVAL = 2.0
"""Seconds between two requests to stop."""

MAX_ABANDONED = 4
"""How many workers in a row may abandon a job without committing an epoch of it."""


@dataclass
class _Submitted:
    """A job on the cluster."""

    job: Job
    future: Future[Outcome]
    files: dict[str, bytes] | None
    """The local unfinished run, if the workers do not see it."""
    abandoned: int = 0
    """Workers in a row that abandoned it since an epoch was last committed."""


class Cluster:
    """Trains jobs on the workers of a dask cluster.

    Args:
        scheduler: the address, such as tcp://127.0.0.1:8786.
        runs: the folder of the runs.
        limits: of each job.
        max_slots: how many jobs to train at a time; by default one for each worker thread.
        collect: collect the runs, from workers that do not share the folder.
        local: the engine for jobs that run alone, on this machine; by default in this process.
        on_wait: called during waits.

    Raises:
        UsageError: dask is not installed, the address is malformed, or a worker cannot train.
        ClusterError: the scheduler does not answer, or has no worker.
    """

    def __init__(
        self,
        scheduler: str,
        runs: Path,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        *,
        max_slots: int | None = None,
        collect: bool = False,
        local: Engine | None = None,
        on_wait: OnWait = lambda _: None,
    ) -> None:
        self._local = local or InProcess()
        self._alone: Future[Outcome] | None = None
        """The job that the local engine trains."""
        self._runs = runs
        self._limits = limits
        self._max_slots = max_slots
        self._collect = collect
        self._token = f"{client.PREFIX}{secrets.token_hex(8)}"
        self._token_file: TokenFile | None = None
        self._inbox: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        """Messages of jobs and futures of ended tasks, with the job's number."""
        self._submitted: dict[int, _Submitted] = {}
        self._count = 0
        self._stopped: float | None = None
        """When stop was called."""
        self._stop_sent = 0.0
        self._had_workers = True
        """Whether there was a worker, as last reported."""
        self.startups: list[float] = []
        """Seconds from the start of each job's subprocess until it could train."""
        self._client = client.connect(scheduler, on_wait)
        self._executor = self._client.dask.get_executor(pure=False)
        self._client.dask.subscribe_topic(self._token, self._on_event)
        self._collector = Collector(self._client, runs) if collect else None
        try:
            client.await_workers(self._client)
            if not collect:
                self._token_file = TokenFile(runs, self._token)
            shared = None if collect else str(runs.absolute())
            self.summary = client.check_workers(self._client, shared, self._token)
            """One-line description of the cluster."""
            self._client.ask(self._client.count_threads)
            if self._collector is not None:
                self._collector.find_copies()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """How many jobs it trains at a time."""
        threads = self._client.threads
        return min(threads, self._max_slots or threads)

    def prepare(self, configs: Iterable[Config]) -> None:
        """Load the data locally to detect errors early, unless the workers use their own.

        Raises: DataError.
        """
        if not self._collect:
            Data().check(dict.fromkeys(config.data for config in configs))

    def submit(self, job: Job) -> Future[Outcome]:
        """Send a job to the cluster; one that runs alone is trained on this machine."""
        if job.alone:
            self._alone = self._local.submit(job)
            return self._alone
        number, self._count = self._count, self._count + 1
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        try:
            files = None if self._collector is None else self._collector.files(job.run)
        except NnexpError as error:
            future.set_result(failure(error))
            return future
        self._submitted[number] = _Submitted(job, future, files)
        self._send(number)
        return future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Wait at most ``seconds`` for messages of jobs, and return them.

        Raises: ClusterError if the connection to the scheduler is lost.
        """
        if self._alone is not None and not self._alone.done():
            self._check_connection()
            return self._local.wait(seconds)
        messages = list(self._receive(seconds))
        self._check_connection()
        messages += self._worker_notices()
        if self._collector is not None:
            self._collector.clean_up()
        if self._stopped is not None and self._submitted:
            if (
                time.monotonic() - self._stop_sent > STOP_INTERVAL
            ):  # for workers that have joined since
                self._stop_sent = time.monotonic()
                self._client.broadcast(worker.stop, self._token)
            if time.monotonic() - self._stopped > STOP_TIMEOUT:
                self._drop()
        return messages

    def stop(self) -> None:
        """Ask all jobs to stop at their next batch."""
        self._local.stop()
        self._stopped = time.monotonic()

    def close(self) -> None:
        """Cancel all jobs, clean up on the workers and disconnect."""
        self._local.close()
        if self._collector is not None and not self._client.is_lost:
            self._collector.close(CLOSING)
        self._client.close()
        self._drop()
        if self._token_file is not None:
            self._token_file.release()

    def _send(self, number: int) -> None:
        job, files = self._submitted[number].job, self._submitted[number].files
        request = JobRequest(
            number=number,
            config=canonical.to_builtins(job.config),
            name=job.run.name,
            version=nnexp.__version__,
            runs=None if self._collect else str(self._runs.absolute()),
            folder=None if self._collect else os.getcwd(),  # noqa: PTH109 - a string is sent
            token=self._token,
            content=None if job.content is None else dict(job.content),
            until=job.until,
            backend=job.backend or chosen(),
            data_root=data_root.chosen(),
            seconds=self._limits.seconds,
            memory=self._limits.memory,
            files=files,
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # dask warns of large arguments
                task = self._executor.submit(worker.run_job, msgspec.msgpack.encode(request))
        except Exception:  # noqa: BLE001 - whatever dask raises without a scheduler
            raise self._client.lost() from None
        task.add_done_callback(lambda ended: self._inbox.put((number, ended)))

    def _receive(self, seconds: float) -> Iterator[tuple[Future[Outcome], Message]]:
        """Wait for the inbox, handle all its contents, and yield the messages."""
        block = True
        while True:
            try:
                number, arrival = self._inbox.get(block, seconds if block else None)
            except queue.Empty:
                return
            block = False
            if number not in self._submitted:
                continue
            if isinstance(arrival, Future):
                self._check_connection(arrival)
                self._end(number, arrival)
            else:
                yield self._submitted[number].future, arrival
                if isinstance(arrival, EpochCommitted):
                    self._submitted[number].abandoned = 0

    def _worker_notices(self) -> list[tuple[Future[Outcome], Message]]:
        """Return a notice if the last worker left, or a worker joined again."""
        has_workers, scheduler = self._client.has_workers, self._client.scheduler
        if has_workers is self._had_workers or not self._submitted:
            return []
        self._had_workers = has_workers
        message = (
            f"the cluster at {scheduler} has a worker again; resuming"
            if has_workers
            else f"the cluster at {scheduler} has no workers left; waiting for one"
        )
        first = next(iter(self._submitted.values()))
        return [(first.future, Notice(message, is_warning=False))]

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Put a job's message into the inbox; dask calls this in its own thread."""
        with contextlib.suppress(Exception):  # events of other origin
            message = dict(event[1])
            number = int(message.pop("job"))
            self._inbox.put((number, msgspec.convert(message, EpochCommitted | Notice)))

    def _check_connection(self, task: Future[Any] | None = None) -> None:
        """Raise ClusterError if the connection was lost before the task's report arrived."""
        if self._client.is_lost and (task is None or not worker.is_report(task)):
            raise self._client.lost()

    def _end(self, number: int, task: Future[Any]) -> None:
        """Set a job's outcome; a job that its worker abandoned is sent again instead."""
        submitted, report = self._submitted[number], worker.report_of(task)
        if report.is_abandoned and self._stopped is None:
            submitted.abandoned += 1
            if submitted.abandoned < MAX_ABANDONED:
                self._send(number)
                return
            reason = f"{MAX_ABANDONED} workers in a row left before committing an epoch of it"
            outcome = msgspec.structs.replace(report.outcome, reason=reason)
            report = msgspec.structs.replace(report, outcome=outcome)
        del self._submitted[number]
        submitted.future.set_result(self._outcome(submitted.job, report))

    def _outcome(self, job: Job, report: JobReport) -> Outcome:
        outcome = report.outcome
        if report.startup:
            self.startups.append(report.startup)
        if report.files is not None and self._collector is not None:
            outcome = self._collector.collect(job, report)
        return process.with_log(outcome, report.output, self._runs, job.run.name)

    def _drop(self) -> None:
        """End all jobs here without waiting for the cluster."""
        for submitted in self._submitted.values():
            outcome = Outcome(code=143, reason="dropped", is_stopped=True)
            submitted.future.set_result(outcome)
        self._submitted.clear()
