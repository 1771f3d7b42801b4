"""The metadata of a checkpoint: its first member, readable without NumPy or the arrays.

It lets a listing verify cheaply which rows of metrics.jsonl are committed.
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
"""Bytes to read from a checkpoint's beginning; its meta is shorter."""

_LOCAL = struct.Struct("<4s5HIIIHH")
_STORED = 0
_IN_EXTRA = 0xFFFFFFFF
_NPY = b"\x93NUMPY\x01\x00"


class Meta(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The epoch that a checkpoint commits, with checksums of its config, metrics and arrays."""

    schema: int = SCHEMA
    epoch: int
    config_sha256: str
    metrics_length: Annotated[int, msgspec.Meta(ge=0)]
    metrics_sha256: str
    arrays_sha256: str


def decode(path: Path | str, content: bytes) -> Meta:
    """Decode a meta from JSON; path is for messages.

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
    """Return the meta of a checkpoint; raw is at least its first HEAD bytes.

    Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7 and 4.5.3;
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

    Raises:
        CorruptError: it is damaged, or was written by a newer nnexp.
    """
    try:
        signature, _, flags, method, *_, crc, _, size, name_size, extra = _LOCAL.unpack_from(raw)
        start = _LOCAL.size + name_size + extra
        if size == _IN_EXTRA:  # zip64: the size follows 4 bytes of the extra field (kind, length)
            (size,) = struct.unpack_from("<Q", raw, _LOCAL.size + name_size + 4)
        member = raw[start : start + size]
        (length,) = struct.unpack_from("<H", member, len(_NPY))
    except struct.error as error:
        raise CorruptError(f"{path}: is damaged: it does not begin with its meta") from error
    name = raw[_LOCAL.size : _LOCAL.size + name_size]
    if (signature, flags, method, name) != (b"PK\x03\x04", 0, _STORED, b"meta.npy") or (
        zlib.crc32(member) != crc or not member.startswith(_NPY)
    ):
        raise CorruptError(f"{path}: is damaged: it does not begin with its meta")
    return decode(path, member[len(_NPY) + 2 + length :])


def rows(path: Path, meta: Meta, content: bytes) -> list[Row]:
    """Return the rows that a checkpoint commits, up to and including its own epoch.

    Args:
        path: the checkpoint, for messages.
        meta: its meta.
        content: the content of metrics.jsonl.

    Raises:
        CorruptError: the rows differ from the committed ones.
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
        raise CorruptError(f"{path}: the last row that it commits is not its epoch's")
    return history
