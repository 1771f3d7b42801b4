"""Curves of runs: cost and accuracy against epochs, seconds or evaluations, means with spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from nnexp.analysis.averages import average
from nnexp.report.figure import GREY, Axis, Figure, Line, Panel, Style
from nnexp.training.history import Row

Histories = Sequence[Sequence[Row]]
"""The rows of each run of an experiment."""


class Clock(NamedTuple):
    """What epochs cost, for curves against the cost."""

    unit: Literal["seconds", "evaluations"]
    runs: Mapping[str, Sequence[Mapping[int, float]]]
    """The cost of training up to each epoch, by run, for each experiment."""


STYLES: dict[str, Style] = {"train": ":", "validation": "-", "test": "--"}
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
EPOCHS = Axis("epoch", whole=True)
COSTS = {"seconds": Axis("seconds of training"), "evaluations": Axis("evaluations", whole=True)}
MEASURES = {"cost": Axis("cost"), "accuracy": Axis("accuracy", "%")}
TERMINAL = {
    "train_cost": Panel((), EPOCHS, MEASURES["cost"], "training cost"),
    "validation_accuracy": Panel((), EPOCHS, MEASURES["accuracy"], "validation accuracy"),
}


def panels(experiments: Mapping[str, Histories], clock: Clock | None = None) -> list[Panel]:
    """Return costs and accuracies: a colour for each experiment, a line style for each split.

    Args:
        experiments: the histories of its runs, by letter or name.
        clock: by the same letters or names; None for curves against epochs.
    """
    x = EPOCHS if clock is None else COSTS[clock.unit]
    return [Panel(list(_lines(experiments, kind, clock)), x, y) for kind, y in MEASURES.items()]


def _lines(experiments: Mapping[str, Histories], kind: str, clock: Clock | None) -> Iterator[Line]:
    for index, (name, histories) in enumerate(experiments.items()):
        for split, style in STYLES.items():
            line = _line(name, histories, f"{split}_{kind}", index, clock)
            if line.x:
                yield line._replace(label=f"{name} {SPLITS[split]}", style=style)


def figure(experiments: Mapping[str, Histories], clock: Clock | None = None) -> Figure:
    """Return costs beside accuracies, with one legend for experiments and one for splits."""
    costs, accuracies = panels(experiments, clock)
    styles = {mark.style for mark in costs.marks if isinstance(mark, Line)}
    splits = [Line(s, colour=GREY, style=style) for s, style in STYLES.items() if style in styles]
    return Figure(
        [costs._replace(legend=splits), accuracies],
        size=(5.0, 3.8),
        legend=[Line(name, colour=index) for index, name in enumerate(experiments)],
    )


def terminal(experiments: Mapping[str, Histories], clock: Clock | None = None) -> Figure:
    """Return training cost and validation accuracy, if every experiment has two epochs of them."""
    panels = []
    for key, panel in TERMINAL.items():
        lines = [
            _line(name, runs, key, index, clock)
            for index, (name, runs) in enumerate(experiments.items())
        ]
        if all(len(line.x) > 1 for line in lines):
            x = EPOCHS if clock is None else COSTS[clock.unit]
            panels.append(panel._replace(marks=lines, x=x))
    return Figure(panels)


def _line(name: str, histories: Histories, key: str, index: int, clock: Clock | None) -> Line:
    """Return the mean of a measure over an experiment's runs, with its letter at the end.

    Against seconds or evaluations, each epoch stands at the mean of what the runs had spent.
    """
    epochs, mean, sd = average(histories, key)
    x: Sequence[float] = epochs
    if clock is not None:
        x = [fmean(run[epoch] for run in clock.runs[name]) for epoch in epochs]
    return Line(name, x, mean, colour=index, spread=sd, end=name)
