"""Summarize a run: its config, history, result, and diagnosis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import UNSET, structs

from nnexp.analysis.confusion import (
    MOST_CLASSES,
    Classification,
    Confusion,
    classify,
    confusion,
)
from nnexp.analysis.diagnosis import Diagnosis, Overfitting, diagnose, overfits_from
from nnexp.config import canonical
from nnexp.config.model import Config
from nnexp.errors import CorruptError, DiskError
from nnexp.runner.recording import describe_saddle
from nnexp.store import notes, predictions
from nnexp.store.notes import Notes
from nnexp.store.records import Fault, Result
from nnexp.store.run import Run, Status
from nnexp.training.history import Row, best_row

T = TypeVar("T")


class Summary(NamedTuple):
    """The summary of a run; fields are None or empty if there is nothing to show yet."""

    run: Run
    status: Status
    ending: str
    """Why the run ended, or how far it is, in words."""
    config: Config
    changed: list[tuple[str, Any, Any]]
    """The config's keys that differ from their defaults: key, value, default."""
    history: list[Row]
    best: Row | None
    last: Row | None
    result: Result | None
    diagnosis: Diagnosis | None
    overfitting: Overfitting | None
    confusion: dict[str, Confusion]
    """By split, at the best epoch of a finished run, unless there are too many classes."""
    classification: dict[str, Classification]
    """By split, at the best epoch of a finished run."""
    notes: Notes
    problems: list[CorruptError | DiskError]
    """Damaged files, whose contents are left out."""

    @property
    def classes(self) -> Sequence[int | str]:
        """The classes' labels in the data, in the network's order."""
        return self.run.classes


def summarize(run: Run) -> Summary:
    """Summarize a run, leaving out what is damaged.

    Raises:
        CorruptError: the run's record or result is damaged.
    """
    problems: list[CorruptError | DiskError] = []
    status, result, config = run.status, run.result, run.config
    history = _intact(run.history, problems) or []
    by_split = _intact(lambda: predictions.read(run), problems) or {}
    noted = _intact(lambda: notes.read(run), problems) or Notes()
    best, last = (result.best, result.final) if result else (None, None)
    if history and result is None:
        best, last = best_row(history), history[-1]
    classes = run.record.data.classes
    counted = by_split if classes <= MOST_CLASSES else {}
    return Summary(
        run=run,
        status=status,
        ending=_ending(run, config, result, last),
        config=config,
        changed=_changed(config),
        history=history,
        best=best,
        last=last,
        result=result,
        diagnosis=_diagnosis(history, result.fault if result else None),
        overfitting=_overfitting(history),
        confusion={split: confusion(own, classes) for split, own in counted.items()},
        classification={split: classify(own, classes) for split, own in by_split.items()},
        notes=noted,
        problems=problems,
    )


def _changed(config: Config) -> list[tuple[str, Any, Any]]:
    """Return the keys that differ from their defaults, which for data are those of its source."""
    data = config.data
    required = {
        field.name: getattr(data, field.name)
        for field in structs.fields(type(data))
        if field.required
    }
    source = canonical.flat(Config(data=type(data)(**required)))
    defaults = {
        key: value
        for key, value in source.items()
        if key.startswith("data.") and key.removeprefix("data.") not in required
    }
    rows = canonical.differences(config, Config())
    changed = [(key, own, defaults.get(key, default)) for key, own, default in rows]
    return [row for row in changed if row[1] != row[2]]


def _intact(read: Callable[[], T], problems: list[CorruptError | DiskError]) -> T | None:
    try:
        return read()
    except (CorruptError, DiskError) as error:
        problems.append(error)
        return None


def _ending(run: Run, config: Config, result: Result | None, last: Row | None) -> str:
    if result is None:
        done = f"epoch {last.epoch} of {config.epochs}" if last else "no epoch"
        advice = "; nnexp train resumes it" if run.status == "interrupted" else ""
        return f"{done} is committed so far{advice}"
    if result.fault is not None:
        batch = f", batch {result.fault.batch}" if result.fault.batch else ""
        return f"diverged in epoch {result.fault.epoch}{batch}: {result.fault.found}"
    metric = str(config.stopping.__struct_config__.tag)
    metric = {"average": "average validation accuracy"}.get(metric, f"validation {metric}")
    reasons = {
        "epochs": "all epochs of the config",
        "patience": f"the {metric} had not improved for {config.patience} epochs",
        "schedule": "the schedule had no lower learning rate left",
        "converged": "it converged: the gradient vanishes",
        "saddle": describe_saddle(config.optimizer),
        "stalled": "the optimizer found no step that lowers the cost",
    }
    return f"ended after epoch {result.epochs}: {reasons[result.reason]}"


def _recorded(history: Sequence[Row], *keys: str) -> bool:
    return all(getattr(row, key) is not UNSET for row in history for key in keys)


def _diagnosis(history: Sequence[Row], fault: Fault | None) -> Diagnosis | None:
    """Diagnose the training cost; an epoch that diverged counts as infinite."""
    if not _recorded(history, "train_cost"):
        return None
    costs = [float(row.train_cost) for row in history if row.train_cost is not UNSET]
    epochs = [row.epoch for row in history]
    if fault is not None:
        costs, epochs = [*costs, math.inf], [*epochs, fault.epoch]
    return diagnose(costs, epochs)


def _overfitting(history: Sequence[Row]) -> Overfitting | None:
    if not _recorded(history, "train_cost", "validation_cost"):
        return None
    train = [float(row.train_cost) for row in history if row.train_cost is not UNSET]
    held = [float(row.validation_cost) for row in history if row.validation_cost is not UNSET]
    return overfits_from(train, held, [row.epoch for row in history])
