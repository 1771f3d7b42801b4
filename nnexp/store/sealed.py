"""JSON files that carry a checksum of themselves, so that a flipped bit is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nnexp.errors import CorruptError, NewerError
from nnexp.store import disk

LIMIT = 1 << 20
"""A run.json has a few thousand bytes; JSON in memory is thirty times as large as in its file."""
SCHEMA = 1
"""The number of the run directory's format; a reader refuses a larger one."""

T = TypeVar("T")


def seal(record: msgspec.Struct) -> bytes:
    """Return a record as readable JSON whose last key is the sha256 of all the others."""
    content = msgspec.to_builtins(record)
    content["checksum"] = _checksum(content)
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read(path: Path, kind: type[T]) -> T | None:
    """Return the record in a file, or None if there is no such file.

    Raises:
        CorruptError: the file is damaged, or was written by a newer nnexp.
        DiskError: it cannot be read.
    """
    raw = disk.read(path, LIMIT)
    return None if raw is None else unseal(path, raw, kind)


def unseal(path: Path, raw: bytes, kind: type[T]) -> T:
    """Return the record that seal wrote as raw; path is for messages."""
    try:
        content: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        checksum = content.pop("checksum", None)
        if checksum != _checksum(content):
            raise CorruptError(f"{path}: is damaged: its checksum does not fit its content")
        if content.get("schema", 0) > SCHEMA:
            raise NewerError(
                f"{path}: was written by a newer nnexp "
                f"(schema {content['schema']}; this one knows {SCHEMA})"
            )
        return msgspec.convert(content, kind)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CorruptError(f"{path}: is damaged: {error}") from error


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
