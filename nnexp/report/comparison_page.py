"""The page of ``nnexp report``: verdicts, config differences, metrics, pictures, commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from nnexp.analysis.comparison import Comparison
from nnexp.analysis.confusion import MOST_CLASSES, Confusion, classify, confusion
from nnexp.analysis.experiments import Experiment, seed
from nnexp.analysis.metrics import Side
from nnexp.config import dump
from nnexp.config.messages import ranges
from nnexp.errors import printable
from nnexp.report import (
    classifications,
    comparisons,
    drawing_pad,
    page_pictures,
    sequential_verdicts,
)
from nnexp.report.document import Block, Document, Section, Sentences, Table
from nnexp.report.markup import Markup, lines, scrolled, shell, swatch, tag
from nnexp.report.page import page
from nnexp.report.text import MISSING
from nnexp.runner import backends
from nnexp.store import predictions
from nnexp.store.predictions import Predictions
from nnexp.store.records import RunRecord

NAMED = 3
"""Maximum number of experiments named in a heading."""


def report(compared: Comparison) -> str:
    """Return a report of one experiment or several as HTML: the same bytes for the same runs.

    Raises:
        CorruptError: a run is damaged.
    """
    runs = sum(len(side.facts) for side in compared.sides)
    made = f"Made by nnexp report of {runs} run{'' if runs == 1 else 's'}"
    document = Document(_title(compared), [build(compared) for build in SECTIONS])
    footer = f"{made}; this page works offline."
    has_pad = any(section.name == drawing_pad.NAME for section in document.nonempty_sections)
    scripts = ["page.js", *(["pad.js"] if has_pad else [])]
    return page(document, "nnexp report", footer, len(compared.sides), scripts)


def _title(compared: Comparison) -> str:
    names = [Path(side.experiment.place).name for side in compared.sides]
    if len(names) > NAMED:
        return f"{len(names)} experiments"
    return " against ".join(reversed(names)) if len(names) < NAMED else ", ".join(names)


def verdict(compared: Comparison) -> Section:
    """Return the verdicts, the runs and the notes."""
    several = len(compared.sides) > 1
    looked = sequential_verdicts.sentences(compared)
    sentences = [*comparisons.verdicts(compared), *looked] if several else [_only(compared)]
    blocks: list[Block] = [Sentences(sentences, "verdict"), _runs(compared)]
    if compared.notes:
        blocks.append(Sentences(compared.notes, "note"))
    if several and (advice := comparisons.advice(compared)):
        blocks.append(advice)
    if several and (race := sequential_verdicts.race(compared)):
        blocks.append(race)
    return Section("verdict", "Verdict" if several else "Result", blocks)


def _runs(compared: Comparison) -> Table:
    table = comparisons.sides(compared)
    header = ["experiment", *table.header[1:]]
    return table._replace(header=header, caption="The runs", is_keyed=True)


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
    """Return the config keys that differ."""
    if len(compared.sides) == 1:
        return Section("config", "", [])
    block = comparisons.config(compared)
    if isinstance(block, Table):
        caption = "Keys of the config that differ; all others are equal"
        block = block._replace(caption=caption, left=len(compared.sides) + 1)
    return Section("config", "What differs", [block])


def results(compared: Comparison) -> Section:
    """Return the metrics, with an explanation in the caption."""
    table = comparisons.results(compared)
    signs = comparisons.legend(compared) if len(compared.sides) > 1 else [SPREAD]
    caption = "; ".join(["Accuracies in %", *signs])
    table = table._replace(header=["metric", *table.header[1:]], caption=caption)
    apart = comparisons.apart(compared)
    shown = [] if apart is None else [apart._replace(caption="Runs that are shown apart")]
    return Section("results", "Metrics", [table, *shown])


SPREAD = "±: standard deviation over seeds"


def reproduction(compared: Comparison) -> Section:
    """Return the commands, configs and versions that reproduce the runs to the last byte."""
    blocks: list[Block] = [
        tag(
            "p",
            "Save each config under the name in its command, and run the command with the version "
            "of nnexp below. The same data and arithmetic give the same bytes.",
        )
    ]
    for index, side in enumerate(compared.sides):
        experiment = side.experiment
        blocks.append(tag("h3", swatch(index, experiment.label), " ", experiment.place))
        blocks.append(shell(commands(experiment)))
        text = lines(dump.to_yaml(experiment.config).rstrip("\n"))
        blocks.append(
            tag(
                "details",
                tag("summary", f"{experiment.label}.yaml"),
                scrolled(tag("pre", text), f"{experiment.label}.yaml"),
            )
        )
    blocks.append(_origins(compared.sides))
    return Section("reproduce", "How to reproduce", blocks)


def commands(experiment: Experiment) -> list[str]:
    """Return commands that train an experiment's runs from its config, under the same names."""
    file, runs, (stem, *others) = f"{experiment.label}.yaml", experiment.runs, experiment.stems
    if len(runs) > 1 and not others and all(run.name != stem for run in runs):
        options = ["--seeds", ranges(experiment.seeds), *backends.option(runs[0])]
        return [_train(file, stem, *options)]
    return [
        _train(file, run.name, "--set", f"seed={seed(run)}", *backends.option(run)) for run in runs
    ]


