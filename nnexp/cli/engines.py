"""Where a sweep trains: on this machine, or on a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.cli.text import say

if TYPE_CHECKING:
    from nnexp.study.dask.executor import Cluster
    from nnexp.study.local.limits import Limits
    from nnexp.study.local.pool import Local

LOOPBACK = "tcp://127.0.0.1:8786"
"""Where ``dask scheduler --host 127.0.0.1`` listens."""


PATIENCE = 1.0
"""Seconds of waiting from which on it is said."""


class _Patience:
    """Says what is waited for, once, if that takes a while."""

    def __init__(self, heed: Callable[[], None], *, quiet: bool) -> None:
        self._heed = heed
        self._quiet = quiet
        self._since: dict[str, float] = {}
        self._said: set[str] = set()

    def __call__(self, what: str) -> None:
        self._heed()
        begun = self._since.setdefault(what, time.monotonic())
        late = time.monotonic() - begun > PATIENCE
        if late and not self._quiet and what not in self._said:
            self._said.add(what)
            say(f"waiting for {what}")


@contextmanager
def local(runs: Path, limits: Limits, jobs: int | None) -> Iterator[Local]:
    """Have an engine of this machine; by default all of its cores."""
    from nnexp.study.local.pool import Local

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with closing(Local(jobs or cores or 1, runs, limits)) as engine:
        yield engine


@contextmanager
def dask(
    scheduler: str | None,
    runs: Path,
    limits: Limits,
    jobs: int | None,
    *,
    collect: bool,
    quiet: bool,
    heed: Callable[[], None],
) -> Iterator[Cluster]:
    """Have an engine of a cluster; say what was found there, and how long trials take to start.

    Raises:
        UsageError: dask is not installed, the address is none, or a worker is not fit.
        ClusterError: the scheduler does not answer, or has no worker.
        InterruptedRunError: heed, which is called while there is nothing to do but wait, says so.
    """
    from statistics import median

    from nnexp.study.dask import client
    from nnexp.study.dask.executor import Cluster

    address = LOOPBACK if scheduler is None else scheduler
    client.check(address)
    if client.is_open(address):
        say(
            f"warning: {address}: whoever reaches this port can run programs there; TLS prevents it"
        )
    waits = _Patience(heed, quiet=quiet)
    with closing(Cluster(address, runs, limits, most=jobs, collect=collect, waits=waits)) as engine:
        if not quiet:
            say(engine.found)
        yield engine
        if engine.startups and not quiet:
            startup, count = median(engine.startups), len(engine.startups)
            say(f"start-up of a trial: {startup:.2f} s (median of {count:,})")
