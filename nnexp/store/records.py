"""JSON records with a checksum, so that a flipped bit is detected: run.json and result.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nnexp.errors import CorruptError, NewerError
from nnexp.names import MAX_CLASSES, NAME
from nnexp.store import disk
from nnexp.training.history import Fingerprint, Fraction, Row

LIMIT = 1 << 20
"""Maximum bytes of a record. A run.json has a few thousand; parsed JSON takes 30 times its size."""
SCHEMA = 2
"""Version of the run directory's format; a larger one cannot be read, 1 is nnexp 0.1.0's."""
BUILT_IN = "mnist"
"""The source whose content is part of the package, so that it never changes."""
WEIGHTS = "initializer"
"""Among content hashes, that of the weights which a run takes from another one."""

BackendName = Literal["numpy", "native"]

T = TypeVar("T")


def seal(record: msgspec.Struct) -> bytes:
    """Return a record as indented JSON whose last key is the sha256 of all the others."""
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
    """Parse a record written by seal and verify its checksum; path is for messages.

    Raises:
        CorruptError: it is damaged, or was written by a newer nnexp.
    """
    try:
        content: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        checksum = content.pop("checksum", None)
        if checksum != _checksum(content):
            raise CorruptError(f"{path}: is damaged: its checksum does not match its content")
        if content.get("schema", 0) > SCHEMA:
            raise NewerError(
                f"{path}: was written by a newer nnexp "
                f"(schema {content['schema']}; this version reads up to {SCHEMA})"
            )
        return msgspec.convert(content, kind)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CorruptError(f"{path}: is damaged: {error}") from error


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


Size = Annotated[int, Meta(ge=0, le=1 << 40)]


class DataRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data that a run was trained on: content hashes and sizes."""

    sha256: dict[str, str]
    """The digest of each file or array that was read."""
    train: Size
    """Training examples."""
    validation: Size
    """Validation examples; 0 if there are none."""
    test: Size
    """Test examples; 0 if there are none."""
    features: Size
    """Inputs of the network."""
    classes: Annotated[int, Meta(ge=1, le=MAX_CLASSES)]
    """Number of classes."""
    class_names: tuple[str, ...] | UnsetType = UNSET
    """The label of each class, unless the labels are 0, 1, … or those that the config lists."""
    labels: tuple[int, ...] | UnsetType = UNSET
    """The number of each class in the data, if numbers have names there."""
    split_sha256: str | UnsetType = UNSET
    """Which examples were split off for validation and testing, if any were."""
    feature_names: tuple[str, ...] | UnsetType = UNSET
    """The columns of the features in their order, if they have names."""
    label_name: str | UnsetType = UNSET
    """The column of the labels, if it has a name."""
    image: tuple[Size, Size] | UnsetType = UNSET
    """Rows and columns of an image that is not square, or smaller than 8 x 8 pixels."""

    def __post_init__(self) -> None:
        """Raise ValueError if there are not as many names as classes, or as features."""
        if self.class_names is not UNSET and len(self.class_names) != self.classes:
            raise ValueError("its data has not as many names as classes")
        if self.labels is not UNSET and len(self.labels) != self.classes:
            raise ValueError("its data has not as many labels as classes")
        if self.feature_names is not UNSET and len(self.feature_names) != self.features:
            raise ValueError("its data has not as many names as features")