def _train(file: str, name: str, *options: str) -> str:
    return shlex.join(["nnexp", "train", file, "--name", name, *options])


def _origins(sides: Sequence[Side]) -> Table:
    """Return a table of the software and data that the runs were made with."""
    labels: dict[tuple[str, str], list[str]] = {}
    for side in sides:
        for run in side.experiment.runs:
            for origin in _origin(run.record).items():
                labels.setdefault(origin, []).append(side.experiment.label)
    rows = [
        [name, ", ".join(dict.fromkeys(experiments)), value]
        for (name, value), experiments in labels.items()
    ]
    caption = "Versions, the fingerprint of the arithmetic, sha256 of the data"
    return Table(["origin", "experiments", "value"], rows, left=3, caption=caption)


def _origin(record: RunRecord) -> dict[str, str]:
    versions, data = record.versions, record.data.sha256
    return {
        "nnexp": versions.nnexp,
        "Python": versions.python,
        "NumPy": versions.numpy,
        "SciPy": versions.scipy,
        "backend": record.backend,
        "arithmetic": record.numerics,
        **{f"data: {name}": data[name] for name in sorted(data)},
    }


SHADES = (0.001, 0.005, 0.01, 0.02, 0.05)
"""Fractions of a class's examples at which a cell becomes one shade darker."""
CLASSES = 20
"""Maximum number of classes for which the matrix is shown as a table."""


class PooledPredictions(NamedTuple):
    """The predictions of all runs of an experiment on one split."""

    examples: str
    """A description of the examples."""
    predictions: Predictions
    names: list[str]
    """Of the classes."""


def confusion_section(compared: Comparison) -> Section:
    """Return confusion matrices, and precision, recall and F1 by class, over all runs of each."""
    matrices, tables = [], []
    for index, side in enumerate(compared.sides):
        pooled = _pooled(side)
        if pooled is None:
            continue
        if len(pooled.names) <= MOST_CLASSES:
            matrices.append(_matrix(index, side.experiment.label, pooled))
        counts = classify(pooled.predictions, len(pooled.names))
        examples = f"{side.experiment.label}: {pooled.examples}"
        tables.append(classifications.table(counts, pooled.names, examples))
    intro = tag(
        "p",
        "Rows are the true classes, columns the predicted ones, at the best epoch. "
        "The darker a cell, the larger its share of the row.",
    )
    gallery = [intro, tag("div", *matrices, class_="gallery")] if matrices else []
    return Section("confusion", "Confusion matrices", [*gallery, *tables])


def _pooled(side: Side) -> PooledPredictions | None:
    """Return an experiment's predictions for test examples, or else for validation examples."""
    runs, record = side.experiment.runs, side.experiment.runs[0].record.data
    alike = [run for run in runs if run.record.data == record]
    split = "test" if record.test else "validation"
    parts = [by_split[split] for run in alike if split in (by_split := predictions.read(run))]
    if not parts:
        return None
    whole = Predictions(*map(np.concatenate, zip(*parts, strict=True)))
    names = [printable(str(label)) for label in runs[0].classes]
    return PooledPredictions(f"{split} examples{_seeds(len(parts))}", whole, names)


def _matrix(index: int, experiment: str, pooled: PooledPredictions) -> Markup:
    names = pooled.names
    whole = confusion(pooled.predictions, len(names))
    caption = f": {pooled.examples}; {_confusion_summary(whole, names)}"
    label = tag("span", swatch(index, experiment), caption)
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
    return scrolled(table, f"{experiment}: confusion matrix")


def _seeds(runs: int) -> str:
    return f" of {runs} runs" if runs > 1 else ""


def _confusion_summary(whole: Confusion, names: Sequence[str]) -> str:
    right, examples = int(np.trace(whole.matrix)), int(whole.matrix.sum())
    text = f"{100 * right / max(1, examples):.2f} % are correct"
    most = [
        f"{names[pair.true]} for {names[pair.predicted]} ({pair.examples})"
        for pair in whole.most_mixed(3)
    ]
    return f"{text}; most frequent errors: {', '.join(most)}" if most else text


def _shaded(row: Sequence[int], true: int) -> list[Markup]:
    examples = max(1, sum(row))
    cells = []
    for predicted, number in enumerate(row):
        shade = sum(number / examples >= least for least in SHADES)
        kind = "right" if predicted == true else f"wrong-{shade}" if number else "none"
        cells.append(tag("td", str(number), class_=kind))
    return cells


SECTIONS = (
    *(verdict, config, results, page_pictures.curves, drawing_pad.pad),
    *(page_pictures.learned, page_pictures.monitored, confusion_section, reproduction),
)
"""In the order of the page, the verdicts first."""


class ReportOutput(Struct, frozen=True, kw_only=True):
    """The result of report."""

    report: str
    """The file that was written."""
    bytes: int
    verdicts: dict[str, str]
    """By letter."""


def output(compared: Comparison, file: Path, size: int) -> ReportOutput:
    """Return the file of a report, its size in bytes and its verdicts as a value for JSON."""
    verdicts = {letter: verdict.words for letter, verdict in compared.verdicts.items()}
    return ReportOutput(report=str(file), bytes=size, verdicts=verdicts)
