"""A run as its directory tells it. Reading changes nothing; writing is ``writer``'s."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from nnexp.checks import is_run_name, printable
from nnexp.errors import CorruptError, UsageError
from nnexp.store import disk, lock, metrics, sealed
from nnexp.store.records import Result, RunRecord
from nnexp.training.history import Row

RUN = "run.json"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
RESULT = "result.json"
PREDICTIONS = "predictions.npz"
TIMING = "timing.jsonl"
LOG = "log.txt"
LOCK = "LOCK"

METRICS_LIMIT = 1 << 30
_CHECKPOINT = re.compile(r"epoch-(\d{6,7})\.npz", re.ASCII)

Status = Literal["finished", "diverged", "running", "interrupted"]


class Run:
    """A run directory, read when it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._result: Result | None = None

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return self.path.name

    @cached_property
    def record(self) -> RunRecord:
        """What the run is.

        Raises:
            CorruptError: run.json is missing or damaged.
        """
        record = sealed.read(self.path / RUN, RunRecord)
        if record is None:
            raise CorruptError(f"{self.path}: is not a run: it has no {RUN}")
        return record

    @property
    def result(self) -> Result | None:
        """How the run ended, or None while it has not."""
        if self._result is None:  # what is not there yet may come; what is there never changes
            self._result = sealed.read(self.path / RESULT, Result)
        return self._result

    @property
    def status(self) -> Status:
        """What the run is doing: derived from what is there, never stored."""
        if self.result is not None:
            return self.result.status
        return "running" if lock.is_held(self.path / LOCK) else "interrupted"

    def history(self) -> list[Row]:
        """Return the recorded rows, whole lines only.

        Raises:
            CorruptError: metrics.jsonl is damaged.
        """
        path = self.path / METRICS
        content = disk.read(path, METRICS_LIMIT) or b""
        result = self.result
        if result and hashlib.sha256(content).hexdigest() != result.files[METRICS]:
            raise CorruptError(f"{path}: is damaged: its checksum does not fit {RESULT}")
        try:
            return metrics.decode(content)
        except ValueError as error:
            raise CorruptError(f"{path}: is damaged: {error}") from error

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints by epoch, the latest first."""
        folder = self.path / CHECKPOINTS
        with disk.errors(folder):
            matches = [(_CHECKPOINT.fullmatch(entry.name), entry) for entry in folder.iterdir()]
        found = {int(match[1]): entry for match, entry in matches if match}
        return dict(sorted(found.items(), reverse=True))

    def checkpoint_path(self, epoch: int) -> Path:
        """Return where an epoch's checkpoint stands or would stand."""
        return self.path / CHECKPOINTS / f"epoch-{epoch:06d}.npz"


def at(path: Path) -> Run:
    """Return the run in a directory.

    Raises:
        UsageError: there is no such directory.
        CorruptError: it is no run, or its run.json is damaged.
    """
    if not path.is_dir():
        raise UsageError(f"{printable(str(path))}: there is no such run")
    run = Run(path)
    _ = run.record
    return run


def named(folder: Path, name: str) -> Run:
    """Return the run that has, or would have, a name in a folder of runs.

    Raises:
        UsageError: no run may be called so.
    """
    if not is_run_name(name):
        raise UsageError(
            f"{printable(name)!r} cannot name a run: a name is 1 to 100 of A-Z a-z 0-9 . _ - and "
            "begins with a letter or digit; choose one with --name"
        )
    return Run(folder / name)