class Versions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions of the software that trained the run."""

    nnexp: str
    python: str
    numpy: str
    scipy: str


class RunRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The identity of a run: everything that determines its numbers."""

    schema: int = SCHEMA
    """The version of the run directory's format."""
    name: Annotated[str, Meta(pattern=rf"\A{NAME.pattern}\Z")]
    """The run's name, with its seed."""
    config: dict[str, Any]
    """The config with its defaults; keys that 0.1.0 did not have, only if they are set."""
    config_sha256: str
    """The digest of the config without its seed."""
    data: DataRecord
    versions: Versions
    numerics: Fingerprint
    """The fingerprint of the arithmetic with which training began."""
    growth_sha256: str | None = None
    """The digest that runs share if one can grow from the other; None in runs of nnexp 0.1.0."""
    weights_sha256: str | UnsetType = UNSET
    """The digest of the initial weights, if they are another run's."""
    backend: BackendName = "numpy"
    """The backend that began it."""

    @property
    def experiment_sha256(self) -> str:
        """The digest of config and data, which all seeds share."""
        return experiment_digest(self.config_sha256, self.source, self.content)

    @property
    def content(self) -> Mapping[str, str]:
        """The content hashes of what the run was trained on: its data, and another's weights."""
        weights = {} if self.weights_sha256 is UNSET else {WEIGHTS: self.weights_sha256}
        return {**self.data.sha256, **weights}

    @property
    def data_sha256(self) -> str:
        """The digest of the data's content."""
        return hashlib.sha256(msgspec.json.encode(self.data.sha256, order="sorted")).hexdigest()

    @property
    def source(self) -> str:
        """The name of the data's source."""
        data = self.config.get("data")
        return str(data.get("name")) if isinstance(data, dict) else ""


def experiment_digest(config_sha256: str, source: str, content: Mapping[str, str]) -> str:
    """Return the digest that identifies an experiment: its config and its data's content.

    Args:
        config_sha256: the digest of the canonical config, without the seed.
        source: the name of the data's source. For the built-in one, the config's digest is enough.
        content: content hashes of the data's files, as in run.json, and of initial weights.
    """
    return _digest(config_sha256, identifying(source, content))


def identifying(source: str, content: Mapping[str, str]) -> dict[str, str]:
    """Return the content hashes that are part of a run's identity: all that can change."""
    return {k: v for k, v in content.items() if source != BUILT_IN or k == WEIGHTS}


def growth_digest(growth_json: bytes, source: str, content: Mapping[str, str]) -> str:
    """Return the digest that runs share if one can grow from the other.

    Args:
        growth_json: the config without what decides when training ends.
        source: the name of the data's source.
        content: content hashes of the data's files, and of initial weights.
    """
    return _digest(hashlib.sha256(growth_json).hexdigest(), identifying(source, content))


def _digest(config: str, content: Mapping[str, str]) -> str:
    """Return the digest of a config's digest and what it is trained on, if that can change."""
    if not content:
        return config
    identity = {"config": config, "data": content}
    return hashlib.sha256(msgspec.json.encode(identity, order="sorted")).hexdigest()


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where training diverged; batch is None if only the evaluation detected it."""

    epoch: int
    batch: int | None
    found: str


Reason = Literal["epochs", "patience", "schedule", "converged", "saddle", "stalled", "diverged"]


class Result(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run ended. best and final are rows of metrics.jsonl."""

    schema: int = SCHEMA
    """The version of the run directory's format."""
    status: Literal["finished", "diverged"]
    reason: Reason
    """Why training ended."""
    epochs: int
    """Number of epochs trained."""
    best: Row | None
    """The epoch with the best validation accuracy; without validation data, the last one."""
    final: Row | None
    """The last epoch."""
    test_cost: float | None
    """The cost on the test data at the best epoch."""
    test_accuracy: Fraction | None
    """The accuracy on the test data at the best epoch."""
    fault: Fault | None
    """The divergence that ended training; None if there was none."""
    files: dict[str, str]
    """The sha256 of the run's other immutable files."""
    numerics: Fingerprint | UnsetType = UNSET
    """Fingerprint of the final evaluation, if it differs from the one that the run started with."""

    def __post_init__(self) -> None:
        """Raise ValueError if status, reason and fault contradict each other."""
        diverged = self.fault is not None
        if (self.status == "diverged", self.reason == "diverged") != (diverged, diverged):
            raise ValueError("its status, reason and fault contradict each other")
