"""Figures of studies: accuracy against the keys of a sweep or search; a race's differences."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nnexp.config import dump
from nnexp.errors import UsageError, printable
from nnexp.report.figure import (
    GREY,
    Axis,
    Cell,
    Cells,
    Figure,
    Line,
    Mark,
    Panel,
    Points,
    Shades,
    Sign,
)
from nnexp.report.text import plus_minus
from nnexp.seeds import Spread
from nnexp.study.plan import Plan
from nnexp.study.race import RaceResult
from nnexp.study.ranges import RANGES
from nnexp.study.ranking import Ranking
from nnexp.study.search import SearchResult
from nnexp.study.space import Dimension
from nnexp.study.trials import TrialResult

FULL = 0.5
"""Minimum share of filled cells for a heat map; below it, points are drawn."""

SOME = "diverged with some of its seeds"
HATCHES = {"diverged": "xxx", "no result": "//", "not in the sweep": "."}
"""Hatches of cells without a number, by reason."""

SIGNS: dict[str, Sign] = {"diverged": "x", "no result": "+"}
"""Marker shapes of points without a number, drawn at the bottom of a panel, by reason."""

DECADES = 30.0
"""Ratio of the largest to the smallest positive number from which on an axis is logarithmic."""

LARGEST = 1e30
"""Largest number on a numeric axis; squares of much larger ones overflow in its layout."""

LABEL = 32
"""Characters of a value on an axis."""

ACROSS = 3
"""Maximum panels of a search in a row."""

MARGIN = 0.03
"""Margin on both sides of an axis, as a fraction of the range."""

WIDE, LEAST, LINES = 36, 10, 3
"""Characters below a panel; minimum characters per line of a label, and maximum lines."""

KEPT = "\N{NO-BREAK SPACE}"

TRIAL, BEST, GIVEN, FAULT = 0, 1, 2, 6
"""The colours of a search's trials, its best one, the config as given, and failed trials."""


class SweepPoint(NamedTuple):
    """An experiment of a sweep: its values of the drawn keys, and its accuracy."""

    values: tuple[Any, ...]
    accuracy: Spread | None
    diverged: int

    @property
    def lack(self) -> str | None:
        """The reason why there is no accuracy, or None if there is one."""
        return None if self.accuracy else "diverged" if self.diverged else "no result"


def sweep(plan: Plan, ranking: Ranking) -> Figure:
    """Return accuracy against one or two swept keys.

    One key is a line with a standard deviation to both sides; two are a heat map, or points
    where values were drawn at random. Of further keys the best value counts. Diverged
    experiments, with some seeds or all of them, and those without a result are marked.

    Raises:
        UsageError: no key has two values.
    """
    keys, points = _drawn(plan, ranking)
    accuracy = Axis(f"{ranking.split} accuracy", "%")
    title = f"{accuracy.label}, {plan.definition.stem}"
    if (seeds := max(point.accuracy.count for point in points if point.accuracy)) > 1:
        title += f": mean ± standard deviation of {seeds} seeds"
    if len(keys) == 1:
        panel = _sweep_line(keys[0], points, accuracy)
    else:
        panel = _sweep_plane(keys, points, accuracy)
        if others := [key for key in plan.keys if key not in keys]:
            title += f"\nthe best over {', '.join(others)}"
    return Figure([panel], title=title, size=(7.2, 4.4), legend_columns=4)


def _drawn(plan: Plan, ranking: Ranking) -> tuple[list[str], list[SweepPoint]]:
    """Return the one or two keys to draw, and the best point at each of their values.

    Raises: UsageError where no key has two values.
    """
    points = [SweepPoint(s.values, s.accuracy, s.diverged) for s in ranking.standings]
    varied = [
        index
        for index in range(len(plan.keys))
        if len({dump.inline(point.values[index]) for point in points}) > 1
    ][:2]
    if not varied:
        raise UsageError("--plot: draws accuracy against swept keys, and none has two values here")
    best: dict[tuple[str, ...], SweepPoint] = {}
    for point in points:  # the best first
        values = tuple(point.values[index] for index in varied)
        best.setdefault(tuple(map(dump.inline, values)), point._replace(values=values))
    return [plan.keys[index] for index in varied], list(best.values())


def _sweep_line(key: str, points: Sequence[SweepPoint], accuracy: Axis) -> Panel:
    values = ordered([point.values[0] for point in points])
    at = positions(values)
    reached = sorted((at[dump.inline(p.values[0])], p.accuracy) for p in points if p.accuracy)
    marks: list[Mark] = [
        Points(
            "",
            [x for x, _ in reached],
            [spread.mean for _, spread in reached],
            [spread.sd or 0.0 for _, spread in reached],
            joined=is_numeric(values),
            size=6,
        )
    ]
    if some := [p for p in points if p.accuracy and p.diverged]:
        x = [at[dump.inline(p.values[0])] for p in some]
        y = [p.accuracy.mean for p in some if p.accuracy]
        marks.append(Points(SOME, x, y, colour=1, size=10, filled=False))
    for lack, sign in SIGNS.items():
        if x := [at[dump.inline(p.values[0])] for p in points if p.lack == lack]:
            marks.append(Points(lack, x, colour=1, sign=sign, size=9))
    return Panel(marks, axis(key, values), accuracy)


