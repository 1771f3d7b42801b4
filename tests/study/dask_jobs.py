"""Jobs for a cluster without a cluster: planned runs, requests, and clients with fixed answers."""

from __future__ import annotations

from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nnexp
from nnexp.config import canonical
from nnexp.native.availability import chosen
from nnexp.study import sweep_file
from nnexp.study.dask import worker
from nnexp.study.dask.client import Client
from nnexp.study.dask.worker import JobReport, JobRequest
from nnexp.study.job import Job, Message
from nnexp.study.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench

TOKEN = "token-0123"  # noqa: S105 - a file's name


def trial(*settings: str) -> Job:
    (found,) = plan(sweep_file.read("tiny.yaml", settings)).jobs(Path("runs"))
    return found


def order(bench: Bench, found: Job, **changes: Any) -> JobRequest:  # noqa: ANN401 - fields'
    fields: dict[str, Any] = {
        "number": 0,
        "config": canonical.to_builtins(found.config),
        "name": found.run.name,
        "content": None if found.content is None else dict(found.content),
        "version": nnexp.__version__,
        "runs": str(bench.folder / "runs"),
        "folder": str(bench.folder),
        "token": TOKEN,
        "seconds": None,
        "memory": None,
        "backend": chosen(),
    }
    return JobRequest(**(fields | changes))


def carried_out(wanted: JobRequest, told: list[Message] | None = None) -> JobReport:
    tell = (lambda _: None) if told is None else told.append
    return worker.train(wanted, tell, lambda: False)


class Workers:
    """What a client of two workers answers, the second of which is told of in the arguments."""

    def __init__(self, version: str = nnexp.__version__, problem: str | None = None) -> None:
        self.status = "running"
        self.scheduler_comm = object()
        self.sent: list[Future[bytes]] = []
        self._second = {"version": version, "host": "b", "problem": problem}

    def run(self, call: Callable[..., Any], *_: object, **__: object) -> dict[str, object]:
        first = {"version": nnexp.__version__, "host": "a", "problem": None}
        answers = {find_spec: ("is there",) * 2, worker.probe: (first, self._second)}
        return dict(zip(("tcp://a:1", "tcp://b:1"), answers.get(call, ({}, {})), strict=True))

    def nthreads(self) -> dict[str, int]:
        return {"tcp://a:1": 1, "tcp://b:1": 1}

    def get_executor(self, **_: object) -> Workers:
        return self

    def submit(self, *_: object) -> Future[bytes]:
        self.sent.append(Future())
        return self.sent[-1]

    def subscribe_topic(self, _: str, hear: Callable[[tuple[float, object]], None]) -> None:
        self.hear = hear

    def close(self, **_: object) -> None:
        self.status = "closed"


def linked(workers: Workers) -> Client:
    return Client(workers, "tcp://s:1", lambda _: None)


class Leaving(Workers):
    """Workers of which the first one has runs."""

    def __init__(self, finished: dict[str, str]) -> None:
        super().__init__()
        self._finished = finished
        self.discarded: list[tuple[dict[str, str], object]] = []

    def run(self, call: Callable[..., Any], *words: Any, **how: object) -> dict[str, object]:  # noqa: ANN401 - as there
        if call is worker.discard:
            self.discarded.append((words[0], how["workers"]))
            for name in words[0]:
                self._finished.pop(name, None)
        return {"tcp://a:1": self._finished}
