"""A run's summary as text, no wider than a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from msgspec import UNSET

from nnexp.analysis.evaluation import On
from nnexp.analysis.mistakes import MOST_CLASSES, Confusion
from nnexp.analysis.summary import Summary
from nnexp.config.messages import shortened
from nnexp.errors import printable
from nnexp.report import braille, curves
from nnexp.report.text import as_json as json_line
from nnexp.report.text import percent, table
from nnexp.training.history import Row

WIDTH = 80
CELL = 24
"""Characters of a config's value."""
MIXED = 10
"""Pairs of classes that are listed where the whole matrix is too wide."""


def text(summary: Summary, on: On) -> str:
    """Return what there is to see of a run, the classes of one split."""
    head = f"{printable(str(summary.run.path))}  {summary.status}\n{_wrapped(summary.ending)}"
    blocks = [head, _config(summary), _metrics(summary)]
    blocks += braille.draw(curves.terminal({"": [summary.history]}))
    blocks.append(_findings(summary))
    if on in summary.confusion and summary.best is not None:
        told = f"{on} examples, epoch {summary.best.epoch}"
        blocks.append(_confusion(summary.confusion[on], summary.classes, told))
    elif summary.result is None:
        blocks.append("Which classes it mixes up is told when it is finished.")
    elif len(summary.classes) > MOST_CLASSES:
        blocks.append(f"Which classes it mixes up is told of up to {MOST_CLASSES} classes.")
    return "\n\n".join(block for block in [*blocks, _made(summary)] if block)


def _wrapped(text: str) -> str:
    whole = printable(text).replace(" %", "\N{NO-BREAK SPACE}%")
    return "\n".join(wrap(whole, WIDTH, subsequent_indent="  ")).replace("\N{NO-BREAK SPACE}", " ")


def _config(summary: Summary) -> str:
    if not summary.changed:
        return "Every key of the config has its default."
    rows = [[key, _value(own), _value(default)] for key, own, default in summary.changed]
    return table(("config", "here", "default"), rows)


def _value(value: Any) -> str:  # noqa: ANN401 - a config's value
    if value is None or value is UNSET:
        return "-"
    return shortened(printable(value if isinstance(value, str) else json_line(value)), CELL)


def _metrics(summary: Summary) -> str:
    best, last, result = summary.best, summary.last, summary.result
    if best is None or last is None:
        return ""
    columns = {f"best, epoch {best.epoch}": best}
    if last.epoch != best.epoch:
        columns[f"last, epoch {last.epoch}"] = last
    rows = [["learning rate", *(_number(row, "learning_rate") for row in columns.values())]]
    for split in ("train", "validation", "test"):
        for what in ("cost", "accuracy"):
            cells = [_number(row, f"{split}_{what}") for row in columns.values()]
            if split == "test" and result and result.test_accuracy is not None:
                cells[0] = _measured(getattr(result, f"test_{what}"), what)
            if set(cells) != {"-"}:
                rows.append([f"{split} {what}", *cells])
    return table(("result", *columns), rows)


def _number(row: Row, key: str) -> str:
    value = getattr(row, key)
    if key == "learning_rate" and isinstance(value, float):
        return f"{value:.4g}"
    return _measured(None if value is UNSET else value, key)


def _measured(value: float | None, what: str) -> str:
    if what.endswith("accuracy"):
        return percent(value)
    return "-" if value is None else f"{value:.4f}"


def _findings(summary: Summary) -> str:
    found = []
    if summary.diagnosis is not None:
        found.append(f"Training cost: {summary.diagnosis.sentence}.")
    if summary.overfitting is not None:
        found.append(f"O{summary.overfitting.sentence[1:]}.")
    return "\n".join(_wrapped(each) for each in found)


def _confusion(confusion: Confusion, classes: Sequence[int], told: str) -> str:
    """Return the matrix with each class's accuracy, or where it is too wide the worst of it."""
    matrix = _matrix(confusion, classes)
    if max(map(len, matrix.splitlines())) <= WIDTH:
        caption = f"True classes in rows, what they were taken for in columns ({told}):"
        return f"{_wrapped(caption)}\n\n{matrix}"
    rows = [
        [f"{classes[mixed.true]} → {classes[mixed.predicted]}", str(mixed.examples)]
        for mixed in confusion.most_mixed(MIXED)
    ]
    caption = f"The classes mixed up most often ({told}):"
    return f"{caption}\n\n{table(('true → taken for', 'examples'), rows)}"


def _matrix(confusion: Confusion, classes: Sequence[int]) -> str:
    """Return a row for each true class, a column for each that it is taken for."""
    names = [str(each) for each in classes]
    rows = [
        [name, *(str(count) if count else "." for count in row), percent(accuracy)]
        for name, row, accuracy in zip(
            names, confusion.matrix.tolist(), confusion.accuracy, strict=True
        )
    ]
    return table(("class", *names, "right"), rows)


def _made(summary: Summary) -> str:
    record = summary.run.record
    data, versions = record.data, record.versions
    sizes = {split: getattr(data, split) for split in ("train", "validation", "test")}
    counts = ", ".join(f"{count} {split}" for split, count in sizes.items() if count)
    name = summary.config.data.__struct_config__.tag
    source = f"Data: {name}, {counts} examples, {data.features} features, {data.classes} classes."
    made = (
        f"Made by nnexp {versions.nnexp}, Python {versions.python}, NumPy {versions.numpy}, "
        f"SciPy {versions.scipy}; arithmetic {record.numerics[:12]}."
    )
    return f"{_wrapped(source)}\n{_wrapped(made)}"
