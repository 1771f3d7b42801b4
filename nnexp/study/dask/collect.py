"""Runs that workers train in folders of their own: sent there unfinished, brought here finished."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from functools import partial
from pathlib import Path

from nnexp.checks import is_run_name
from nnexp.errors import NameTakenError, NnexpError
from nnexp.store import transfer
from nnexp.store.run import Run
from nnexp.study.dask import worker
from nnexp.study.dask.link import Aside, Link
from nnexp.study.dask.messages import Report
from nnexp.study.job import Job, Outcome, failure, known


class Home:
    """The folder here, and what the workers still have of it.

    Args:
        link: to the cluster.
        runs: the folder.
    """

    def __init__(self, link: Link, runs: Path) -> None:
        self._link = link
        self._runs = runs
        self._there: defaultdict[str, list[str]] = defaultdict(list)
        """What is home and may go, by worker."""
        self._aside = Aside()

    def look(self) -> None:
        """Find what workers still have that is home as well, which may go.

        Raises: ClusterError.
        """
        run = partial(self._link.client.run, worker.finished, on_error="ignore")
        found: dict[str, dict[str, str]] = self._link.ask(run)
        for address, identities in found.items():
            for name, identity in identities.items():
                if is_run_name(name) and identity == _identity(Run(self._runs / name)):
                    self._there[address].append(name)

    def files(self, run: Run) -> dict[str, bytes] | None:
        """Return what a worker needs to go on with a run, or None where it was not begun here.

        Raises: CorruptError, DiskError.
        """
        return transfer.packed(run) if run.is_there() else None

    def bring(self, job: Job, report: Report) -> Outcome:
        """Publish a run that was trained elsewhere, unless something has its name here."""
        try:
            published = transfer.publish(Run(job.run.path), job.config, report.files or {})
        except NnexpError as error:
            return failure(error)
        if published:
            self._there[report.worker].append(job.run.name)
            return report.outcome
        there = (
            f"{job.run.path}: is there, and no beginning of what was trained on the cluster; "
            "go on with it without --collect, or remove it"
        )
        return known(Job(job.config, Run(job.run.path))) or failure(NameTakenError(there))

    def clear(self) -> None:
        """Have workers remove what is home, meanwhile."""
        if self._there and not self._aside.is_busy:
            there, self._there = self._there, defaultdict(list)
            self._aside(lambda: self._discard(there))

    def close(self, seconds: float) -> None:
        """Have workers remove what is home, in so many seconds at most."""
        self._aside.wait(seconds)
        self.clear()
        self._aside.wait(seconds)

    def _discard(self, there: dict[str, list[str]]) -> None:
        for address, names in there.items():
            self._link.client.run(worker.discard, names, workers=[address], on_error="ignore")


def _identity(run: Run) -> str | None:
    with contextlib.suppress(NnexpError):
        return transfer.identity(run)
    return None
