"""Which classes are taken for which, as tables whose cells are shaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnexp.analysis.comparison import Comparison
from nnexp.analysis.metrics import Side
from nnexp.analysis.mistakes import MOST_CLASSES, Confusion, confusion
from nnexp.report.document import Section
from nnexp.report.markup import Markup, scrolled, swatch, tag
from nnexp.store import predictions

SHADES = (0.001, 0.005, 0.01, 0.02, 0.05)
"""Parts of a class's examples from which on a cell is a shade darker."""
CLASSES = 20
"""Of the largest matrix that is a table to be read."""


def mixed(compared: Comparison) -> Section:
    """Return how often which class is taken for which, over all runs of each experiment."""
    tables = [
        table
        for place, side in enumerate(compared.sides)
        if (table := _matrix(place, side)) is not None
    ]
    intro = tag(
        "p",
        "Rows are the true classes, columns what they are taken for, at the best epoch. "
        "The stronger its colour, the larger a cell’s part of its row.",
    )
    gallery = [intro, tag("div", *tables, class_="gallery")]
    return Section("confusion", "What is mixed up", gallery if tables else [])


def _matrix(place: int, side: Side) -> Markup | None:
    runs, record = side.experiment.runs, side.experiment.runs[0].record.data
    if record.classes > MOST_CLASSES:
        return None
    alike = [run for run in runs if run.record.data == record]
    read = [found for run in alike if (found := predictions.read(run))]
    split = "test" if record.test else "validation"
    counted = [confusion(found[split], record.classes) for found in read if split in found]
    if not counted:
        return None
    names = list(map(str, side.experiment.config.data.classes or range(record.classes)))
    whole = Confusion(np.sum([each.matrix for each in counted], axis=0))
    caption = f": {split} examples{_seeds(len(counted))}; {_summary(whole, names)}"
    label = tag("span", swatch(place, side.experiment.label), caption)
    if len(names) > CLASSES:
        return tag("p", label)
    head = [tag("th", "true", scope="col")]
    head += [tag("th", name, scope="col", class_="number") for name in names]
    body = [
        tag("tr", tag("th", name, scope="row"), *_shaded(whole.matrix[true].tolist(), true))
        for true, name in enumerate(names)
    ]
    table = tag(
        "table",
        tag("caption", label),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        class_="confusion",
    )
    return scrolled(table, f"{side.experiment.label}: what is taken for what")


def _seeds(runs: int) -> str:
    return f" of {runs} runs" if runs > 1 else ""


def _summary(whole: Confusion, names: Sequence[str]) -> str:
    right, examples = int(np.trace(whole.matrix)), int(whole.matrix.sum())
    said = f"{100 * right / max(1, examples):.2f} % are right"
    most = [
        f"{names[pair.true]} for {names[pair.predicted]} ({pair.examples})"
        for pair in whole.most_mixed(3)
    ]
    return f"{said}; most often taken: {', '.join(most)}" if most else said


def _shaded(row: Sequence[int], true: int) -> list[Markup]:
    examples = max(1, sum(row))
    cells = []
    for predicted, number in enumerate(row):
        shade = sum(number / examples >= least for least in SHADES)
        kind = "right" if predicted == true else f"wrong-{shade}" if number else "none"
        cells.append(tag("td", str(number), class_=kind))
    return cells
