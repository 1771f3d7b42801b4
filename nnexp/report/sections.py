"""What a report says, piece by piece: verdict, differences, results, notes, how to reproduce."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nnexp.analysis.comparison import Comparison
from nnexp.analysis.experiments import Experiment, seed
from nnexp.analysis.metrics import Side
from nnexp.config import dump
from nnexp.config.messages import ranges
from nnexp.report import comparisons
from nnexp.report.comparisons import MISSING, Table
from nnexp.report.markup import Markup, escape, join, lines, tag
from nnexp.store.records import RunRecord

HEADINGS = {"": "verdict", "run": "runs"}
"""What is written over columns that a terminal shows without a word."""

WORD = 14
"""Letters of a word that a narrow page has room for."""

NOTHING = "\N{EN DASH}"
FEW = 3
"""Verdicts that are told in large letters."""


class Section(NamedTuple):
    """A part of the page; one without content is left out."""

    name: str
    """Its place in addresses."""
    heading: str
    content: Sequence[Markup]


def swatch(side: int, label: str) -> Markup:
    """Return an experiment's letter beside its colour."""
    return join(tag("span", class_=f"swatch e{side}", aria_hidden="true"), tag("b", label))


def grid(table: Table, caption: str, *, keyed: bool = False, left: int = 1) -> Markup:
    """Return a table; one too wide for a page is scrolled by itself, a shadow where it goes on.

    Args:
        table: what it holds; the first column names the rows.
        caption: what it is.
        keyed: the rows are experiments, which have colours.
        left: columns whose cells are words.
    """
    head = [
        tag("th", _broken(HEADINGS.get(cell, cell)), scope="col", class_=_align(place, left))
        for place, cell in enumerate(table.header)
    ]
    body = [
        tag("tr", _row_head(row[0], place if keyed else None), *_cells(row, left))
        for place, row in enumerate(table.rows)
    ]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    return scrolled(whole, caption)


def scrolled(content: Markup, name: str) -> Markup:
    """Return content in a box that scrolls, by the keyboard too."""
    return tag("div", content, class_="wide", role="region", aria_label=name, tabindex="0")


def _row_head(cell: str, place: int | None) -> Markup:
    indented = "indented" if cell.startswith(" ") else None
    content = cell.strip() if place is None else swatch(place, cell)
    return tag("th", content, scope="row", class_=indented)


def _cells(row: Sequence[str], left: int) -> Iterable[Markup]:
    for place, cell in enumerate(row[1:], 1):
        yield tag(
            "td", NOTHING if cell == MISSING else _typeset(cell), class_=_align(place, left, cell)
        )


def _typeset(cell: str) -> Markup:
    """Return a cell with a minus where a terminal has a hyphen, and ± by its number."""
    if cell[:1] == "-" and cell[1:2].isdigit():
        cell = f"−{cell[1:]}"
    elif cell.endswith(" -"):
        cell = f"{cell[:-1]}−"
    return Markup(escape(cell.replace(" - ", " − ")).replace("± ", "±&nbsp;"))


def _broken(heading: str) -> Markup:
    """Return a column's heading, which on a narrow page is broken between a key's words."""
    return Markup(_typeset(heading).replace("_", "_<wbr>"))


def _align(place: int, left: int, cell: str = "") -> str | None:
    """Return how a cell is set: numbers to the right, a long word broken, few letters not."""
    if place >= left:
        return "number"
    if max(map(len, cell.split()), default=0) > WORD:
        return "long"
    return "short" if 0 < len(cell) <= WORD else None


def verdict(compared: Comparison) -> Section:
    """Return the answer, what stands beside what, and what must be known before it is believed."""
    if len(compared.sides) == 1:
        content = [tag("p", _only(compared), class_="verdict")]
    else:
        told = comparisons.verdicts(compared)
        kind = "verdict" if len(told) <= FEW else "verdict one-of-many"
        content = [tag("p", each, class_=kind) for each in told]
    named = comparisons.sides(compared)
    named.header[0] = "experiment"
    content.append(grid(named, "The runs", keyed=True, left=4))
    if compared.notes:
        content.append(tag("h3", "Notes"))
        content.append(tag("ul", *(tag("li", note) for note in compared.notes)))
    if len(compared.sides) > 1 and (commands := comparisons.advice(compared)):
        content.append(tag("h3", "To know, train more seeds"))
        content.append(shell(commands))
    return Section("verdict", "Verdict" if len(compared.sides) > 1 else "Result", content)


