"""metrics.jsonl: one JSON object an evaluated epoch, append-only."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from nnexp.training.history import Row

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Row)


def encode(row: Row) -> bytes:
    """Return a row as a line."""
    return _ENCODER.encode(row) + b"\n"


def decode(content: bytes) -> list[Row]:
    """Return the rows of whole lines; a last line without its end is a torn write, and no row.

    Raises:
        ValueError: a line is not a row, or the epochs do not rise.
    """
    rows = [_DECODER.decode(line) for line in content.split(b"\n")[:-1]]
    for earlier, later in pairwise(rows):
        if later.epoch <= earlier.epoch:
            raise ValueError(f"epoch {later.epoch} follows epoch {earlier.epoch}")
    return rows
