"""Two runs side by side: which config keys differ, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from nnexp.config import canonical
from nnexp.store.records import RunRecord
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row, stretches

LEVELS = (0.90, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98)


class Difference(NamedTuple):
    """A config key that the runs do not share; UNSET stands for a key that a run does not have."""

    key: str
    a: Any
    b: Any


class Summary(NamedTuple):
    """What a run has to show; None where it does not say."""

    run: str
    status: str
    epochs: int
    best: dict[str, Any] | None
    last: dict[str, Any] | None
    test_accuracy: float | None
    reached: dict[str, int | None]
    """The first epoch with at least this accuracy, by the level in per cent."""
    numerics: list[dict[str, Any]]
    """The arithmetic's fingerprints, in turn, each with the epoch since which it holds."""


class Comparison(NamedTuple):
    """Two runs side by side."""

    differences: list[Difference]
    circumstances: list[Difference]
    """What differs beside the config: data, the numerics at the beginning, nnexp."""
    levels_of: str
    """The metric that levels are of."""
    a: Summary
    b: Summary


def compare(a: Run, b: Run) -> Comparison:
    """Return what differs between two runs.

    Raises:
        CorruptError: one of them is damaged.
    """
    histories = a.history(), b.history()
    metric = _common_accuracy(*histories)
    return Comparison(
        [Difference(*each) for each in canonical.differences(*(a.config, b.config))],
        _circumstances(_identity(a.record), _identity(b.record)),
        metric,
        _summary(a, histories[0], metric),
        _summary(b, histories[1], metric),
    )


def _identity(record: RunRecord) -> dict[str, str]:
    data = {f"data.{split}": digest for split, digest in record.data.sha256.items()}
    return data | {"numerics": record.numerics, "nnexp": record.versions.nnexp}


def _circumstances(a: dict[str, str], b: dict[str, str]) -> list[Difference]:
    pairs = [Difference(key, a.get(key, UNSET), b.get(key, UNSET)) for key in a | b]
    return [each for each in pairs if each.a != each.b]


def _common_accuracy(*histories: list[Row]) -> str:
    """Return the accuracy that every run recorded: validation's if it can be."""
    for metric in ("validation_accuracy", "test_accuracy"):
        if all(getattr(row, metric) is not UNSET for history in histories for row in history):
            return metric
    return "train_accuracy"


def _summary(run: Run, history: list[Row], metric: str) -> Summary:
    result = run.result
    return Summary(
        str(run.path),
        run.status,
        history[-1].epoch if history else 0,
        msgspec.to_builtins(best_row(history)) if history else None,
        msgspec.to_builtins(history[-1]) if history else None,
        result.test_accuracy if result else None,
        {f"{100 * level:g}": _first(history, metric, level) for level in LEVELS},
        [each._asdict() for each in stretches(run.record.numerics, history)],
    )


def _first(history: list[Row], metric: str, level: float) -> int | None:
    for row in history:
        value = getattr(row, metric)
        if value is not UNSET and value >= level:
            return row.epoch
    return None
