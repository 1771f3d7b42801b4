"""Where a sweep trains: on this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.cli.text import say

if TYPE_CHECKING:
    from nnexp.sweep.cluster import Cluster
    from nnexp.sweep.limits import Limits
    from nnexp.sweep.local import Local

LOOPBACK = "tcp://127.0.0.1:8786"
"""Where ``dask scheduler --host 127.0.0.1`` listens."""


@contextmanager
def local(runs: Path, limits: Limits, jobs: int | None) -> Iterator[Local]:
    """Have an engine of this machine; by default all of its cores."""
    from nnexp.sweep.local import Local

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
) -> Iterator[Cluster]:
    """Have an engine of a cluster; say what was found there, and how long trials take to start.

    Raises:
        UsageError: dask is not installed, or a worker is not fit.
        ClusterError: the scheduler does not answer, or has no worker.
    """
    from statistics import median

    from nnexp.sweep.cluster import Cluster
    from nnexp.sweep.connection import is_open

    address = scheduler or LOOPBACK
    if is_open(address):
        say(
            f"warning: {address}: whoever reaches this port can run programs there; TLS prevents it"
        )
    with closing(Cluster(address, runs, limits, most=jobs, collect=collect)) as engine:
        if not quiet:
            say(engine.found)
        yield engine
        if engine.startups and not quiet:
            startup, count = median(engine.startups), len(engine.startups)
            say(f"start-up of a trial: {startup:.2f} s (median of {count:,})")
