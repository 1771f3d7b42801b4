"""A comparison as a document, as CSV records and as a value for JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from nnexp.analysis.claims import ClaimResult
from nnexp.analysis.comparison import PREFERRED, Comparison, Measure
from nnexp.analysis.experiments import Experiment
from nnexp.analysis.metrics import Side
from nnexp.analysis.verdicts import Unit, Verdict
from nnexp.config.messages import ranges
from nnexp.names import DIGITS
from nnexp.report import braille
from nnexp.report.curves import terminal
from nnexp.report.document import Commands, Document, Sentences, Table, plain
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.text import MISSING, counts, plus_minus, setting
from nnexp.runner import backends
from nnexp.seeds import Sample
from nnexp.store.run import DEFAULT_FOLDER

MARKS = {"better": "better", "worse": "worse", "noise": "~", "identical": "=", "too few": ""}
SIGNS = MARKS | {"better": "+", "worse": "-"}
"""Shorter marks, for tables of three or more experiments."""
TOO_SMALL = "the difference is too small for a reasonable number of seeds to tell"
CAPTION = 60
"""Characters of a legend's line; longer ones are cut."""


def document(comparison: Comparison, *, with_curves: bool = False) -> Document:
    """Return a comparison's tables, curves, notes and verdicts, the verdicts last.

    Args:
        comparison: of two experiments or more.
        with_curves: include curves for a terminal.
    """
    histories = {side.experiment.label: side.histories for side in comparison.sides}
    return plain(
        *(sides(comparison), config(comparison), results(comparison)),
        *(braille.drawings(terminal(histories)) if with_curves else []),
        Sentences(comparison.notes, "note") if comparison.notes else None,
        Sentences(verdicts(comparison), "verdict"),
        advice(comparison),
    )


def letters(comparison: Comparison) -> list[str]:
    """Return the letters of the experiments."""
    return [side.experiment.label for side in comparison.sides]


def sides(comparison: Comparison) -> Table:
    """Return the experiments' letters, names, seeds and statuses."""
    rows = [
        [
            side.experiment.label,
            side.experiment.place,
            ranges(side.experiment.seeds),
            _statuses(side),
        ]
        for side in comparison.sides
    ]
    return Table(["", "run", "seeds", "status"], rows, left=4)


def config(comparison: Comparison) -> Table | Sentences:
    """Return a table of the keys that differ, or a sentence if none does."""
    if not comparison.config:
        return Sentences(["The configs are the same."])
    rows = [[key, *map(setting, values)] for key, values in comparison.config]
    return Table(["config", *letters(comparison)], rows)


def results(comparison: Comparison) -> Table:
    """Return a table of the metrics, accuracies in per cent.

    Two experiments have columns for the difference and its mark; otherwise marks follow values.
    """
    names = letters(comparison)
    is_pair = len(names) == 2  # noqa: PLR2004 - only two have a column for the difference
    rows = []
    for measure in comparison.measures.values():
        if not _has_value(measure):
            continue
        cells = [cell(sample, measure.metric.unit) for sample in measure.samples]
        verdicts = [measure.verdicts.get(name) for name in names]
        if is_pair:
            last = verdicts[1]
            cells += [_amount(last), MARKS[last.outcome]] if last else [MISSING, ""]
        else:
            signs = [SIGNS[verdict.outcome] if verdict else "" for verdict in verdicts]
            cells = [f"{c} {sign}".rstrip() for c, sign in zip(cells, signs, strict=True)]
        rows.append([measure.metric.label, *cells])
    return Table(["result (accuracies in %)", *names, *(["B - A", ""] if is_pair else [])], rows)


def _amount(verdict: Verdict) -> str:
    """Format a difference; that of two whole numbers of epochs is whole."""
    return verdict.amount.removesuffix(".0") if verdict.outcome == "too few" else verdict.amount


def _has_value(measure: Measure) -> bool:
    """Return whether any run has a value; a level that none has reached is not shown."""
    return any(sample.known for sample in measure.samples)


def cell(sample: Sample, unit: Unit) -> str:
    """Format a metric of an experiment: its mean ± standard deviation over seeds."""
    known, count = len(sample.known), len(sample.values)
    if not known:
        return MISSING
    if not sample.is_whole:
        reached = "reached by " if unit.name == "epochs" else ""
        return f"{reached}{known} of {count}"
    mean = number(sample.mean, unit, whole=count == 1)
    return plus_minus(mean, None if sample.sd is None else number(sample.sd, unit, whole=False))


