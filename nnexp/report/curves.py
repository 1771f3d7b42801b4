"""The curves of runs as a picture: cost and accuracy against epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from nnexp.checks import printable
from nnexp.errors import UsageError
from nnexp.store import disk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnexp.training.history import Row

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
STYLES = {"train": ":", "validation": "-", "test": "--"}
FORMATS = (".png", ".svg", ".pdf")


def check_format(path: Path) -> None:
    """Refuse a file whose ending is not a format of pictures.

    Raises:
        UsageError: it is none.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: a picture's name ends in {', '.join(FORMATS)}")


def plot(path: Path, runs: Sequence[tuple[str, Sequence[Row]]]) -> None:
    """Draw runs' curves into a file, whose ending says the format.

    Args:
        path: where the picture goes.
        runs: each run's label and history; one colour a run, one line style a split.

    Raises:
        UsageError: the ending is not a format of pictures.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    costs, accuracies = figure.subplots(1, 2)
    for colour, (name, history) in zip(COLOURS, runs, strict=False):
        label = printable(name).replace("$", r"\$")  # between two $ stands a formula
        _draw(costs, history, "cost", 1.0, colour, label)
        _draw(accuracies, history, "accuracy", 100.0, colour, label)
    costs.set_ylabel("cost")
    accuracies.set_ylabel("accuracy in %")
    for axes in (costs, accuracies):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = costs.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    with disk.errors(path):
        figure.savefig(path, dpi=150)


def _draw(
    axes: Axes, history: Sequence[Row], kind: str, factor: float, colour: str, label: str
) -> None:
    for split, style in STYLES.items():
        values = [getattr(row, f"{split}_{kind}") for row in history]
        if values and values[0] is not UNSET:
            epochs = [row.epoch for row in history]
            scaled = [factor * value for value in values]
            marker = "." if len(epochs) == 1 else ""
            axes.plot(epochs, scaled, style, marker=marker, color=colour, label=f"{label}, {split}")
