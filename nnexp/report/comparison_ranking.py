"""A comparison of many experiments as a document: an experiment a row, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnexp.analysis.comparison import Comparison, Measure
from nnexp.analysis.experiment_rows import telling
from nnexp.config.messages import ranges
from nnexp.report import braille, comparisons, sequential_verdicts
from nnexp.report.comparisons import MARKS
from nnexp.report.curves import Clock, terminal
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.text import MISSING, setting

FEW = 4
"""Maximum number of experiments of which each has a column."""
WIDTH = 100
"""Width of the tables if stdout is no terminal."""
CUT = "…"
LONGEST = 24
"""Maximum characters of a setting."""
GAP = 2


class _Column(NamedTuple):
    """A column of the table, without which it can do."""

    name: str
    header: str
    cells: list[str]
    is_setting: bool

    @property
    def width(self) -> int:
        return max(map(len, (self.header, *self.cells)))


def suits(comparison: Comparison, top: int | None) -> bool:
    """Return whether experiments should have rows: if there are many, or the best are wanted."""
    return top is not None or len(comparison.sides) > FEW


def document(
    comparison: Comparison,
    top: int | None = None,
    width: int = WIDTH,
    clock: Clock | None = None,
    *,
    with_curves: bool = False,
) -> Document:
    """Return a table with a row for each experiment, best first, then runs, curves and notes.

    Args:
        comparison: of two experiments or more; the first is the baseline.
        top: show the best of them only, and the baseline; None for all.
        width: of the tables, into which settings and metrics are fitted; 0 for all of them.
        clock: of the curves' runs; None for curves against epochs.
        with_curves: include curves for a terminal.
    """
    rows = order(comparison)
    if top is not None:
        rows = sorted({*rows[:top], 0}, key=rows.index)
    histories = {
        comparison.sides[row].experiment.label: comparison.sides[row].histories for row in rows
    }
    shown = [comparison.sides[row].experiment.label for row in rows]
    verdicts = [
        *comparisons.without_verdict(comparison),
        *sequential_verdicts.sentences(comparison, shown),
    ]
    table, *below = _results(comparison, rows, width)
    return plain(
        table,
        *below,
        _runs(comparison, rows, width),
        *(braille.drawings(terminal(histories, clock)) if with_curves else []),
        Sentences(_legend(comparison, table, shown)),
        comparisons.apart(comparison),
        Sentences(comparison.notes, "note") if comparison.notes else None,
        Sentences(verdicts, "verdict") if verdicts else None,
        comparisons.advice(comparison, shown),
        sequential_verdicts.race(comparison, shown),
    )


def _legend(comparison: Comparison, table: Table, shown: Sequence[str]) -> list[str]:
    """Return what the signs mean that occur in the table; settings can only be missing."""
    cells = [cell for row in table.rows for cell in row[table.left :]]
    cells += [cell for row in table.rows for cell in row[1 : table.left] if cell == MISSING]
    verdicts = [verdict for letter, verdict in comparison.verdicts.items() if letter in shown]
    where = f'of "- {comparison.sides[0].experiment.label}"'
    signs = comparisons.signs(comparison, cells, comparisons.half_width(where, verdicts))
    return [*signs, *filter(None, [comparison.headline_method])]


def order(comparison: Comparison) -> list[int]:
    """Return the indices of the experiments, best first by the judged metric.

    Those with a run that diverged come after the others, and those without a value last.
    """
    measure = comparison.measures[comparison.judged]
    sign = -1 if measure.metric.unit.larger_is_better else 1

    def key(index: int) -> tuple[bool, bool, float]:
        mean = measure.samples[index].mean
        return mean is None, bool(comparison.sides[index].diverged), sign * (mean or 0.0)

    return sorted(range(len(comparison.sides)), key=key)


def _results(
    comparison: Comparison, rows: Sequence[int], width: int
) -> tuple[Table, *tuple[Sentences, ...]]:
    measure = comparison.measures[comparison.judged]
    letters = comparisons.letters(comparison)
    label = measure.metric.label.strip()
    unit = "%" if measure.metric.is_accuracy else measure.metric.unit.name
    fixed = [
        ["", *(letters[row] for row in rows)],
        [f"{label}, {unit}".removesuffix(", "), *(_cell(measure, row) for row in rows)],
        [f"- {letters[0]}", *(_difference(comparison, row) for row in rows)],
        ["", *(_mark(comparison, row) for row in rows)],
    ]
    columns = [*_settings(comparison, rows), *_metrics(comparison, rows)]
    kept = _fitting(columns, width - sum(max(map(len, c)) + GAP for c in fixed) + GAP, width)
    settings = [c for c in columns if c in kept and c.is_setting]
    metrics = [c for c in columns if c in kept and not c.is_setting]
    table = [
        fixed[0],
        *([c.header, *c.cells] for c in settings),
        *fixed[1:],
        *([c.header, *c.cells] for c in metrics),
    ]
    header, *lines = map(list, zip(*table, strict=True))
    results = Table(header, lines, left=1 + len(settings))
    lines_below = []
    if len(rows) < len(letters):
        lines_below.append(
            f"{len(rows)} of {len(letters)} experiments, with the baseline {letters[0]}"
        )
    if hidden := [column.name for column in columns if column not in kept]:
        lines_below.append(f"not shown: {', '.join(hidden)}; --csv, --json and --markdown have all")
    return (results, Sentences(lines_below)) if lines_below else (results,)


def _cell(measure: Measure, row: int) -> str:
    return comparisons.cell(measure.samples[row], measure.metric.unit)


def _difference(comparison: Comparison, row: int) -> str:
    verdict = comparison.verdicts.get(comparisons.letters(comparison)[row])
    return "" if row == 0 else MISSING if verdict is None else verdict.amount


def _mark(comparison: Comparison, row: int) -> str:
    verdict = comparison.verdicts.get(comparisons.letters(comparison)[row])
    return "baseline" if row == 0 else "" if verdict is None else MARKS[verdict.outcome]


def _settings(comparison: Comparison, rows: Sequence[int]) -> list[_Column]:
    """Return the settings that differ, those first that distinguish the most experiments."""
    cells = {
        key: [_cut(setting(values[row]), LONGEST) for row in rows]
        for key, values in comparison.config
    }
    return [
        _Column(key, key, cells[key], is_setting=True)
        for key in telling(list(cells), cells.__getitem__)
    ]


def _metrics(comparison: Comparison, rows: Sequence[int]) -> list[_Column]:
    return [
        _Column(
            key,
            measure.metric.label.strip(),
            [comparisons.cells_of(comparison, measure)[row] for row in rows],
            is_setting=False,
        )
        for key, measure in comparison.measures.items()
        if key != comparison.judged and comparisons.has_value(measure)
    ]


def _fitting(columns: Sequence[_Column], room: int, width: int) -> list[_Column]:
    """Return the columns that fit, each if there is room for it beside those before it."""
    if not width:
        return list(columns)
    kept = []
    for column in columns:
        if column.width + GAP <= room:
            kept.append(column)
            room -= column.width + GAP
    return kept


def _runs(comparison: Comparison, rows: Sequence[int], width: int) -> Table:
    """Return the experiments' names, seeds and statuses."""
    lines = []
    for row in rows:
        side = comparison.sides[row]
        status = comparisons.statuses(side)
        lines.append(
            [side.experiment.label, side.experiment.place, ranges(side.experiment.seeds), status]
        )
    others = sum(max(map(len, column)) + GAP for column in zip(*lines, strict=True)) - max(
        len(line[1]) for line in lines
    )
    for line in lines:
        line[1] = _cut(line[1], max(width - others, LONGEST)) if width else line[1]
    return Table(["", "run", "seeds", "status"], lines, left=4)


def _cut(text: str, width: int) -> str:
    """Shorten a text in its middle, since names differ at both ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}{CUT}{text[head + 1 - width :]}"
