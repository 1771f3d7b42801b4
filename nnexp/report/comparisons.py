"""A comparison as a document: tables, curves, notes and verdicts."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from msgspec import UNSET

from nnexp.analysis.comparison import PREFERRED, Comparison, Measure
from nnexp.analysis.experiments import Experiment
from nnexp.analysis.metrics import SECONDS, Side
from nnexp.analysis.verdicts import Unit, Verdict
from nnexp.config.messages import ranges
from nnexp.names import DIGITS, is_derived
from nnexp.report import braille, sequential_verdicts
from nnexp.report.curves import Clock, terminal
from nnexp.report.document import Commands, Document, Sentences, Table, plain
from nnexp.report.text import MISSING, counts, plus_minus, setting
from nnexp.runner import backends
from nnexp.seeds import Sample
from nnexp.store.run import DEFAULT_FOLDER

MARKS = {
    "better": "better",
    "worse": "worse",
    "noise": "~",
    "identical": "=",
    "too few": "",
    "unjudged": "",
}
NETWORKS = "these two networks:"
"""The beginning of verdicts that are not about configs."""
TOO_SMALL = "the difference is too small for a reasonable number of seeds to tell"
LOADED = "!"
SHORT = 0.1
"""Times below this many seconds are shown in milliseconds."""
UNJUDGED = "not judged"
"""Instead of the difference of a metric that is only shown."""
APART_VALUE = 3
"""The column of the value in the table of runs that are shown apart."""
CAPTION = 60
"""Characters of a legend's line; longer ones are cut."""


