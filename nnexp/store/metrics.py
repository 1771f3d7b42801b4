"""metrics.jsonl: one JSON object an evaluated epoch, append-only."""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter

import msgspec
from msgspec import UNSET

from nnexp.training.history import Row

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Row)
_MEASURES = attrgetter(
    *(f"{split}_{of}" for split in ("train", "validation", "test") for of in ("cost", "accuracy"))
)


def encode(row: Row) -> bytes:
    """Return a row as a line."""
    return _ENCODER.encode(row) + b"\n"


def decode(content: bytes) -> list[Row]:
    """Return the rows of whole lines; a last line without its end is a torn write, and no row.

    Raises:
        ValueError: a line is not a row, the epochs do not rise, or not all rows have what one has.
    """
    rows = [_DECODER.decode(line) for line in content.split(b"\n")[:-1]]
    for earlier, later in pairwise(rows):
        if later.epoch <= earlier.epoch:
            raise ValueError(f"epoch {later.epoch} follows epoch {earlier.epoch}")
    unmeasured = _unmeasured(rows[0]) if rows else ()
    for row in rows[1:]:
        if _unmeasured(row) != unmeasured:
            raise ValueError(f"epoch {row.epoch} has not the measures of epoch {rows[0].epoch}")
    return rows


def _unmeasured(row: Row) -> tuple[bool, ...]:
    """Return which of the measures a row does not have: the config says so for all alike."""
    return tuple(measure is UNSET for measure in _MEASURES(row))
