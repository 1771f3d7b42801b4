"""Curves of runs against epochs: cost and accuracy, means over seeds with their spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nnexp.analysis.averages import average
from nnexp.report.figure import GREY, Axis, Figure, Line, Panel, Style
from nnexp.training.history import Row

Histories = Sequence[Sequence[Row]]
"""The rows of each run of an experiment."""

STYLES: dict[str, Style] = {"train": ":", "validation": "-", "test": "--"}
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
EPOCHS = Axis("epoch", whole=True)
MEASURES = {"cost": Axis("cost"), "accuracy": Axis("accuracy", "%")}
TERMINAL = {
    "train_cost": Panel((), EPOCHS, MEASURES["cost"], "training cost"),
    "validation_accuracy": Panel((), EPOCHS, MEASURES["accuracy"], "validation accuracy"),
}


def panels(experiments: Mapping[str, Histories]) -> list[Panel]:
    """Return costs and accuracies: a colour for each experiment, a line style for each split.

    Args:
        experiments: the histories of its runs, by letter or name.
    """
    return [Panel(list(_lines(experiments, kind)), EPOCHS, axis) for kind, axis in MEASURES.items()]


def _lines(experiments: Mapping[str, Histories], kind: str) -> Iterator[Line]:
    for index, (name, histories) in enumerate(experiments.items()):
        for split, style in STYLES.items():
            line = _line(name, histories, f"{split}_{kind}", index)
            if line.x:
                yield line._replace(label=f"{name} {SPLITS[split]}", style=style)


def figure(experiments: Mapping[str, Histories]) -> Figure:
    """Return costs beside accuracies, with one legend for experiments and one for splits."""
    costs, accuracies = panels(experiments)
    styles = {mark.style for mark in costs.marks if isinstance(mark, Line)}
    splits = [Line(s, colour=GREY, style=style) for s, style in STYLES.items() if style in styles]
    return Figure(
        [costs._replace(legend=splits), accuracies],
        size=(5.0, 3.8),
        legend=[Line(name, colour=index) for index, name in enumerate(experiments)],
    )


def terminal(experiments: Mapping[str, Histories]) -> Figure:
    """Return training cost and validation accuracy, if every experiment has two epochs of them."""
    panels = []
    for key, panel in TERMINAL.items():
        lines = [_line(n, runs, key, index) for index, (n, runs) in enumerate(experiments.items())]
        if all(len(line.x) > 1 for line in lines):
            panels.append(panel._replace(marks=lines))
    return Figure(panels)


def _line(name: str, histories: Histories, key: str, index: int) -> Line:
    """Return the mean of a measure over an experiment's runs, with its letter at the end."""
    epochs, mean, sd = average(histories, key)
    return Line(name, epochs, mean, colour=index, spread=sd, end=name)
