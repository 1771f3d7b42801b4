"""Curves of runs in the terminal: training cost and validation accuracy against epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nnexp.analysis.averages import average
from nnexp.report import braille
from nnexp.report.document import Drawing
from nnexp.report.text import coloured, percent

if TYPE_CHECKING:
    from nnexp.training.history import Row

DRAWN = (("train_cost", "training cost"), ("validation_accuracy", "validation accuracy"))


def curves(histories: Mapping[str, Sequence[Sequence[Row]]]) -> list[Drawing]:
    """Return a drawing for each measure that every experiment has: means over its runs.

    Args:
        histories: the rows of each run, by the mark that stands at its curve's end.
    """
    drawn = []
    for key, title in DRAWN:
        found = {mark: average(each, key) for mark, each in histories.items()}
        lines = [braille.Curve(mark, each.epochs, each.mean) for mark, each in found.items()]
        if all(len(line.x) > 1 for line in lines):
            form = percent if key.endswith("accuracy") else _short
            text = braille.draw(title, lines, form=form, paint=coloured)
            drawn.append(Drawing("", title, lines=text))
    return drawn


def _short(value: float) -> str:
    return f"{value:.3g}"
