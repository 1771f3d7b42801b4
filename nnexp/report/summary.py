"""The result of show: a run's summary as a document and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET, Struct

from nnexp.analysis.confusion import MOST_CLASSES, Confusion
from nnexp.analysis.diagnosis import Diagnosis, Kind
from nnexp.analysis.evaluation import On
from nnexp.analysis.summary import Summary
from nnexp.config import canonical
from nnexp.config.messages import shortened
from nnexp.errors import printable
from nnexp.report import braille, classifications, notes
from nnexp.report.classifications import ClassificationOutput
from nnexp.report.curves import terminal
from nnexp.report.document import READABLE, Block, Document, Sentences, Table, plain
from nnexp.report.notes import NoteOutput
from nnexp.report.text import MISSING, percent, setting
from nnexp.report.text import table as format_table
from nnexp.store.records import BackendName, DataRecord, Result, Versions
from nnexp.training.history import Row

CELL = 24
"""Maximum number of characters of a config's value."""
MIXED = 10
"""Maximum number of pairs of classes that are listed if the matrix is too wide."""


def document(summary: Summary, on: On) -> Document:
    """Return a run's config, metrics, curves, diagnosis and confusion matrix.

    Args:
        summary: of the run.
        on: the split of the confusion matrix.
    """
    return plain(
        Sentences([summary.ending]),
        *_notes(summary),
        _config(summary),
        _metrics(summary),
        *braille.drawings(terminal({"": [summary.history]})),
        _diagnoses(summary),
        *_mixed_up(summary, on),
        *_by_class(summary, on),
        Sentences(list(_origin(summary))),
        title=f"{summary.run.path}  {summary.status}",
    )


def _notes(summary: Summary) -> list[Block]:
    """Return a run's tags and notes, if it has any."""
    own = summary.notes
    sentences = [f"Tags: {', '.join(own.tags)}"] if own.tags else []
    sentences += [notes.sentence(note).strip() for note in own.notes]
    return [Sentences(sentences)] if sentences else []


def _config(summary: Summary) -> Table | Sentences:
    if not summary.changed:
        return Sentences(["Every key of the config has its default."])
    rows = [[key, _value(own), _value(default)] for key, own, default in summary.changed]
    return Table(["config", "here", "default"], rows)


def _value(value: Any) -> str:  # noqa: ANN401 - a config's value
    return shortened(printable(setting(value)), CELL)


def _metrics(summary: Summary) -> Table | None:
    best, last, result = summary.best, summary.last, summary.result
    if best is None or last is None:
        return None
    columns = {f"best, epoch {best.epoch}": best}
    if last.epoch != best.epoch:
        columns[f"last, epoch {last.epoch}"] = last
    rows = [["learning rate", *(_number(row, "learning_rate") for row in columns.values())]]
    for split in ("train", "validation", "test"):
        for quantity in ("cost", "accuracy"):
            cells = [_number(row, f"{split}_{quantity}") for row in columns.values()]
            if split == "test" and result and result.test_accuracy is not None:
                cells[0] = _formatted(getattr(result, f"test_{quantity}"), quantity)
            if set(cells) != {MISSING}:
                rows.append([f"{split} {quantity}", *cells])
    evaluations = [str(row.evaluations) for row in columns.values() if row.evaluations is not UNSET]
    if len(evaluations) == len(columns):
        rows.append(["evaluations", *evaluations])
    return Table(["result", *columns], rows)


def _number(row: Row, key: str) -> str:
    value = getattr(row, key)
    if key == "learning_rate" and isinstance(value, float):
        return f"{value:.4g}"
    return _formatted(None if value is UNSET else value, key)


def _formatted(value: float | None, key: str) -> str:
    if key.endswith("accuracy"):
        return percent(value)
    return MISSING if value is None else f"{value:.4f}"


def _diagnoses(summary: Summary) -> Sentences | None:
    sentences = []
    if summary.diagnosis is not None:
        sentences.append(f"Training cost: {summary.diagnosis.sentence}.")
    if summary.overfitting is not None:
        sentences.append(f"O{summary.overfitting.sentence[1:]}.")
    return Sentences(sentences) if sentences else None


def _mixed_up(summary: Summary, on: On) -> list[Block]:
    """Return the confusion matrix with its caption, or a sentence on why there is none."""
    if on in summary.confusion and summary.best is not None:
        measured_on = f"{on} examples, epoch {summary.best.epoch}"
        return _confusion(summary.confusion[on], summary.classes, measured_on)
    if summary.result is None:
        return [Sentences(["The confusion matrix is available once the run has finished."])]
    if len(summary.classes) > MOST_CLASSES:
        sentence = f"The confusion matrix is shown for at most {MOST_CLASSES} classes."
        return [Sentences([sentence])]
    return []


def _confusion(confusion: Confusion, classes: Sequence[int | str], measured_on: str) -> list[Block]:
    """Return the matrix with each class's accuracy or, if too wide, the pairs mixed up most."""
    matrix = _matrix(confusion, classes)
    lines = format_table(matrix.header, matrix.rows).splitlines()
    if max(map(len, lines)) <= READABLE:
        caption = "True classes in rows, predicted classes in columns"
        return [Sentences([f"{caption} ({measured_on}):"]), matrix]
    rows = [
        [printable(f"{classes[pair.true]} → {classes[pair.predicted]}"), str(pair.examples)]
        for pair in confusion.most_mixed(MIXED)
    ]
    caption = f"The classes mixed up most often ({measured_on}):"
    return [Sentences([caption]), Table(["true → predicted", "examples"], rows)]


