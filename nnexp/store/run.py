"""Read a run from its directory. Reading never changes a run; ``writer`` writes."""

from __future__ import annotations

import hashlib
import re
import shlex
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from msgspec import UNSET

from nnexp.config import messages
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
NOTES = "notes.json"
LOCK = "LOCK"

DEFAULT_FOLDER = Path("runs")
"""The default folder of runs."""

ATTEMPTS = 5
"""Maximum attempts to read a run while a writer changes it."""
_CHECKPOINT = re.compile(r"epoch-(\d{6,7})\.npz", re.ASCII)

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

T = TypeVar("T")
Status = Literal["finished", "diverged", "running", "interrupted"]


class Run:
    """A run directory, whose files are read lazily.

    Args:
        path: the directory.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._result: Result | None = None

    @property
    def name(self) -> str:
        """The run's name, which is that of its directory."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether anything exists at the run's path.

        Raises:
            DiskError: this cannot be determined.
        """
        return disk.exists(self.path)

    def is_there(self) -> bool:
        """Return whether the directory holds a run, damaged or not.

        Raises:
            DiskError: this cannot be determined.
        """
        return any(disk.exists(self.path / file) for file in (RUN, METRICS))

    @cached_property
    def record(self) -> RunRecord:
        """The content of run.json.

        Raises:
            CorruptError: run.json is missing or damaged.
        """
        try:
            record = records.read(self.path / RUN, RunRecord)
        except DiskError:
            if stat.S_ISDIR(disk.mode(self.path)):
                raise
            record = None
        if record is None:
            raise CorruptError(f"{self.path}: is not a run: it has no {RUN}")
        return record

    @cached_property
    def config(self) -> CheckedConfig:
        """The config that the run was trained with, validated like one from a file.

        Raises:
            CorruptError: it is invalid, or does not match its checksum in run.json.
        """
        from nnexp.config import canonical, load  # noqa: PLC0415 - NumPy, which listing does without

        path = self.path / RUN
        try:
            config = load.from_builtins(self.record.config, "its config")
        except ConfigError as error:
            raise CorruptError(f"{path}: is damaged: {error.problems[0]}") from error
        if canonical.digest(config) != self.record.config_sha256:
            raise CorruptError(f"{path}: is damaged: its config does not match its checksum")
        if config.data.classes and len(config.data.classes) != self.record.data.classes:
            raise CorruptError(f"{path}: is damaged: its config has other classes than its data")
        return config

    @property
    def classes(self) -> Sequence[int | str]:
        """The labels of the classes, whole numbers or names, in the network's order."""
        data = self.record.data
        if data.class_names is not UNSET:
            return data.class_names
        return self.config.data.classes or range(data.classes)

    @property
    def result(self) -> Result | None:
        """The content of result.json, or None if the run has not ended."""
        if self._result is None:  # only an existing result.json may be cached: it never changes
            self._result = records.read(self.path / RESULT, Result)
        return self._result

    @property
    def status(self) -> Status:
        """The run's status, derived from its files and lock; it is never stored."""
        if self.result is not None:
            return self.result.status
        return "running" if lock.is_held(self.path / LOCK) else "interrupted"

    def history(self) -> list[Row]:
        """Return the committed rows of metrics.jsonl.

        Raises:
            CorruptError: they are damaged, or the checkpoint or result that commits them is.
        """
        return self.read_consistently(self._read_history)

    def metrics(self) -> dict[str, list[float]]:
        """Return the recorded metrics as columns, one value an epoch: ``DataFrame(run.metrics())``.

        Accuracies are fractions from 0 to 1, costs include the penalty. Metrics with a value per
        layer have a column per layer, numbered from the first hidden one: ``saturation_1``.

        Raises:
            CorruptError: they are damaged, or the checkpoint that they are checked against is.
        """
        return metrics.columns(self.history())

    def read_metrics(self) -> bytes | None:
        """Return the content of metrics.jsonl, or None if it is missing.

        It includes rows that are not committed.

        Raises:
            CorruptError: it is larger than the run's config allows, or run.json is damaged.
        """
        return disk.read(self.path / METRICS, metrics.max_size(self.record.config))

    def _read_history(self) -> list[Row]:
        if self.result is None:
            return self._read_committed()
        try:
            return metrics.decode(self.check_metrics(self.result))
        except ValueError as error:
            raise CorruptError(f"{self.path / METRICS}: is damaged: {error}") from error

    def check_metrics(self, result: Result) -> bytes:
        """Return the content of a finished run's metrics.jsonl after checking its checksum.

        Raises:
            CorruptError: it is missing or damaged.
        """
        path = self.path / METRICS
        content = self.read_metrics()  # complete, since result.json is written after it
        if content is None:
            raise CorruptError(f"{path}: is missing")
        if hashlib.sha256(content).hexdigest() != result.files.get(METRICS):
            raise CorruptError(f"{path}: is damaged: its checksum does not match {RESULT}")
        return content

    def _read_committed(self) -> list[Row]:
        """Return the rows that the newest checkpoint commits."""
        epoch, checkpoint = next(iter(self.checkpoints().items()), (0, None))
        head = None if checkpoint is None else disk.read(checkpoint, meta.HEAD, cut=True)
        # After the checkpoint: rows are written before the checkpoint that commits them.
        content = self.read_metrics() or b""
        if checkpoint is None:
            if content.count(b"\n") > 1:
                raise CorruptError(f"{self.path}: has no checkpoint of the epochs in {METRICS}")
            return []
        if head is None:
            raise CorruptError(f"{checkpoint}: is missing")
        commit = meta.head(checkpoint, head)
        if (commit.epoch, commit.config_sha256) != (epoch, self.record.config_sha256):
            raise CorruptError(f"{checkpoint}: belongs to another epoch or run")
        return meta.rows(checkpoint, commit, content)

    def read_consistently(self, read: Callable[[], T]) -> T:
        """Call read, and retry on CorruptError if a writer changed the run meanwhile.

        A writer removes old checkpoints with every commit, so a reader may find one missing. The
        run may also have changed although no writer is running any more.
        """
        for _ in range(ATTEMPTS - 1):
            before = self._snapshot()
            try:
                return read()
            except CorruptError:
                if before == self._snapshot() and "running" not in before:
                    raise
        return read()

    def _snapshot(self) -> tuple[Status, tuple[str, ...]]:
        """Return the status and checkpoint names; every commit changes one of them."""
        return self.status, tuple(sorted(self._checkpoint_names()))

    def timing(self) -> list[Timing]:
        """Return the timings by epoch; torn or damaged lines are left out."""
        return metrics.read_timings(self.path / TIMING, self.record.config)

    def started(self) -> str | None:
        """Return when training was first started, in UTC, such as 2026-11-01T12:00:00Z.

        It is the first time in log.txt; None if there is none.

        Raises:
            CorruptError: log.txt is not a regular file.
            DiskError: it cannot be read.
        """
        head = disk.read(self.path / LOG, 20, cut=True) or b""
        match = _TIME.fullmatch(head)
        return match[0].decode() if match else None

    def numerics(self) -> list[Stretch]:
        """Return the numerics fingerprints that the run was trained under, in order.

        Raises:
            CorruptError: run.json or metrics.jsonl is damaged.
        """
        return stretches(self.record.numerics, self.history())

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints' paths by epoch, the latest first.

        Those of a run that has ended may have been deleted, with or without their folder.

        Raises:
            CorruptError: their folder is missing although the run has not ended.
        """
        folder = self.path / CHECKPOINTS
        matches = [_CHECKPOINT.fullmatch(name) for name in self._checkpoint_names()]
        paths = {int(match[1]): folder / match[0] for match in matches if match}
        return dict(sorted(paths.items(), reverse=True))

    def _checkpoint_names(self) -> list[str]:
        folder = self.path / CHECKPOINTS
        try:
            return disk.directory_names(folder)
        except CorruptError:
            if self.result is None or disk.exists(folder):
                raise
            return []

    def checkpoint_path(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint, whether or not it exists."""
        return self.path / CHECKPOINTS / f"epoch-{epoch:06d}.npz"