def document(
    comparison: Comparison,
    clock: Clock | None = None,
    *,
    with_curves: bool = False,
    advises: bool = True,
) -> Document:
    """Return a comparison's tables, curves, notes and verdicts, the verdicts last.

    Args:
        comparison: of experiments; a single one has neither differences nor a verdict.
        clock: of the curves' runs; None for curves against epochs.
        with_curves: include curves for a terminal.
        advises: include commands that train the seeds needed for a verdict.
    """
    histories = {side.experiment.label: side.histories for side in comparison.sides}
    is_single = len(comparison.sides) == 1
    final = [] if is_single else verdicts(comparison)
    return plain(
        *(sides(comparison), None if is_single else config(comparison), results(comparison)),
        Sentences(legend(comparison)),
        apart(comparison),
        *(braille.drawings(terminal(histories, clock)) if with_curves else []),
        Sentences(comparison.notes, "note") if comparison.notes else None,
        Sentences([*final, *sequential_verdicts.sentences(comparison)], "verdict"),
        advice(comparison) if advises else None,
        sequential_verdicts.race(comparison) if advises else None,
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
            statuses(side),
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
        if not has_value(measure):
            continue
        cells = cells_of(comparison, measure)
        verdicts = [measure.verdicts.get(name) for name in names]
        if is_pair:
            last = verdicts[1]
            missing = MISSING if measure.metric.is_judged else UNJUDGED
            cells += [_amount(last), MARKS[last.outcome]] if last else [missing, ""]
        else:
            marks = [MARKS[verdict.outcome] if verdict else "" for verdict in verdicts]
            cells = [f"{c} {mark}".rstrip() for c, mark in zip(cells, marks, strict=True)]
        rows.append([measure.metric.label, *cells])
    return Table(["result (accuracies in %)", *names, *(["B - A", ""] if is_pair else [])], rows)


def legend(comparison: Comparison) -> list[str]:
    """Return what the signs of the results mean that occur in them, and how they are judged."""
    is_pair = len(comparison.sides) == 2  # noqa: PLR2004 - only two have a column
    cells = [cell for row in results(comparison).rows for cell in row[1:]]
    where, others = "in verdicts", list[Verdict]()
    if is_pair:
        where = "of B - A"
        measures = comparison.measures.values()
        others = [v for m in measures if m.key != comparison.judged for v in m.verdicts.values()]
    width = half_width(where, comparison.verdicts.values(), others)
    return [*signs(comparison, cells, width), *filter(None, [comparison.method])]


def signs(comparison: Comparison, cells: Iterable[str], width: str) -> list[str]:
    """Return what the signs mean that occur in a table of results.

    Args:
        comparison: of the experiments.
        cells: the cells that can contain signs.
        width: the meaning of ± in differences; empty if they have none.
    """
    listed = apart(comparison)
    known = {sign for cell in cells for sign in cell.split()}
    known |= {row[APART_VALUE] for row in listed.rows} if listed else set()
    several = any(len(side.counted) > 1 for side in comparison.sides)
    deviation = "standard deviation over seeds" if several and "±" in known else ""
    spreads = "; ".join(filter(None, [deviation, width]))
    words = [name for name in ("better", "worse") if name in known]
    first = comparison.sides[0].experiment.label
    marks = [f"{' or '.join(words)}: than {first}, by more than noise"] if words else []
    marks += [f"{sign}: {meaning}" for sign, meaning in SIGNS.items() if sign in known]
    return list(filter(None, [f"±: {spreads}" if spreads else "", "; ".join(marks)]))


def half_width(where: str, headlines: Iterable[Verdict], others: Iterable[Verdict] = ()) -> str:
    """Return the meaning of ± in differences, with the levels of the intervals; empty for none.

    Args:
        where: the place of the differences, such as ``of B - A``.
        headlines: the verdicts on the metric that is judged first.
        others: those on other metrics.
    """
    first, rest = _levels(headlines), _levels(others)
    if not first and not rest:
        return ""
    text = f"{where}, half-width of the {first or rest} % interval"
    return f"{text} (other rows: {rest} %, adjusted like p)" if first and rest > first else text


def _levels(verdicts: Iterable[Verdict]) -> str:
    """Return the levels of the intervals in %, such as 97.5; empty if there are none."""
    levels = {1 - verdict.alpha for verdict in verdicts if verdict.half_width is not None}
    return " or ".join(f"{100 * level:.4g}" for level in sorted(levels))


SIGNS = {
    "~": "inside the noise",
    "=": "identical",
    MISSING: "no value",
    LOADED: "measured under load",
}


def apart(comparison: Comparison) -> Table | None:
    """Return the runs that are shown apart, with the reason; None if there are none."""
    metric = comparison.measures[comparison.judged].metric
    rows = [
        [
            side.experiment.label,
            str(run.facts.run.path),
            str(run.facts.run.config.seed),
            MISSING if run.value is None else metric.unit.show(run.value, whole=True),
            run.why,
        ]
        for side in comparison.sides
        for run in side.apart
    ]
    header = ["apart", "run", "seed", metric.label.strip(), "why"]
    return Table(header, rows, left=len(header)) if rows else None


def _amount(verdict: Verdict) -> str:
    """Format a difference; that of two whole numbers of epochs is whole."""
    return verdict.amount.removesuffix(".0") if verdict.outcome == "too few" else verdict.amount


def cells_of(comparison: Comparison, measure: Measure) -> list[str]:
    """Return a metric's cells; times measured under load have a mark."""
    cells = [cell(sample, measure.metric.unit) for sample in measure.samples]
    if measure.metric.unit is not SECONDS:
        return cells
    pairs = zip(cells, comparison.sides, strict=True)
    return [
        f"{text} {LOADED}" if side.overload and text != MISSING else text for text, side in pairs
    ]


def has_value(measure: Measure) -> bool:
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
    spread = sample.spread
    if spread is None:
        return MISSING
    if unit is SECONDS and spread.mean < SHORT:
        sd = None if spread.sd is None else f"{1000 * spread.sd:.2g}"
        return f"{plus_minus(f'{1000 * spread.mean:.3g}', sd)} ms"
    mean = unit.show(spread.mean, whole=count == 1)
    return plus_minus(mean, None if spread.sd is None else unit.show(spread.sd))


def verdicts(comparison: Comparison) -> list[str]:
    """Return the verdict on each experiment but the first, in words."""
    label = comparison.measures[comparison.judged].metric.label.strip()
    sentences = [_sentence(comparison, letter, label) for letter in comparison.verdicts]
    return [*without_verdict(comparison), *sentences]


def without_verdict(comparison: Comparison) -> list[str]:
    """Return why there is no verdict, on some experiments or on all."""
    label = comparison.measures[comparison.judged].metric.label.strip()
    if not comparison.verdicts and not comparison.has_same_data:
        return ["no verdict: the runs were trained on different data"]
    if not comparison.verdicts and not comparison.is_measured_alike:
        split = comparison.measures[comparison.judged].metric.split
        return [f"no verdict: {label} is measured on different numbers of {split} examples"]
    diverged = [
        f"no verdict on {_scope(comparison, side)}: {side.diverged} of {len(side.facts)} "
        f"run{'s' * (len(side.facts) != 1)} of {side.experiment.label} diverged"
        for side in comparison.diverged
    ]
    if not comparison.verdicts and not diverged:
        return [f"no verdict: some runs have no {label}"]
    return diverged


def _scope(comparison: Comparison, side: Side) -> str:
    """Return what a diverged run leaves without verdict: its experiment, or all for a baseline."""
    return "any experiment" if side is comparison.sides[0] else side.experiment.label


def _sentence(comparison: Comparison, letter: str, label: str) -> str:
    """Return the verdict on an experiment; that on two networks begins with these words."""
    verdict = comparison.verdicts[letter]
    if verdict.words.startswith(NETWORKS):
        return f"{NETWORKS} {label}:{_words(verdict).removeprefix(NETWORKS)}"
    prefix = f"{letter}: " if _needs_letter(comparison, letter, verdict) else ""
    pair = {letter, comparison.sides[0].experiment.label}
    is_without = any(s.apart for s in comparison.sides if s.experiment.label in pair)
    without = "; without what is shown apart" if is_without else ""
    return f"{label}: {prefix}{_words(verdict)}{without}"


def _words(verdict: Verdict) -> str:
    """Return a verdict in words, and why no seeds are advised if too many would be needed."""
    return f"{verdict.words}; {TOO_SMALL}" if verdict.is_out_of_reach else verdict.words


def _needs_letter(comparison: Comparison, letter: str, verdict: Verdict) -> bool:
    return len(comparison.sides) > 2 and not verdict.words.startswith(letter)  # noqa: PLR2004 - B of two is understood


def advice(comparison: Comparison, shown: Collection[str] | None = None) -> Commands | None:
    """Return commands that train the seeds needed for a verdict; None if there are enough.

    Args:
        comparison: of the experiments.
        shown: the letters of those whose verdicts are wanted; None for all.
    """
    if comparison.is_of_seeds:
        return None
    needed = {
        letter: number
        for letter, number in seeds_needed(comparison).items()
        if shown is None or letter in shown
    }
    seeds, baseline = max(needed.values(), default=0), comparison.sides[0].experiment.label
    judged = {baseline, *comparison.verdicts}
    experiments = [s.experiment for s in comparison.sides if s.experiment.label in judged]
    names = _names(experiments)
    commands = [
        _command(experiment, name, seeds)
        for experiment, name in zip(experiments, names, strict=True)
        if experiment.label in {baseline, *needed}
        and not set(range(seeds)) <= set(experiment.seeds)
    ]
    if not commands:
        return None
    again = _again(experiments, names, comparison.judged)
    return Commands("to know, train more seeds and compare again", [*commands, again])


def seeds_needed(comparison: Comparison) -> dict[str, int]:
    """Return how many seeds would give a verdict, for the experiments that have too few."""
    return {
        letter: verdict.needed or 0
        for letter, verdict in comparison.verdicts.items()
        if (verdict.outcome == "too few" or verdict.difference.kind == "McNemar")
        and not verdict.is_out_of_reach
    }


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
    """Return a legend's line for each experiment: its letter, and the settings that differ.

    If these are too long, the names that were given by hand stand instead.
    """
    lines = []
    for index, letter in enumerate(letters(comparison)):
        settings = [
            f"{key}={setting(values[index])}"
            for key, values in comparison.config
            if values[index] is not UNSET
        ]
        lines.append(f"{letter}  {', '.join(settings)}".rstrip())
    if any(len(line) > CAPTION for line in lines):
        for index, side in enumerate(comparison.sides):
            name = Path(side.experiment.place).name
            if not is_derived(name):
                lines[index] = f"{side.experiment.label}  {name}"
    return [line if len(line) <= CAPTION else f"{line[: CAPTION - 1]}…" for line in lines]


def statuses(side: Side) -> str:
    """Return the status of an experiment's runs, or how many have which."""
    statuses = side.statuses
    return next(iter(statuses)) if len(statuses) == 1 else counts(statuses)