def _by_class(summary: Summary, on: On) -> list[Block]:
    """Return precision, recall and F1 by class with a caption, if the run has predictions."""
    if on not in summary.classification or summary.best is None:
        return []
    examples = f"{on} examples, epoch {summary.best.epoch}"
    own = summary.classification[on]
    table = classifications.table(own, summary.classes, examples)
    return [Sentences([f"{table.caption}:"]), table]


def _matrix(confusion: Confusion, classes: Sequence[int | str]) -> Table:
    """Return a table with true classes in rows and predicted ones in columns."""
    names = [printable(str(label)) for label in classes]
    rows = [
        [name, *(str(count) if count else "." for count in counts), percent(accuracy)]
        for name, counts, accuracy in zip(
            names, confusion.matrix.tolist(), confusion.accuracy, strict=True
        )
    ]
    return Table(["class", *names, "right"], rows)


def _origin(summary: Summary) -> Iterator[str]:
    record = summary.run.record
    data, versions = record.data, record.versions
    sizes = {split: getattr(data, split) for split in ("train", "validation", "test")}
    counts = ", ".join(f"{count} {split}" for split, count in sizes.items() if count)
    name = summary.config.data.__struct_config__.tag
    yield f"Data: {name}, {counts} examples, {data.features} features, {data.classes} classes."
    yield (
        f"Made by nnexp {versions.nnexp}, Python {versions.python}, NumPy {versions.numpy}, "
        f"SciPy {versions.scipy}; backend {record.backend}, arithmetic {record.numerics[:12]}."
    )


class ConfusionOutput(Struct, frozen=True, kw_only=True):
    """A confusion matrix: true classes in rows, predicted ones in columns."""

    matrix: list[list[int]]
    accuracy: list[float | None]
    """By class."""


class DiagnosisOutput(Struct, frozen=True, kw_only=True):
    """The diagnosis of the training cost; null for a number that does not exist."""

    kind: Kind
    first: float | None
    """The cost of the first epoch."""
    last: float | None
    lowest: float | None
    lowest_epoch: int
    change: float | None
    """From the first cost to the curve's end, relative to the first."""
    rises: float
    """The sum of all rises from one epoch to the next."""
    falls: float
    share: float
    """The fraction of steps that are rises."""
    relapse: float | None
    """The median relapse as a fraction of the overall change."""
    jump: int | None
    """The epoch of a falling curve's largest rise, if that is large."""
    plateau: int | None
    """The epoch from which a falling curve is level."""
    ratio: float | None
    """The sum of the rises over that of the falls."""
    sentence: str


class OverfittingOutput(Struct, frozen=True, kw_only=True):
    """When overfitting starts, and how both costs changed since then."""

    epoch: int
    lowest: float
    """The validation cost there."""
    end: float
    """The validation cost at the end."""
    train_then: float
    train_end: float
    sentence: str


class ShowOutput(Struct, frozen=True, kw_only=True):
    """The result of show."""

    run: str
    status: str
    ending: str
    result: Result | None
    config: dict[str, Any]
    changed: list[str]
    """The keys that differ from their defaults."""
    data: DataRecord
    versions: Versions
    backend: BackendName
    numerics: str
    best: Row | None
    last: Row | None
    diagnosis: DiagnosisOutput | None
    overfitting: OverfittingOutput | None
    classes: list[int | str]
    """The labels: whole numbers, or names."""
    confusion: dict[str, ConfusionOutput]
    classification: dict[str, ClassificationOutput]
    """By split, like confusion."""
    tags: list[str]
    notes: list[NoteOutput]
    problems: list[str]


def output(summary: Summary) -> ShowOutput:
    """Return a summary as a value for JSON."""
    record, overfitting = summary.run.record, summary.overfitting
    return ShowOutput(
        run=str(summary.run.path),
        status=summary.status,
        ending=summary.ending,
        result=summary.result,
        config=canonical.recorded(summary.config),
        changed=[key for key, *_ in summary.changed],
        data=record.data,
        versions=record.versions,
        backend=record.backend,
        numerics=record.numerics,
        best=summary.best,
        last=summary.last,
        diagnosis=summary.diagnosis and _diagnosis(summary.diagnosis),
        overfitting=overfitting
        and OverfittingOutput(**overfitting._asdict(), sentence=overfitting.sentence),
        classes=list(summary.classes),
        confusion={
            split: ConfusionOutput(matrix=confusion.matrix.tolist(), accuracy=confusion.accuracy)
            for split, confusion in summary.confusion.items()
        },
        classification={
            split: classifications.output(own) for split, own in summary.classification.items()
        },
        tags=list(summary.notes.tags),
        notes=notes.note_outputs(summary.notes),
        problems=[str(problem) for problem in summary.problems],
    )


def _diagnosis(diagnosis: Diagnosis) -> DiagnosisOutput:
    derived = {"ratio": diagnosis.ratio, "sentence": diagnosis.sentence}
    return DiagnosisOutput(**diagnosis._asdict(), **derived)  # type: ignore[arg-type]
