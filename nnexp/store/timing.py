"""timing.jsonl: how long evaluated epochs took. It is not synced, so any line may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nnexp.store import disk

LIMIT = 1 << 28


Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class Timing(Struct, frozen=True):
    """What one evaluated epoch, and those since the last one, took in seconds."""

    epoch: Annotated[int, Meta(ge=1)]
    train_seconds: Seconds
    evaluate_seconds: Seconds

    @property
    def seconds(self) -> float:
        """Training and evaluation together."""
        return self.train_seconds + self.evaluate_seconds


_DECODER = msgspec.json.Decoder(Timing)


def read(path: Path) -> list[Timing]:
    """Return the rows by epoch, of a repeated epoch the last; lines that are none are left out.

    Raises:
        CorruptError: it is no regular file.
        DiskError: it cannot be read.
    """
    by_epoch: dict[int, Timing] = {}
    for row in _rows(disk.read(path, LIMIT) or b""):
        by_epoch[row.epoch] = row
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _rows(content: bytes) -> Iterator[Timing]:
    for line in content.split(b"\n")[:-1]:
        try:
            yield _DECODER.decode(line)
        except (msgspec.MsgspecError, ValueError):
            continue
