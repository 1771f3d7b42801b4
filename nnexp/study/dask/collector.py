"""Collect runs from workers of a dask cluster that do not share the runs folder."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path

from nnexp.errors import NameTakenError, NnexpError
from nnexp.names import is_run_name
from nnexp.store import transfer
from nnexp.store.run import Run
from nnexp.study.dask import worker
from nnexp.study.dask.client import BackgroundCall, Client
from nnexp.study.dask.worker import JobReport
from nnexp.study.job import Job, Outcome, existing_outcome, failure


class Collector:
    """Collects runs from workers that do not share the runs folder.

    A worker's copy of a run is removed once the local run is trained as far: finished ones
    immediately, others on close, since until then they may be sent to that worker again.

    Args:
        client: the connection to the cluster.
        runs: the folder that runs are collected in.
    """

    def __init__(self, client: Client, runs: Path) -> None:
        self._client = client
        self._runs = runs
        self._removable: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """Copies to remove: identities by name, by worker."""
        self._removal = BackgroundCall()

    def find_copies(self) -> None:
        """Find copies of finished runs that an earlier client left on the workers.

        Half-written files of such a client in the runs folder are removed.

        Raises: ClusterError.
        """
        with contextlib.suppress(NnexpError):
            transfer.remove_leftovers(self._runs)
        self._mark(self._client.ask(self._identities))

    def files(self, run: Run) -> dict[str, bytes] | None:
        """Return the files that a worker needs to continue a run; None if there is no run yet.

        Raises: CorruptError, DiskError.
        """
        return transfer.pack(run, with_notes=False) if run.is_there() else None

    def collect(self, job: Job, report: JobReport) -> Outcome:
        """Publish a run that a worker trained, and return the job's outcome."""
        run, files = Run(job.run.path), report.files or {}
        try:
            is_published = transfer.publish(run, job.config, files, job.until)
        except NnexpError as error:
            return failure(error)
        if is_published:
            with contextlib.suppress(NnexpError):
                self._mark({report.worker: {run.name: transfer.identity(run) or ""}})
            return report.outcome
        reason = (
            f"{job.run.path}: exists, but the cluster's run does not continue it; "
            "resume it without --collect, or remove it"
        )
        return existing_outcome(job._replace(run=run, restart=False)) or failure(
            NameTakenError(reason)
        )

    def clean_up(self) -> None:
        """Remove copies from the workers in the background."""
        if self._removable and not self._removal.is_running:
            copies, self._removable = self._removable, defaultdict(dict)
            self._removal.start(lambda: self._remove(copies))

    def close(self, seconds: float) -> None:
        """Remove all copies from the workers, within at most 2 * seconds."""
        self._removal.join(seconds)
        self._removal.start(self._remove_all)
        self._removal.join(seconds)

    def _identities(self) -> dict[str, dict[str, str]]:
        """Return the identities of the workers' copies by name, by worker."""
        return self._client.dask.run(worker.identities, on_error="ignore")  # type: ignore[no-any-return]

    def _mark(self, copies: dict[str, dict[str, str]], *, unfinished: bool = False) -> None:
        """Mark copies for removal whose run is trained as far locally.

        Args:
            copies: identities by name, by worker.
            unfinished: also mark copies of runs that are not finished locally.
        """
        for address, identities in copies.items():
            for name in filter(is_run_name, identities):
                run = Run(self._runs / name)
                with contextlib.suppress(NnexpError):
                    is_due = unfinished or run.result is not None
                    if is_due and identities[name] in transfer.identities(run):
                        self._removable[address][name] = identities[name]

    def _remove(self, copies: dict[str, dict[str, str]]) -> None:
        for address, identities in copies.items():
            self._client.dask.run(worker.discard, identities, workers=[address], on_error="ignore")

    def _remove_all(self) -> None:
        """Remove the marked copies, then all others that are left on the workers."""
        self._remove(self._removable)
        self._removable.clear()
        self._mark(self._identities(), unfinished=True)
        self._remove(self._removable)