def _only(compared: Comparison) -> str:
    measure = compared.measures[compared.judged]
    (sample,) = measure.samples
    unit, label = measure.metric.unit, measure.metric.label.strip()
    shown = comparisons.cell(sample, unit)
    if shown == MISSING:
        return f"{label}: none yet"
    seeds = len(sample.values)
    name = "%" if unit.name == "points" else unit.name
    return f"{label}: {f'{shown} {name}'.rstrip()} ({seeds} seed{'' if seeds == 1 else 's'})"


def config(compared: Comparison) -> Section:
    """Return the keys that differ."""
    if len(compared.sides) == 1:
        return Section("config", "", [])
    content = (
        grid(
            comparisons.config(compared),
            "Keys of the config that differ; all others are equal",
            left=len(compared.sides) + 1,
        )
        if compared.config
        else tag("p", "The configs are the same.")
    )
    return Section("config", "What differs", [content])


def results(compared: Comparison) -> Section:
    """Return the metrics, and how to read them."""
    table = comparisons.results(compared)
    table.header[0] = "metric"
    caption = "Accuracies in %; means ± standard deviation over seeds"
    several = len(compared.sides)
    if several == 2:  # noqa: PLR2004 - the difference of two has a column
        caption += "; B − A with its 95 % interval; ~ is inside the noise, = identical"
    elif several > 1:
        caption += "; + is better than A, − worse, ~ inside the noise, = identical"
    return Section("results", "Metrics", [grid(table, caption)])


def reproduction(compared: Comparison) -> Section:
    """Return all that another needs to train the same again, to the last byte."""
    content = [
        tag(
            "p",
            "Save a config under the name in its command, and run the command with the version of "
            "nnexp below. The same data and arithmetic give the same bytes.",
        )
    ]
    for place, side in enumerate(compared.sides):
        experiment = side.experiment
        content.append(tag("h3", swatch(place, experiment.label), " ", experiment.place))
        content.append(shell(commands(experiment)))
        text = lines(dump.to_yaml(experiment.config).rstrip("\n"))
        content.append(
            tag(
                "details",
                tag("summary", f"{experiment.label}.yaml"),
                scrolled(tag("pre", text), f"{experiment.label}.yaml"),
            )
        )
    content.append(
        grid(
            _origins(compared.sides),
            "Versions, the fingerprint of the arithmetic, sha256 of the data",
            left=3,
        )
    )
    return Section("reproduce", "How to reproduce", content)


def shell(commands: Iterable[str]) -> Markup:
    """Return commands for a terminal, a line each."""
    return scrolled(tag("pre", Markup("\n".join(map(escape, commands)))), "commands")


def commands(experiment: Experiment) -> list[str]:
    """Return what trains an experiment's runs from its config, under the names that they have."""
    file, runs, (stem, *others) = f"{experiment.label}.yaml", experiment.runs, experiment.stems
    if len(runs) > 1 and not others and all(run.name != stem for run in runs):
        return [_train(file, stem, "--seeds", ranges(experiment.seeds))]
    return [_train(file, run.name, "--set", f"seed={seed(run)}") for run in runs]


def _train(file: str, name: str, *seeds: str) -> str:
    return shlex.join(["nnexp", "train", file, "--name", name, *seeds])


def _origins(sides: Sequence[Side]) -> Table:
    """Return what the runs were computed by and from; a row for each thing that there was."""
    found: dict[tuple[str, str], list[str]] = {}
    for side in sides:
        for run in side.experiment.runs:
            for origin in _origin(run.record).items():
                found.setdefault(origin, []).append(side.experiment.label)
    rows = [[what, ", ".join(dict.fromkeys(of)), which] for (what, which), of in found.items()]
    return Table(["what", "of", "which"], rows)


def _origin(record: RunRecord) -> dict[str, str]:
    versions, data = record.versions, record.data.sha256
    return {
        "nnexp": versions.nnexp,
        "Python": versions.python,
        "NumPy": versions.numpy,
        "SciPy": versions.scipy,
        "arithmetic": record.numerics,
        **{f"data: {name}": data[name] for name in sorted(data)},
    }