def number(amount: float | None, unit: Unit, *, whole: bool) -> str:
    """Format a number in its unit.

    Args:
        amount: the number.
        unit: its unit; costs have four decimals.
        whole: whether to show epochs without decimals.
    """
    if amount is None:
        return MISSING
    decimals = 4 if unit.decimals is None else unit.decimals
    if whole and unit.name == "epochs":
        decimals = 0
    return f"{unit.factor * amount:.{decimals}f}"


def verdicts(comparison: Comparison) -> list[str]:
    """Return the verdict on each experiment but the first, in words."""
    label = comparison.measures[comparison.judged].metric.label.strip()
    if not comparison.verdicts and not comparison.has_same_data:
        return ["no verdict: the runs were trained on different data"]
    if not comparison.verdicts:
        return [f"no verdict: some runs have no {label}"]
    prefixes = {
        letter: f"{letter}: " if _needs_letter(comparison, letter, verdict) else ""
        for letter, verdict in comparison.verdicts.items()
    }
    return [
        f"{label}: {prefixes[letter]}{_words(verdict)}"
        for letter, verdict in comparison.verdicts.items()
    ]


def _words(verdict: Verdict) -> str:
    """Return a verdict in words, and why no seeds are advised if too many would be needed."""
    return f"{verdict.words}; {TOO_SMALL}" if verdict.is_out_of_reach else verdict.words


def _needs_letter(comparison: Comparison, letter: str, verdict: Verdict) -> bool:
    return len(comparison.sides) > 2 and not verdict.words.startswith(letter)  # noqa: PLR2004 - B of two is understood


def advice(comparison: Comparison) -> Commands | None:
    """Return commands that train the seeds needed for a verdict; None if there are enough."""
    if len({side.experiment.runs[0].record.experiment_sha256 for side in comparison.sides}) == 1:
        return None  # seeds are compared, so more of them do not help
    needed = [
        verdict.needed or 0
        for verdict in comparison.verdicts.values()
        if (verdict.outcome == "too few" or verdict.difference.kind == "McNemar")
        and not verdict.is_out_of_reach
    ]
    seeds = max(needed, default=0)
    judged = {comparison.sides[0].experiment.label, *comparison.verdicts}
    experiments = [s.experiment for s in comparison.sides if s.experiment.label in judged]
    names = _names(experiments)
    commands = [
        _command(experiment, name, seeds)
        for experiment, name in zip(experiments, names, strict=True)
        if not set(range(seeds)) <= set(experiment.seeds)
    ]
    if not commands:
        return None
    again = _again(experiments, names, comparison.judged)
    return Commands("to know, train more seeds and compare again", [*commands, again])


def _names(experiments: Sequence[Experiment]) -> list[str]:
    """Return the names under which more seeds are to be trained: those that there are.

    If experiments share a name, it cannot be that of both, and names with digests are used.
    """
    stems = [experiment.stems[0] for experiment in experiments]
    if len(set(stems)) == len(stems):
        return stems
    digests = [experiment.runs[0].record.experiment_sha256[:DIGITS] for experiment in experiments]
    return [f"{stem}-{digest}" for stem, digest in zip(stems, digests, strict=True)]


def _command(experiment: Experiment, name: str, seeds: int) -> str:
    run = experiment.runs[0].path
    words = ["nnexp", "train", str(run / "config.yaml"), "--name", name, "--seeds", str(seeds)]
    if run.parent != DEFAULT_FOLDER:
        words += ["--runs", str(run.parent)]
    return shlex.join(words + backends.option(experiment.runs[0]))


def _again(experiments: Sequence[Experiment], names: Sequence[str], judged: str) -> str:
    """Return the command that compares the experiments with all their seeds."""
    places = [
        str(experiment.runs[0].path.with_name(name))
        for experiment, name in zip(experiments, names, strict=True)
    ]
    metric = [] if judged == PREFERRED[0] else ["--metric", judged]
    return shlex.join(["nnexp", "compare", *places, *metric])


def captions(comparison: Comparison) -> list[str]:
    """Return a legend's line for each experiment: its letter, and the settings that differ."""
    lines = []
    for index, letter in enumerate(letters(comparison)):
        settings = [
            f"{key}={setting(values[index])}"
            for key, values in comparison.config
            if values[index] is not UNSET
        ]
        line = f"{letter}  {', '.join(settings)}".rstrip()
        lines.append(line if len(line) <= CAPTION else f"{line[: CAPTION - 1]}…")
    return lines


def _statuses(side: Side) -> str:
    statuses = side.statuses
    return next(iter(statuses)) if len(statuses) == 1 else counts(statuses)


LONG_HEADER = (
    *("experiment", "run", "metric", "count", "missing", "mean", "sd"),
    *("difference", "low", "high", "test", "p", "p_adjusted", "verdict"),
)


