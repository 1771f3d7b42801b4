"""A run as its directory tells it. Reading changes nothing; writing is ``writer``'s."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from nnexp.errors import ConfigError, CorruptError, DiskError, UsageError
from nnexp.names import is_run_name, without_seed
from nnexp.store import disk, lock, meta, metrics, records
from nnexp.store.metrics import Timing
from nnexp.store.records import Result, RunRecord
from nnexp.training.history import Row, Stretch, stretches

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig

RUN = "run.json"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
RESULT = "result.json"
PREDICTIONS = "predictions.npz"
TIMING = "timing.jsonl"
LOG = "log.txt"
LOCK = "LOCK"

USUAL = Path("runs")
"""The folder of runs where none is given."""

METRICS_LIMIT = 1 << 30
LOOKS = 5
"""So often is a run looked at that changes meanwhile."""
_CHECKPOINT = re.compile(r"epoch-(\d{6,7})\.npz", re.ASCII)

T = TypeVar("T")
Status = Literal["finished", "diverged", "running", "interrupted"]


class Run:
    """A run directory, read when one of its properties is used.

    Args:
        path: the directory.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._result: Result | None = None

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether something has the run's name.

        Raises:
            DiskError: that cannot be known.
        """
        return disk.exists(self.path)

    def is_there(self) -> bool:
        """Return whether its directory holds a run, damaged or not.

        Raises:
            DiskError: that cannot be known.
        """
        return any(disk.exists(self.path / file) for file in (RUN, METRICS))

    @cached_property
    def record(self) -> RunRecord:
        """What the run is.

        Raises:
            CorruptError: run.json is missing or damaged.
        """
        is_folder = stat.S_ISDIR(disk.mode(self.path))
        record = records.read(self.path / RUN, RunRecord) if is_folder else None
        if record is None:
            raise CorruptError(f"{self.path}: is not a run: it has no {RUN}")
        return record

    @cached_property
    def config(self) -> CheckedConfig:
        """The config that the run was trained with, checked as one from a file is.

        Raises:
            CorruptError: it cannot be trained, or is not the one that run.json has the digest of.
        """
        from nnexp.config import canonical, load  # noqa: PLC0415 - NumPy, which listing does without

        path = self.path / RUN
        try:
            config = load.recorded(self.record.config, "its config")
        except ConfigError as error:
            raise CorruptError(f"{path}: is damaged: {error.problems[0]}") from error
        if canonical.digest(config) != self.record.config_sha256:
            raise CorruptError(f"{path}: is damaged: its config does not fit its checksum")
        if config.data.classes and len(config.data.classes) != self.record.data.classes:
            raise CorruptError(f"{path}: is damaged: its config has other classes than its data")
        return config

    @property
    def result(self) -> Result | None:
        """How the run ended, or None while it has not."""
        if self._result is None:  # what is not there yet may come; what is there never changes
            self._result = records.read(self.path / RESULT, Result)
        return self._result

    @property
    def status(self) -> Status:
        """What the run is doing: derived from what is there, never stored."""
        if self.result is not None:
            return self.result.status
        return "running" if lock.is_held(self.path / LOCK) else "interrupted"

    def history(self) -> list[Row]:
        """Return the recorded rows: those that a checkpoint has committed.

        Raises:
            CorruptError: they are damaged, or what vouches for them is.
        """
        return self.looked_at(self._history)

    def metrics(self) -> dict[str, list[float]]:
        """Return the recorded metrics as columns, one value an epoch: ``DataFrame(run.metrics())``.

        Accuracies are fractions from 0 to 1, costs include the penalty. What has a value for each
        layer has a column for each, numbered from the first hidden layer: ``saturation_1``.

        Raises:
            CorruptError: they are damaged, or the checkpoint that they are checked against is.
        """
        return metrics.columns(self.history())

    def _history(self) -> list[Row]:
        path, result = self.path / METRICS, self.result
        if result is None:
            return self._committed()
        content = disk.read(path, METRICS_LIMIT)  # after the result: then it is complete
        if content is None:
            raise CorruptError(f"{path}: is missing")
        if hashlib.sha256(content).hexdigest() != result.files.get(METRICS):
            raise CorruptError(f"{path}: is damaged: its checksum does not fit {RESULT}")
        try:
            return metrics.decode(content)
        except ValueError as error:
            raise CorruptError(f"{path}: is damaged: {error}") from error

    def _committed(self) -> list[Row]:
        """Return the rows that the newest checkpoint vouches for."""
        epoch, checkpoint = next(iter(self.checkpoints().items()), (0, None))
        head = None if checkpoint is None else disk.read(checkpoint, meta.HEAD, cut=True)
        content = disk.read(self.path / METRICS, METRICS_LIMIT) or b""  # what is committed is there
        if checkpoint is None:
            if content.count(b"\n") > 1:
                raise CorruptError(f"{self.path}: has no checkpoint of the epochs in {METRICS}")
            return []
        if head is None:
            raise CorruptError(f"{checkpoint}: is missing")
        said = meta.head(checkpoint, head)
        if (said.epoch, said.config_sha256) != (epoch, self.record.config_sha256):
            raise CorruptError(f"{checkpoint}: belongs to another epoch or run")
        return meta.rows(checkpoint, said, content)

    def looked_at(self, look: Callable[[], T]) -> T:
        """Return what look finds, which looks again where a writer changes the run meanwhile.

        It removes checkpoints as it commits others, and may be gone again before it is noticed.
        """
        for _ in range(LOOKS - 1):
            before = self._stands()
            try:
                return look()
            except CorruptError:
                if before == self._stands() and "running" not in before:
                    raise
        return look()

    def _stands(self) -> tuple[Status, tuple[str, ...]]:
        """Return what a writer changes with every commit."""
        return self.status, tuple(sorted(disk.directory_names(self.path / CHECKPOINTS)))

    def timing(self) -> list[Timing]:
        """Return how long epochs took, by epoch; one whose note is torn or damaged is not there."""
        return metrics.read_timings(self.path / TIMING)

    def numerics(self) -> list[Stretch]:
        """Return the fingerprints of the arithmetic that it was trained under, in turn.

        Raises:
            CorruptError: run.json or metrics.jsonl is damaged.
        """
        return stretches(self.record.numerics, self.history())

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints by epoch, the latest first.

        Raises:
            CorruptError: they have no folder.
        """
        folder = self.path / CHECKPOINTS
        matches = [_CHECKPOINT.fullmatch(name) for name in disk.directory_names(folder)]
        found = {int(match[1]): folder / match[0] for match in matches if match}
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
    if not stat.S_ISDIR(disk.mode(path)):
        near = _meant(path)
        raise UsageError(
            f"{path}: there is no such run" + (f"; did you mean {near}?" if near else "")
        )
    run = Run(path)
    _ = run.record
    return run


def _meant(path: Path) -> Path | None:
    """Return the run that was probably meant: in the usual folder, or the name's first seed."""
    for place in (path, USUAL / path):
        with suppress(CorruptError, DiskError):  # no folder, or nobody may look: no hint
            names = sorted(disk.directory_names(place.parent), key=lambda name: (len(name), name))
            for name in filter(is_run_name, names):
                found = place.with_name(name)
                if place.name in {name, without_seed(name)} and disk.exists(found / RUN):
                    return found
    return None


def named(folder: Path, name: str) -> Run:
    """Return the run that has, or would have, a name in a folder of runs.

    Raises:
        UsageError: no run may be called so.
    """
    if not is_run_name(name):
        raise UsageError(
            f"{name!r} cannot name a run: a name is 1 to 100 of A-Z a-z 0-9 . _ - and "
            "begins with a letter or digit; choose one with --name"
        )
    return Run(folder / name)
