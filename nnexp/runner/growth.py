"""Grow a run: begin with the epochs that it shares with an earlier run of the same folder.

The keys ``epochs``, ``patience`` and ``stopping`` decide when training ends, not how an epoch is
trained. Runs that are equal in everything else share their first epochs, to the last byte. So do
runs of piecewise and constant schedules, up to the epoch from which their learning rates differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from nnexp.config import canonical
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.npz import Header
from nnexp.errors import NameTakenError
from nnexp.paths import tolerated
from nnexp.runner.recording import ending, learning_rate
from nnexp.store import checkpoint, disk, growth_index, lock
from nnexp.store.records import RunRecord
from nnexp.store.run import LOCK, Run
from nnexp.store.writer import Beginning, epochs_to_keep
from nnexp.training.history import Row, best_row


class Shared(NamedTuple):
    """The epochs that a run can take over."""

    source: Run
    epoch: int
    """The last of them."""
    beginning: Beginning


def may_share_epochs(run: Run, config: CheckedConfig) -> bool:
    """Return whether a run differs from a config at most in when training ends or rates change."""
    return canonical.growth_json(run.config) == canonical.growth_json(config)


def check_keeps_epochs(
    run: Run, config: CheckedConfig, record: RunRecord, shared: Shared | None
) -> None:
    """Check that a run of another ending may take the name of one: it keeps each of its epochs.

    Args:
        run: the former run of the name.
        config: the config of the one that is to take its name.
        record: of the one that is to take its name.
        shared: the epochs that it would take over.

    Raises:
        NameTakenError: it would lose epochs.
        CorruptError: the former run is damaged.
    """
    history = run.history()
    if history and run.record.backend != record.backend:
        raise NameTakenError(
            f"{run.path}: was trained by the {run.record.backend} backend, so its epochs cannot "
            f"be kept; choose another name, or --backend {run.record.backend}"
        )
    kept = 0 if shared is None else shared.epoch
    last = run.checkpoint_path(history[-1].epoch) if history else None
    if last is not None and kept < history[-1].epoch and not disk.exists(last):
        raise NameTakenError(
            f"{run.path}: cannot be trained further, since {last} is missing; choose another name"
        )
    if history and kept < history[-1].epoch:
        keys = ", ".join(key for key, _, _ in canonical.differences(run.config, config))
        raise NameTakenError(
            f"{run.path}: a run with other {keys} would lose some of its {history[-1].epoch} "
            "epochs; choose another name"
        )


def shared_epochs(
    config: Config,
    run: Run,
    record: RunRecord,
    headers: Mapping[str, Header],
    until: int | None = None,
) -> Shared | None:
    """Return the most epochs that a new run can take over, or None if there are none.

    A run that another process trains, that is damaged, or that lacks the checkpoints is passed
    over. Of several with as many epochs, the first by name is used.

    Args:
        config: the new run's config.
        run: the new run.
        record: its record.
        headers: the arrays of its checkpoints.
        until: the last epoch to train; None for all of the config's.

    Raises: DiskError if the folder cannot be read.
    """
    best: Shared | None = None
    for source in growth_index.candidates(run.path.parent, record.growth_sha256 or ""):
        with tolerated():
            shared = _shared_with(source, config, record, headers, until)
            if shared is not None and (best is None or shared.epoch > best.epoch):
                best = shared
    return best


def epochs_of_other_backend(run: Run, record: RunRecord) -> str | None:
    """Return a notice of a run whose epochs a new run cannot take over for its backend alone."""
    for source in growth_index.candidates(run.path.parent, record.growth_sha256 or ""):
        with tolerated():
            is_same = growth_index.digest_of(source) == record.growth_sha256
            other = source.record.backend
            if is_same and other != record.backend and source.history():
                return (
                    f"{source.path}: has epochs of this config by the {other} backend; "
                    f"--backend {other} takes them over"
                )
    return None


def _shared_with(
    source: Run,
    config: Config,
    record: RunRecord,
    headers: Mapping[str, Header],
    until: int | None,
) -> Shared | None:
    """Return the epochs shared with a run. Raises: NnexpError if it cannot be used."""
    is_same = growth_index.digest_of(source) == record.growth_sha256
    if not is_same or source.record.numerics != record.numerics:
        return None
    with lock.shared(source.path / LOCK) as is_locked:
        if not is_locked:
            return None
        history = source.history()
        rows = _common_rows(config, source.config, history, until)
        for last in _restorable(rows, set(source.checkpoints()), config):
            with tolerated():  # damaged: an earlier one may be intact
                return Shared(source, last, _read(source, history, last, headers))
    return None


def _common_rows(
    config: Config, other: Config, history: Sequence[Row], until: int | None
) -> list[Row]:
    """Return the first rows of a run that training another config would write as well."""
    last, every = min(config.epochs, until or config.epochs), config.evaluate_every
    if config.schedule != other.schedule:  # of two that give their rates whatever the history
        rates = ((learning_rate(c, (), e) for c in (config, other)) for e in range(1, last + 1))
        last = sum(1 for _ in takewhile(lambda pair: len(set(pair)) == 1, rates))

    def is_common(numbered: tuple[int, Row]) -> bool:
        number, row = numbered
        evaluated = min(number * every, config.epochs)
        return row.numerics is UNSET and row.epoch <= last and row.epoch == evaluated

    rows = [row for _, row in takewhile(is_common, enumerate(history, 1))]
    if (config.patience, config.stopping) != (other.patience, other.stopping):
        lengths = range(1, len(rows))
        end = (n for n in lengths if ending(config, rows[:n]) is not None)
        rows = rows[: next(end, len(rows))]
    return rows


def _restorable(rows: list[Row], checkpoints: set[int], config: Config) -> Iterator[int]:
    """Yield the epochs from which training can go on, the last first.

    The best epoch's checkpoint must be there as well. If training ends with the epoch, so must all
    that a finished run keeps.
    """
    for count in range(len(rows), 0, -1):
        first = rows[:count]
        is_end = ending(config, first) is not None
        needed = epochs_to_keep(first) if is_end else {first[-1].epoch, best_row(first).epoch}
        if needed <= checkpoints:
            yield first[-1].epoch


def _read(
    source: Run, history: Sequence[Row], last: int, headers: Mapping[str, Header]
) -> Beginning:
    """Read what a run takes over up to an epoch. Raises: CorruptError, DiskError."""
    content = source.read_metrics() or b""
    rows = [row for row in history if row.epoch <= last]
    kept = epochs_to_keep(rows) & set(source.checkpoints())
    commits = {
        epoch: checkpoint.read(source, source.checkpoint_path(epoch), epoch, content, headers)
        for epoch in kept
    }
    length = commits[last].meta.metrics_length
    timing = b"".join(
        msgspec.json.encode(row) + b"\n" for row in source.timing() if row.epoch <= last
    )
    return Beginning(content[:length], timing, {e: (c.meta, c.arrays) for e, c in commits.items()})