def at(path: Path) -> Run:
    """Return the run in a directory.

    Raises:
        UsageError: there is no such directory.
        CorruptError: it is not a run, or its run.json is damaged.
    """
    if not stat.S_ISDIR(disk.mode(path)):
        suggestion = _suggest(path)
        advice = f"; did you mean {suggestion}?" if suggestion else hint(path)
        raise UsageError(f"{path}: there is no such run{advice}")
    run = Run(path)
    if not run.is_there():
        raise CorruptError(f"{path}: is not a run: it has no {RUN}{hint(path)}")
    _ = run.record
    return run


def hint(path: Path) -> str:
    """Return the end of a message about a path that names no run: the next step.

    This is a run or an experiment with a similar name in its folder, or that begins with its name,
    or the command that lists the runs there.
    """
    folder = DEFAULT_FOLDER if path.parent == Path() else path.parent
    names = list[str]()
    with suppress(CorruptError, DiskError):  # no suggestion from an unreadable folder
        found = sorted(filter(is_run_name, disk.directory_names(folder)))
        names = [name for name in found if disk.exists(folder / name / RUN)]
    known = [*map(without_seed, names), *names]
    longer = [name for name in known if path.name and name.startswith(path.name)]
    if longer:
        return f"; did you mean {folder / longer[0]}?"
    where = [] if folder == DEFAULT_FOLDER else ["--runs", str(folder)]
    lists = f"{shlex.join(['nnexp', 'runs', *where])} lists the runs"
    return messages.hint(path.name, known, lists, f"{folder}/")


def no_runs_folder(path: Path) -> str:
    """Return the message that there is no folder of runs at path, with the next step."""
    return f"{path}: there is no such folder; nnexp train makes it, and --runs names another"


def _suggest(path: Path) -> Path | None:
    """Return the run that was probably meant: in the default folder, or the name's first seed."""
    for guess in (path, DEFAULT_FOLDER / path):
        with suppress(CorruptError, DiskError):  # no suggestion from an unreadable folder
            names = sorted(disk.directory_names(guess.parent), key=lambda name: (len(name), name))
            for name in filter(is_run_name, names):
                run = guess.with_name(name)
                if guess.name in {name, without_seed(name)} and disk.exists(run / RUN):
                    return run
    return None


def named(folder: Path, name: str) -> Run:
    """Return the run with a name in a folder of runs, whether or not it exists.

    Raises:
        UsageError: the name is invalid.
    """
    if not is_run_name(name):
        raise UsageError(
            f"{name!r} cannot name a run: a name is 1 to 100 of A-Z a-z 0-9 . _ - and "
            "begins with a letter or digit"
        )
    return Run(folder / name)
