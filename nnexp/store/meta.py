"""What a checkpoint says of itself: its first member, which is read without NumPy and the rest.

So a listing knows which rows are committed, and that they are what was committed.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from nnexp.errors import CorruptError, NewerError
from nnexp.store import metrics
from nnexp.store.records import SCHEMA
from nnexp.training.history import Row

HEAD = 4096
"""Bytes of a checkpoint that hold its meta, and more."""

_LOCAL = struct.Struct("<4s5HIIIHH")
_STORED = 0
_IN_EXTRA = 0xFFFFFFFF
_NPY = b"\x93NUMPY\x01\x00"


class Meta(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint commits: an epoch, with the metrics up to it."""

    schema: int = SCHEMA
    epoch: int
    config_sha256: str
    metrics_length: Annotated[int, msgspec.Meta(ge=0)]
    metrics_sha256: str
    arrays_sha256: str


def decode(path: Path | str, content: bytes) -> Meta:
    """Return the meta that was encoded as content; path is for messages.

    Raises:
        CorruptError: it is damaged, or was written by a newer nnexp.
    """
    try:
        meta = msgspec.json.decode(content, type=Meta)
    except (ValueError, msgspec.MsgspecError) as error:
        raise CorruptError(f"{path}: is damaged: {error}") from error
    if meta.schema > SCHEMA:
        raise NewerError(f"{path}: was written by a newer nnexp (schema {meta.schema})")
    return meta


def head(path: Path, raw: bytes) -> Meta:
    """Return the meta at the beginning of a checkpoint, of which raw is enough.

    Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7 and 4.5.3;
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

    Raises:
        CorruptError: it is damaged, or was written by a newer nnexp.
    """
    try:
        signature, _, flags, method, *_, checksum, _, size, named, extra = _LOCAL.unpack_from(raw)
        start = _LOCAL.size + named + extra
        if (
            size == _IN_EXTRA
        ):  # NumPy leaves room for large members: 2 bytes each of kind and length
            (size,) = struct.unpack_from("<Q", raw, _LOCAL.size + named + 4)
        member = raw[start : start + size]
        (length,) = struct.unpack_from("<H", member, len(_NPY))
    except struct.error as error:
        raise CorruptError(f"{path}: is damaged: it does not begin with its meta") from error
    name = raw[_LOCAL.size : _LOCAL.size + named]
    if (signature, flags, method, name) != (b"PK\x03\x04", 0, _STORED, b"meta.npy") or (
        zlib.crc32(member) != checksum or not member.startswith(_NPY)
    ):
        raise CorruptError(f"{path}: is damaged: it does not begin with its meta")
    return decode(path, member[len(_NPY) + 2 + length :])


def rows(path: Path, meta: Meta, content: bytes) -> list[Row]:
    """Return the rows of metrics.jsonl's content that a checkpoint commits, its own epoch's last.

    Raises:
        CorruptError: they are not what was committed.
    """
    committed = content[: meta.metrics_length]
    if hashlib.sha256(committed).hexdigest() != meta.metrics_sha256:
        raise CorruptError(f"{path}: its epoch's rows in metrics.jsonl are damaged")
    try:
        history = metrics.decode(committed)
    except ValueError as error:
        raise CorruptError(
            f"{path}: its epoch's rows in metrics.jsonl are damaged: {error}"
        ) from error
    if not history or history[-1].epoch != meta.epoch:
        raise CorruptError(f"{path}: its epoch's row is not the last that it commits")
    return history
