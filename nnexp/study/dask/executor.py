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
from nnexp.datasets.shared import Data
from nnexp.errors import NnexpError
from nnexp.study.dask import client, messages, worker
from nnexp.study.dask.client import Held
from nnexp.study.dask.collect import Home
from nnexp.study.dask.link import CLOSING, Waits
from nnexp.study.dask.messages import Order, Report
from nnexp.study.in_process import InProcess
from nnexp.study.job import Engine, EpochCommitted, Job, Message, Notice, Outcome, failure
from nnexp.study.local import process
from nnexp.study.local.process import Limits

PATIENCE = process.GRACE + 5
"""Seconds that trials have to stop, their workers' included that may have to kill them."""

AGAIN = 2.0
"""Seconds from one call to stop to the next."""

MOST_MOVES = 4
"""Workers in a row that may leave a trial before it has told an epoch."""


@dataclass
class _Sent:
    """A trial that is under way."""

    job: Job
    future: Future[Outcome]
    files: dict[str, bytes] | None
    """What has been trained of it here, where the workers do not see that."""
    moves: int = 0
    """How often it was sent anew since it last told an epoch."""


class Cluster:
    """An engine of a cluster's workers.

    Args:
        scheduler: its address, such as tcp://127.0.0.1:8786.
        runs: the folder of the runs.
        limits: what each trial may take.
        most: how many trials at a time; by default as many as the workers have threads.
        collect: whether workers do not see the folder, so that runs are brought home.
        here: trains the jobs that run alone, on this machine.
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
        here: Engine | None = None,
        waits: Waits = lambda _: None,
    ) -> None:
        self._here = here or InProcess()
        self._alone: Future[Outcome] | None = None
        self._runs = runs
        self._limits = limits
        self._most = most
        self._collect = collect
        self._token = f"{client.PREFIX}{secrets.token_hex(8)}"
        self._held: Held | None = None
        self._came: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._sent: dict[int, _Sent] = {}
        self._count = 0
        self._stopping: float | None = None
        self._called = 0.0
        self.startups: list[float] = []
        """Seconds from the start of each trial's process until it could train."""
        self._link = client.connect(scheduler, waits)
        self._executor = self._link.client.get_executor(pure=False)
        self._link.client.subscribe_topic(self._token, self._hear)
        self._home = Home(self._link, runs) if collect else None
        try:
            client.await_workers(self._link)
            if not collect:
                self._held = Held(runs, self._token)
            shared = None if collect else str(runs.absolute())
            self.found = client.look_around(self._link, shared, self._token)
            self._link.ask(self._link.count)
            if self._home is not None:
                self._home.look()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """How many trials it takes at a time: a thread of a worker's each."""
        threads = self._link.threads
        return min(threads, self._most or threads)

    def prepare(self, configs: Iterable[Config]) -> None:
        """Read the data here, where it is what the workers see, so that what is missing shows.

        Raises: DataError.
        """
        if not self._collect:
            Data().check(dict.fromkeys(config.data for config in configs))

    def submit(self, job: Job) -> Future[Outcome]:
        """Send a job to the cluster; one that runs alone is trained here."""
        if job.alone:
            self._alone = self._here.submit(job)
            return self._alone
        number, self._count = self._count, self._count + 1
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        try:
            files = None if self._home is None else self._home.files(job.run)
        except NnexpError as error:
            future.set_result(failure(error))
            return future
        self._sent[number] = _Sent(job, future, files)
        self._send(number)
        return future

    def _send(self, number: int) -> None:
        job, files = self._sent[number].job, self._sent[number].files
        order = Order(
            number=number,
            config=canonical.to_builtins(job.config),
            name=job.run.name,
            version=nnexp.__version__,
            runs=None if self._collect else str(self._runs.absolute()),
            folder=None if self._collect else os.getcwd(),  # noqa: PTH109 - a string is sent
            token=self._token,
            until=job.until,
            seconds=self._limits.seconds,
            memory=self._limits.memory,
            files=files,
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # dask's, of a run that is large
                done = self._executor.submit(worker.trial, msgspec.msgpack.encode(order))
        except Exception:  # noqa: BLE001 - whatever dask says of a client without a scheduler
            raise self._link.lost() from None
        done.add_done_callback(lambda ended: self._came.put((number, ended)))

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Let trials go on for so long at most, and return what they told meanwhile.

        Raises: ClusterError if the connection to the scheduler is lost.
        """
        if self._alone is not None and not self._alone.done():
            self._check()
            return self._here.wait(seconds)
        messages = list(self._received(seconds))
        self._check()
        if self._home is not None:
            self._home.clear()
        if self._stopping is not None and self._sent:
            if time.monotonic() - self._called > AGAIN:  # workers may have joined since, too
                self._called = time.monotonic()
                self._link.tell(worker.stop, self._token)
            if time.monotonic() - self._stopping > PATIENCE:
                self._drop()
        return messages

    def _received(self, seconds: float) -> Iterator[tuple[Future[Outcome], Message]]:
        """Take what has arrived, waiting for the first, and yield the messages among it."""
        block = True
        while True:
            try:
                number, came = self._came.get(block, seconds if block else None)
            except queue.Empty:
                return
            block = False
            if number not in self._sent:
                continue
            if isinstance(came, Future):
                self._check(came)
                self._take(number, came)
            else:
                yield self._sent[number].future, came
                if isinstance(came, EpochCommitted):
                    self._sent[number].moves = 0

    def stop(self) -> None:
        """Ask all that run to stop at their next batch."""
        self._here.stop()
        self._stopping = time.monotonic()

    def close(self) -> None:
        """Drop all that still runs, which stops it, and leave the cluster as it was."""
        self._here.close()
        if self._home is not None and not self._link.is_lost:
            self._home.close(CLOSING)
        self._link.close()
        self._drop()
        if self._held is not None:
            self._held.release()

    def _drop(self) -> None:
        """Wait no longer for any trial."""
        for sent in self._sent.values():
            sent.future.set_result(Outcome(code=143, reason="dropped", is_stopped=True))
        self._sent.clear()

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take what a worker tells; in dask's thread."""
        with contextlib.suppress(Exception):  # what no worker of this sweep's has told
            told = dict(event[1])
            number = int(told.pop("trial"))
            self._came.put((number, msgspec.convert(told, EpochCommitted | Notice)))

    def _check(self, ended: Future[Any] | None = None) -> None:
        """Raise ClusterError where the scheduler is gone, with which all its tasks are."""
        if self._link.is_lost and (ended is None or not messages.is_report(ended)):
            raise self._link.lost()

    def _take(self, number: int, ended: Future[Any]) -> None:
        """Take what came of a trial; send it anew where nothing did, unless that happens again."""
        sent, report = self._sent[number], messages.received(ended)
        if report.is_left and self._stopping is None:
            sent.moves += 1
            if sent.moves < MOST_MOVES:
                self._send(number)
                return
            reason = f"{MOST_MOVES} workers in a row left it before an epoch of it was committed"
            outcome = msgspec.structs.replace(report.outcome, reason=reason)
            report = msgspec.structs.replace(report, outcome=outcome)
        del self._sent[number]
        sent.future.set_result(self._outcome(sent.job, report))

    def _outcome(self, job: Job, report: Report) -> Outcome:
        outcome = report.outcome
        if report.startup:
            self.startups.append(report.startup)
        if report.files is not None and self._home is not None:
            outcome = self._home.bring(job, report)
        return process.logged(outcome, report.said, self._runs, job.run.name)
