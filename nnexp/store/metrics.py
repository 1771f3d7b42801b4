"""Encode and decode metrics.jsonl and timing.jsonl: one JSON object per evaluated epoch.

Both are append-only. timing.jsonl is not synced, so any of its lines may be missing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nnexp.store import disk
from nnexp.training.history import Row

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Row)
_MEASURES = attrgetter(
    *(f"{split}_{of}" for split in ("train", "validation", "test") for of in ("cost", "accuracy"))
)


def encode(row: Row) -> bytes:
    """Return a row as a line of JSON."""
    return _ENCODER.encode(row) + b"\n"


def decode(content: bytes) -> list[Row]:
    """Return the rows; a last line without a newline is a torn write and is ignored.

    Raises:
        ValueError: a line is not a row, epochs do not increase, or rows have different metrics.
    """
    rows = [_DECODER.decode(line) for line in content.split(b"\n")[:-1]]
    for earlier, later in pairwise(rows):
        if later.epoch <= earlier.epoch:
            raise ValueError(f"epoch {later.epoch} follows epoch {earlier.epoch}")
    missing = _missing_metrics(rows[0]) if rows else ()
    for row in rows[1:]:
        if _missing_metrics(row) != missing:
            raise ValueError(f"epoch {row.epoch} has other metrics than epoch {rows[0].epoch}")
    return rows


def _missing_metrics(row: Row) -> tuple[bool, ...]:
    """Return, for each metric, whether a row lacks it; the config determines this for all rows."""
    return tuple(measure is UNSET for measure in _MEASURES(row))


def columns(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Return rows as columns: every number that a row has, NaN where a row has none.

    Returns: equally long lists by metric. A metric with several values an epoch has a column for
        each, numbered from 1.
    """
    cells = [dict(_cells(row)) for row in rows]
    names = dict.fromkeys(name for row in cells for name in row)
    return {name: [row.get(name, math.nan) for row in cells] for name in names}


def _cells(row: Row) -> Iterator[tuple[str, float]]:
    """Generate the numbers of a row, by the names of their columns."""
    for name in Row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, tuple):
            yield from ((f"{name}_{number}", each) for number, each in enumerate(value, 1))
        elif isinstance(value, int | float):
            yield name, value


MAX_EPOCHS = 1_000_000
MAX_SIZE = 1 << 30
"""Maximum bytes of metrics.jsonl, whatever the config."""
ROW_SIZE, LAYER_SIZE, TIMING_SIZE = 1024, 128, 384
"""Maximum bytes of a row of metrics.jsonl, for each layer in addition, and of timing.jsonl."""
SPARE = 1 << 16
"""Bytes allowed behind the last row: a torn or damaged end."""
REPEATED = 1 << 20
"""Bytes of timing.jsonl allowed for epochs that were trained again after interruptions."""


def max_size(config: Mapping[str, Any]) -> int:
    """Return the maximum bytes of metrics.jsonl that a run with a recorded config can have.

    The config need not be valid: a value that is none counts as the largest.
    """
    hidden = config.get("hidden")
    layers = 1 + len(hidden) if isinstance(hidden, list) else 1
    return min(_max_rows(config) * (ROW_SIZE + layers * LAYER_SIZE) + SPARE, MAX_SIZE)


def _max_rows(config: Mapping[str, Any]) -> int:
    epochs, every = config.get("epochs"), config.get("evaluate_every")
    if type(epochs) is not int or not 0 < epochs <= MAX_EPOCHS:
        epochs = MAX_EPOCHS
    return epochs // every + 1 if type(every) is int and every > 0 else epochs


Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class Timing(Struct, frozen=True):
    """Seconds from the end of the previous evaluated epoch to the end of this one."""

    epoch: Annotated[int, Meta(ge=1)]
    train_seconds: Seconds
    evaluate_seconds: Seconds
    load: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    """The machine's load at the end: processes that ran or waited, over a minute."""
    cores: Annotated[int, Meta(ge=1)] | UnsetType = UNSET

    @property
    def is_under_load(self) -> bool:
        """Whether processes waited for a core, so that the times are too long."""
        return self.load is not UNSET and self.cores is not UNSET and self.load > self.cores

    @property
    def seconds(self) -> float:
        """Training and evaluation together."""
        return self.train_seconds + self.evaluate_seconds


def timed(epoch: int, train_seconds: float, evaluate_seconds: float) -> Timing:
    """Return the times of an epoch that has just ended, with the machine's load."""
    seconds = round(train_seconds, 6), round(evaluate_seconds, 6)
    try:
        load = os.getloadavg()[0]
    except OSError:  # not known on this machine
        return Timing(epoch, *seconds)
    return Timing(epoch, *seconds, round(load, 2), os.cpu_count() or 1)


_TIMING_DECODER = msgspec.json.Decoder(Timing)


def read_timings(path: Path, config: Mapping[str, Any]) -> list[Timing]:
    """Return the timings sorted by epoch; the last one counts if an epoch is repeated.

    Lines that cannot be parsed are skipped, and so is the end of a file that is larger than the
    config's epochs explain.

    Args:
        path: the file.
        config: the recorded config of its run.

    Raises:
        CorruptError: it is not a regular file.
        DiskError: it cannot be read.
    """
    limit = _max_rows(config) * TIMING_SIZE + REPEATED
    by_epoch: dict[int, Timing] = {}
    for row in _timings(disk.read(path, limit, cut=True) or b""):
        by_epoch[row.epoch] = row
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _timings(content: bytes) -> Iterator[Timing]:
    for line in content.split(b"\n")[:-1]:
        try:
            yield _TIMING_DECODER.decode(line)
        except (msgspec.MsgspecError, ValueError):
            continue
