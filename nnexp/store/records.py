"""JSON files that carry a checksum of themselves, so that a flipped bit is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nnexp.errors import CorruptError, NewerError
from nnexp.names import MOST_CLASSES, NAME
from nnexp.store import disk
from nnexp.training.history import Fingerprint, Fraction, Row

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


Size = Annotated[int, Meta(ge=0, le=1 << 40)]


class DataRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was trained on: content hashes and sizes."""

    sha256: dict[str, str]
    train: Size
    validation: Size
    test: Size
    features: Size
    classes: Annotated[int, Meta(ge=1, le=MOST_CLASSES)]


class Versions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What computed the run."""

    nnexp: str
    python: str
    numpy: str
    scipy: str


class RunRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is: everything that its numbers follow from."""

    schema: int = SCHEMA
    name: Annotated[str, Meta(pattern=rf"\A{NAME.pattern}\Z")]
    config: dict[str, Any]
    config_sha256: str
    data: DataRecord
    versions: Versions
    numerics: Fingerprint


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where training diverged; the batch is None if only the evaluation showed it."""

    epoch: int
    batch: int | None
    found: str


Reason = Literal["epochs", "patience", "schedule", "converged", "stalled", "diverged"]


class Result(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run ended; best and final are rows of metrics.jsonl."""

    schema: int = SCHEMA
    status: Literal["finished", "diverged"]
    reason: Reason
    epochs: int
    best: Row | None
    final: Row | None
    test_cost: float | None
    test_accuracy: Fraction | None
    fault: Fault | None
    files: dict[str, str]
    """The sha256 of the run's other immutable files."""
    numerics: Fingerprint | UnsetType = UNSET
    """What it was measured under, where that is other arithmetic than the run was begun on."""

    def __post_init__(self) -> None:
        """Refuse a status, a reason and a fault that contradict each other."""
        diverged = self.fault is not None
        if (self.status == "diverged", self.reason == "diverged") != (diverged, diverged):
            raise ValueError("its status, reason and fault contradict each other")
