"""What run.json and result.json say. Both are written once and never changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from nnexp.checks import MOST_CLASSES, NAME
from nnexp.store.sealed import SCHEMA
from nnexp.training.history import Fingerprint, Fraction, Row

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