def _sweep_plane(keys: Sequence[str], points: Sequence[SweepPoint], accuracy: Axis) -> Panel:
    columns, rows = (ordered([point.values[index] for point in points]) for index in (0, 1))
    if len(points) < FULL * len(columns) * len(rows):
        x, y = axis(keys[0], columns), axis(keys[1], rows)
        return Panel(_scattered(points, columns, rows, accuracy), x, y)
    cells = _heat_map(points, columns, rows, accuracy)
    return Panel([cells], Axis(keys[0], names=_names(columns)), Axis(keys[1], names=_names(rows)))


def _scattered(
    points: Sequence[SweepPoint], columns: Sequence[Any], rows: Sequence[Any], accuracy: Axis
) -> list[Mark]:
    across, down = positions(columns), positions(rows)

    def at(some: Sequence[SweepPoint]) -> tuple[list[float], list[float]]:
        names = [[dump.inline(value) for value in point.values] for point in some]
        return [across[x] for x, _ in names], [down[y] for _, y in names]

    reached = [point for point in points if point.accuracy]
    values = [point.accuracy.mean for point in reached if point.accuracy]
    marks: list[Mark] = [Shades(*at(reached), values, accuracy)]
    if some := [point for point in reached if point.diverged]:
        marks.append(Points(SOME, *at(some), colour=1, size=10, filled=False))
    for lack, sign in SIGNS.items():
        if without := [point for point in points if point.lack == lack]:
            marks.append(Points(lack, *at(without), colour=1, sign=sign, size=6))
    return marks


def _heat_map(
    points: Sequence[SweepPoint], columns: Sequence[Any], rows: Sequence[Any], accuracy: Axis
) -> Cells:
    across, down = ([dump.inline(value) for value in values] for values in (columns, rows))
    cells = [[Cell(None, kind="not in the sweep") for _ in across] for _ in down]
    for point in points:
        x, y = map(dump.inline, point.values)
        cells[down.index(y)][across.index(x)] = _cell(point)
    return Cells(cells, accuracy, HATCHES)


def _cell(point: SweepPoint) -> Cell:
    spread = point.accuracy
    if spread is None:
        return Cell(None, kind=str(point.lack))
    sd = None if spread.sd is None else f"{100 * spread.sd:.2f}"
    text = plus_minus(f"{100 * spread.mean:.2f}", sd).replace(" ", "\n", 1)
    return Cell(spread.mean, text, SOME if point.diverged else "")


def axis(key: str, values: Sequence[Any]) -> Axis:
    """Return the axis of a swept key: numeric for numbers, categorical otherwise."""
    if not is_numeric(values):
        return Axis(key, names=_names(values))
    positive = [value for value in values if value > 0]
    if not positive or min(values) < 0 or max(positive) < DECADES * min(positive):
        return Axis(key)
    if min(values) > 0:
        return Axis(key, scale="log")
    return Axis(key, scale="symlog", linear_up_to=min(positive))  # a logarithmic axis has no 0


def positions(values: Sequence[Any]) -> dict[str, float]:
    """Return the positions of values on their axis, by their text."""
    numbers = map(float, values if is_numeric(values) else range(len(values)))
    return dict(zip(map(dump.inline, values), numbers, strict=True))


def is_numeric(values: Sequence[Any]) -> bool:
    """Return whether all values are numbers within the limit of an axis."""
    return all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= LARGEST for v in values
    )


def ordered(values: Sequence[Any]) -> list[Any]:
    """Return the distinct values in ascending order, or in that of their text."""
    different = list({dump.inline(value): value for value in values}.values())
    return sorted(different, key=None if is_numeric(different) else dump.inline)


def _names(values: Sequence[Any]) -> list[str]:
    texts = [printable(dump.inline(value)) for value in values]
    return [text if len(text) <= LABEL else f"{text[: LABEL - 1]}…" for text in texts]


def search(result: SearchResult) -> Figure:
    """Return one panel per searched key with one point per trial; the best one is marked.

    Trials that halving left behind are hollow, at the accuracy where they stopped. Bars are a
    standard deviation over seeds; diverged and failed trials are crosses at the foot.
    """
    dimensions = result.definition.space.columns
    across = min(ACROSS, len(dimensions))
    panels = [
        _search_panel(result, index, dimension, is_left=index % across == 0)
        for index, dimension in enumerate(dimensions)
    ]
    size = (max(6.0 / across, 3.6), 3.4)
    return Figure(panels, size=size, across=across, shares_y=True, legend_columns=6)