def long_rows(comparison: Comparison) -> Iterator[list[Any]]:
    """Yield a row for each experiment and metric; accuracies are fractions, as recorded."""
    for key, measure in comparison.measures.items():
        for side, sample in zip(comparison.sides, measure.samples, strict=True):
            fields = asdict(_metric(sample, measure.verdicts.get(side.experiment.label)))
            fields |= {"experiment": side.experiment.label, "run": side.experiment.place}
            fields["metric"] = key
            cells = [fields[name] for name in LONG_HEADER]
            yield [None if cell is UNSET else cell for cell in cells]


class VerdictOutput(Struct, frozen=True, kw_only=True):
    """A verdict on the difference between an experiment and the one it is compared with."""

    difference: float
    low: float | None
    """This and the next are the ends of the difference's 95 % interval."""
    high: float | None
    test: str
    """The statistical test."""
    p: float | None
    p_adjusted: float | None
    sign_flip_p: float | None
    verdict: str
    seeds_needed: int | None


class MetricOutput(SampleOutput, frozen=True, kw_only=True):
    """A metric of one experiment and, with ``difference``, its verdict against the first one."""

    missing: int
    """The number of runs without a value."""
    difference: float | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    """This and the next are the ends of the difference's 95 % interval."""
    high: float | UnsetType | None = UNSET
    test: str | UnsetType = UNSET
    """The statistical test."""
    p: float | UnsetType | None = UNSET
    p_adjusted: float | UnsetType | None = UNSET
    sign_flip_p: float | UnsetType | None = UNSET
    verdict: str | UnsetType = UNSET
    seeds_needed: int | UnsetType | None = UNSET


class StretchOutput(Struct, frozen=True, kw_only=True):
    """Consecutive epochs of a run that were trained under the same arithmetic."""

    since: int
    """The first of them."""
    numerics: str
    """The fingerprint of the arithmetic."""


class ExperimentOutput(Struct, frozen=True, kw_only=True):
    """One side of a comparison."""

    run: str
    """Its name on the command line: a run's path, or one that its runs share but for the seed."""
    runs: list[str]
    seeds: list[int]
    statuses: dict[str, int]
    numerics: list[list[StretchOutput]]
    """By run."""


class CompareOutput(Struct, frozen=True, kw_only=True):
    """The result of compare."""

    experiments: dict[str, ExperimentOutput]
    """By letter."""
    config: dict[str, dict[str, Any]]
    """The values of the keys that differ, by key and letter."""
    notes: list[str]
    metrics: dict[str, dict[str, MetricOutput]]
    """By metric and letter."""
    judged: str
    """The metric that the verdicts are on."""
    verdicts: dict[str, str]
    """By letter."""
    checks: list[ClaimResult]


def output(comparison: Comparison, outcomes: Sequence[ClaimResult] = ()) -> CompareOutput:
    """Return a comparison and the outcomes of its checks as a value for JSON."""
    names = letters(comparison)
    return CompareOutput(
        experiments={side.experiment.label: _experiment(side) for side in comparison.sides},
        config={
            key: {n: v for n, v in zip(names, values, strict=True) if v is not UNSET}
            for key, values in comparison.config
        },
        notes=list(comparison.notes),
        metrics={
            key: {
                name: _metric(sample, measure.verdicts.get(name))
                for name, sample in zip(names, measure.samples, strict=True)
            }
            for key, measure in comparison.measures.items()
        },
        judged=comparison.judged,
        verdicts={name: verdict.words for name, verdict in comparison.verdicts.items()},
        checks=list(outcomes),
    )


def _experiment(side: Side) -> ExperimentOutput:
    return ExperimentOutput(
        run=side.experiment.place,
        runs=[str(run.path) for run in side.experiment.runs],
        seeds=list(side.experiment.seeds),
        statuses=side.statuses,
        numerics=[
            [StretchOutput(**turn._asdict()) for turn in facts.numerics] for facts in side.facts
        ],
    )


def _metric(sample: Sample, verdict: Verdict | None) -> MetricOutput:
    known = asdict(of_sample(sample))
    judged = {} if verdict is None else asdict(verdict_output(verdict))
    return MetricOutput(**known, **judged, missing=len(sample.values) - len(sample.known))


def verdict_output(verdict: Verdict) -> VerdictOutput:
    """Return a verdict as a value for JSON."""
    d = verdict.difference
    half = d.half_width
    return VerdictOutput(
        difference=d.difference,
        low=None if half is None else d.difference - half,
        high=None if half is None else d.difference + half,
        test=d.kind,
        p=d.p,
        p_adjusted=verdict.p,
        sign_flip_p=d.sign_flip_p,
        verdict=verdict.outcome,
        seeds_needed=verdict.needed,
    )
