"""What a listed run can be asked for: its columns, and every key of its config."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from nnexp.config import keys, wording
from nnexp.errors import UsageError
from nnexp.store.listing import Entry

COLUMNS = {
    "name": "name",
    "status": "status",
    "seed": "seed",
    "epochs": "epochs",
    "validation": "best_validation_accuracy",
    "best-epoch": "best_epoch",
    "test": "test_accuracy",
}
"""What a table calls a run's own fields, and the field each stands for."""

STATUSES = ("finished", "diverged", "running", "interrupted", "damaged")
ACCURACIES = ("validation", "test")
FIELDS = {field: column for column, field in COLUMNS.items()} | {
    "validation_accuracy": "validation"
}
"""The columns by what JSON and compare call them."""
PREFIX = "config."
"""What tells a key from a column: ``epochs`` are trained, ``config.epochs`` asked for."""


def value(entry: Entry, key: str) -> Any:  # noqa: ANN401 - any value of a config
    """Return a column or a config's key of a run; UNSET where the run does not have it."""
    if key not in COLUMNS:
        return setting(entry.config, key.removeprefix(PREFIX))
    if entry.problem is not None and key not in {"name", "status"}:
        return UNSET
    return getattr(entry, COLUMNS[key])


def setting(config: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - as above
    """Return a config's value by dotted key: a mapping where only its settings have values."""
    if key in config:
        return config[key]
    inner = {k.removeprefix(f"{key}."): v for k, v in config.items() if k.startswith(f"{key}.")}
    return inner or UNSET


def check(key: str, entries: Iterable[Entry], asked: str) -> None:
    """Refuse a key that is no column, and that no config can have.

    Raises:
        UsageError: it is unknown; asked is what the message names.
    """
    name = key.removeprefix(PREFIX)
    if key in COLUMNS or any(name in entry.config for entry in entries):
        return
    known = keys.known()  # loads NumPy; so it is asked only where no run has the key
    if name not in known:
        every = known if key.startswith(PREFIX) else [*COLUMNS, *known]
        raise UsageError(f"{asked}: {wording.unknown('key', name, every, FIELDS.get(key))}")