def _search_panel(
    result: SearchResult, index: int, dimension: Dimension, *, is_left: bool
) -> Panel:
    key, names = _search_axis(dimension), []
    if dimension.is_choice:
        names = list(dict.fromkeys(map(dump.inline, dimension.bounds)))

    def at(trials: Sequence[TrialResult]) -> list[float]:
        values = [trial.trial.values[index] for trial in trials]
        return [names.index(dump.inline(v)) if names else float(v) for v in values]

    best = result.best
    scored = [trial for trial in result.results if trial.score is not None and trial is not best]
    whole = [trial for trial in scored if trial.is_complete]
    stopped = [trial for trial in scored if not trial.is_complete]
    unscored = [trial for trial in result.results if trial.score is None]
    diverged = [trial for trial in unscored if trial.failure is None]
    failed = [trial for trial in unscored if trial.failure is not None]
    marks: list[Mark] = []
    if whole:
        marks.append(Points("trial", at(whole), *_scores(whole), TRIAL))
    if stopped:
        marks.append(Points("left behind", at(stopped), *_scores(stopped), TRIAL, filled=False))
    if best is not None:
        marks.append(Points("best", at([best]), *_scores([best]), BEST, "D", size=7))
    if diverged:
        marks.append(Points("diverged", at(diverged), colour=FAULT, sign="x", size=6))
    if failed:
        marks.append(Points("failed", at(failed), colour=FAULT, sign="+", size=6))
    if result.baseline is not None and result.baseline.score is not None and key.limits:
        level = [result.baseline.score] * 2
        marks.append(Line("as given", key.limits, level, GIVEN, "--"))
    return Panel(marks, key, Axis("validation accuracy", "%") if is_left else Axis("", "%"))


def _scores(trials: Sequence[TrialResult]) -> tuple[list[float], list[float]]:
    """Return the trials' accuracies and their standard deviations over seeds."""
    means = [trial.score or 0.0 for trial in trials]
    return means, [trial.validation.sd or 0.0 for trial in trials]


def _search_axis(dimension: Dimension) -> Axis:
    if dimension.is_choice:
        bounds = {dump.inline(value): value for value in dimension.bounds}
        width = max(LEAST, WIDE // len(bounds))
        names = [label(value, width) for value in bounds.values()]
        return Axis(dimension.key, names=names, limits=(-0.5, len(names) - 0.5))
    low, high = dimension.bounds
    if RANGES[dimension.kind].is_log:
        low, high = low * (low / high) ** MARGIN, high * (high / low) ** MARGIN
        return Axis(dimension.key, scale="log", limits=(low, high))
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    return Axis(dimension.key, limits=(low, high))


def label(value: Any, width: int) -> str:  # noqa: ANN401 - any value of a config
    """Return the label of a value in short lines: a component's name, then its settings."""
    text = printable(dump.inline(value))
    if isinstance(value, dict):
        shown = {printable(key): printable(dump.inline(part)) for key, part in value.items()}
        name = [shown.pop("name")] if "name" in shown else []
        settings = [f"{key}{KEPT}{setting}" for key, setting in shown.items()]
        text = ", ".join([*name, *settings])
    lines = textwrap.wrap(text, width, max_lines=LINES, placeholder=" …", break_on_hyphens=False)
    return "\n".join(lines).replace(KEPT, " ")


def race(result: RaceResult) -> Figure:
    """Return one panel per config: its difference from the first one, after each seed.

    Bars are the confidence sequence; it has no bounds as long as no data could decide. Between the
    dotted lines are the differences that do not matter.
    """
    panels = [_race_panel(result, letter) for letter in result.verdicts]
    across = min(ACROSS, len(panels))
    title = f"{result.definition.measure.label.strip()}: mean difference from "
    title += f"{result.baseline.letter} and its confidence sequence"
    size = (max(6.0 / across, 3.6), 3.6)
    return Figure(panels, title, size, across, legend_columns=2 if across == 1 else 4)


def _race_panel(result: RaceResult, letter: str) -> Panel:
    verdict, factor = result.verdicts[letter], result.unit.factor
    ends = (0.5, max(2, result.seeds) + 0.5)
    marks: list[Mark] = [Line("no difference", ends, (0.0, 0.0), GREY)]
    effect = result.definition.smallest_effect
    if effect:
        for side, label in ((effect, "smallest effect"), (-effect, "")):
            marks.append(Line(label, ends, (factor * side,) * 2, GREY, ":"))
    looks = [(look, look.half_width(verdict.level)) for look in verdict.looks]
    for label, shown in (
        ("no bounds yet", [(look, 0.0) for look, half in looks if math.isinf(half)]),
        ("confidence sequence", [(look, half) for look, half in looks if math.isfinite(half)]),
    ):
        if shown:
            x = [float(look.seeds) for look, _ in shown]
            y = [factor * look.difference for look, _ in shown]
            bars = [factor * half for _, half in shown]
            marks.append(Points(label, x, y, bars, TRIAL, filled=any(bars)))
    name = Path(next(e.place for e in result.definition.entrants if e.letter == letter)).name
    decision = "no verdict" if result.stop_of(letter) else verdict.decision
    title = f"{letter} ({name})\n{decision}"
    title += f" after {looks[-1][0].seeds} seeds" if looks else ""
    y_axis = Axis(f"{letter} - {result.baseline.letter}", result.unit.name)
    x_axis = Axis("seeds", whole=True, limits=ends)
    return Panel(marks, x_axis, y_axis, title)
