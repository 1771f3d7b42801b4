"""A comparison as a document, as CSV records and as a JSON value."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from nnexp.analysis.claims import ClaimResult
from nnexp.analysis.comparison import Comparison, Measure
from nnexp.analysis.metrics import Side
from nnexp.analysis.verdicts import Unit, Verdict
from nnexp.config.messages import ranges
from nnexp.report import braille
from nnexp.report.curves import terminal
from nnexp.report.document import MISSING, Commands, Document, Drawing, Sentences, Table, untitled
from nnexp.report.outputs import CheckOutput, CompareOutput, ExperimentOutput, MetricOutput
from nnexp.seeds import Sample

MARKS = {"better": "better", "worse": "worse", "noise": "~", "identical": "=", "too few": ""}
SIGNS = MARKS | {"better": "+", "worse": "-"}
"""What of it there is room for where several stand beside each other."""
TOO_SMALL = "the difference is too small for a reasonable number of seeds to tell"
CAPTION = 60
"""Characters of a legend's line; a longer list of settings goes back to the bare letter."""


def document(comparison: Comparison, *, curves: bool = False) -> Document:
    """Return a comparison's tables, curves, notes and verdicts, the verdicts last.

    Args:
        comparison: what is shown.
        curves: show the curves in a terminal as well.
    """
    return untitled(
        *(sides(comparison), config(comparison), results(comparison)),
        *(_drawings(comparison) if curves else []),
        Sentences(comparison.notes, "note") if comparison.notes else None,
        Sentences(verdicts(comparison), "verdict"),
        advice(comparison),
    )


def _drawings(comparison: Comparison) -> list[Drawing]:
    histories = {side.experiment.label: side.histories for side in comparison.sides}
    return [Drawing("", "", lines=lines) for lines in braille.draw(terminal(histories))]


def value(setting: Any) -> str:  # noqa: ANN401 - a config's value
    """Return a config's value as YAML and tables write it, a dash for none."""
    if setting is None or setting is UNSET:
        return MISSING
    return setting if isinstance(setting, str) else json.dumps(setting, ensure_ascii=False)


def letters(comparison: Comparison) -> list[str]:
    """Return the letters of the experiments."""
    return [side.experiment.label for side in comparison.sides]


def sides(comparison: Comparison) -> Table:
    """Return which experiments stand beside each other, and how they are doing."""
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
    """Return the keys that differ, a row each, or a sentence if none does."""
    if not comparison.config:
        return Sentences(["The configs are the same."])
    rows = [[key, *map(value, values)] for key, values in comparison.config]
    return Table(["config", *letters(comparison)], rows)


def results(comparison: Comparison) -> Table:
    """Return the metrics, a row each; accuracies in per cent.

    Of two experiments the difference stands beside them, of more each has its mark.
    """
    names = letters(comparison)
    pair = len(names) == 2  # noqa: PLR2004 - the difference of two has a place
    rows = []
    for measure in comparison.measures.values():
        if not _is_told(measure):
            continue
        cells = [cell(each, measure.metric.unit) for each in measure.samples]
        verdicts = [measure.verdicts.get(name) for name in names]
        if pair:
            last = verdicts[1]
            beside = [_beside(last), MARKS[last.outcome]] if last else [MISSING, ""]
        else:
            signs = [SIGNS[each.outcome] if each else "" for each in verdicts]
            cells = [f"{c} {sign}".rstrip() for c, sign in zip(cells, signs, strict=True)]
            beside = []
        rows.append([measure.metric.label, *cells, *beside])
    return Table(["result (accuracies in %)", *names, *(["B - A", ""] if pair else [])], rows)


def _beside(verdict: Verdict) -> str:
    """Return a difference for its column; that of two whole numbers of epochs is whole."""
    return verdict.amount.removesuffix(".0") if verdict.outcome == "too few" else verdict.amount


def _is_told(measure: Measure) -> bool:
    """Return whether any run has it: a level that none has reached says nothing."""
    return any(sample.known for sample in measure.samples)


def cell(sample: Sample, unit: Unit) -> str:
    """Return a metric of an experiment: its mean and standard deviation over seeds."""
    known, of = len(sample.known), len(sample.values)
    if not known:
        return MISSING
    if not sample.is_whole:
        return f"reached by {known} of {of}" if unit.name == "epochs" else f"{known} of {of}"
    mean = number(sample.mean, unit, whole=of == 1)
    return mean if sample.sd is None else f"{mean} ± {number(sample.sd, unit, whole=False)}"


def number(amount: float | None, unit: Unit, *, whole: bool) -> str:
    """Return a number in its unit: costs with four decimals, counts of epochs whole if they are."""
    if amount is None:
        return MISSING
    decimals = 4 if unit.decimals is None else unit.decimals
    if whole and unit.name == "epochs":
        decimals = 0
    return f"{unit.factor * amount:.{decimals}f}"


def verdicts(comparison: Comparison) -> list[str]:
    """Return the verdict on each experiment but the first, and what would make it surer."""
    label = comparison.measures[comparison.judged].metric.label.strip()
    told = [
        f"{letter}: {_words(each)}" if _needs_letter(comparison, letter, each) else _words(each)
        for letter, each in comparison.verdicts.items()
    ]
    if not told:
        return [f"no verdict: not every run has a value of {label}"]
    return [f"{label}: {each}" for each in told]


def _words(verdict: Verdict) -> str:
    """Return a verdict's words, and why no seeds are advised where they would be too many."""
    return f"{verdict.words}; {TOO_SMALL}" if verdict.is_out_of_reach else verdict.words


def _needs_letter(comparison: Comparison, letter: str, verdict: Verdict) -> bool:
    return len(comparison.sides) > 2 and not verdict.words.startswith(letter)  # noqa: PLR2004 - B of two is understood


def advice(comparison: Comparison) -> Commands | None:
    """Return the commands that would train the seeds that a verdict wants, if any."""
    if len({side.experiment.runs[0].record.config_sha256 for side in comparison.sides}) == 1:
        return None  # seeds are compared: more of them are no answer
    wanted = [
        verdict.needed or 0
        for verdict in comparison.verdicts.values()
        if (verdict.outcome == "too few" or verdict.difference.kind == "McNemar")
        and not verdict.is_out_of_reach
    ]
    seeds = max(wanted, default=0)
    commands = [
        _command(side, seeds)
        for side in comparison.sides
        if not set(range(seeds)) <= set(side.experiment.seeds)
    ]
    return Commands("to know, train more seeds", commands) if commands else None


def _command(side: Side, seeds: int) -> str:
    run = side.experiment.runs[0].path
    words = ["nnexp", "train", str(run / "config.yaml"), "--name", side.experiment.stems[0]]
    words += ["--seeds", str(seeds)]
    if str(run.parent) != "runs":
        words += ["--runs", str(run.parent)]
    return shlex.join(words)


def captions(comparison: Comparison) -> list[str]:
    """Return a legend's line for each experiment: what differs, and nothing else."""
    told = []
    for place, letter in enumerate(letters(comparison)):
        settings = [
            f"{key}={value(values[place])}"
            for key, values in comparison.config
            if values[place] is not UNSET
        ]
        text = f"{letter}  {', '.join(settings)}".rstrip()
        told.append(text if len(text) <= CAPTION else f"{text[: CAPTION - 1]}…")
    return told


def _statuses(side: Side) -> str:
    counts = side.statuses
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {status}" for status, count in counts.items())


LONG_HEADER = (
    *("experiment", "runs", "metric", "values", "of", "mean", "sd"),
    *("difference", "low", "high", "test", "p", "p_adjusted", "verdict"),
)


def long_rows(comparison: Comparison) -> Iterator[list[Any]]:
    """Yield a row for each experiment and metric; accuracies are fractions, as recorded."""
    for key, measure in comparison.measures.items():
        for side, sample in zip(comparison.sides, measure.samples, strict=True):
            known = sample.known
            yield [
                *(side.experiment.label, side.experiment.place, key),
                *(len(known), len(sample.values), sample.mean, sample.sd),
                *_tested(measure.verdicts.get(side.experiment.label)),
            ]


def _tested(verdict: Verdict | None) -> list[Any]:
    if verdict is None:
        return [None] * 7
    d = verdict.difference
    low, high = (
        (None, None)
        if d.half_width is None
        else (d.difference - d.half_width, d.difference + d.half_width)
    )
    return [d.difference, low, high, d.kind, d.p, verdict.p, verdict.outcome]


def output(comparison: Comparison, outcomes: Sequence[ClaimResult] = ()) -> CompareOutput:
    """Return a comparison, and what came of its checks, as a value for JSON."""
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
        checks=list(map(_check, outcomes)),
    )


def _experiment(side: Side) -> ExperimentOutput:
    return ExperimentOutput(
        place=side.experiment.place,
        runs=[str(run.path) for run in side.experiment.runs],
        seeds=list(side.experiment.seeds),
        statuses=side.statuses,
        numerics=[[turn._asdict() for turn in facts.numerics] for facts in side.facts],
    )


def _metric(sample: Sample, verdict: Verdict | None) -> MetricOutput:
    own = {"values": list(sample.values), "mean": sample.mean, "sd": sample.sd}
    return MetricOutput(**own, **verdict_fields(verdict))  # type: ignore[arg-type]


def verdict_fields(verdict: Verdict | None) -> dict[str, Any]:
    """Return a verdict's fields of a MetricOutput; none without a verdict."""
    if verdict is None:
        return {}
    d = verdict.difference
    return {
        "difference": d.difference,
        "half_width": d.half_width,
        "test": d.kind,
        "p": d.p,
        "p_adjusted": verdict.p,
        "sign_flip_p": d.sign_flip_p,
        "verdict": verdict.outcome,
        "seeds_needed": verdict.needed,
    }


def _check(outcome: ClaimResult) -> CheckOutput:
    return CheckOutput(
        claim=outcome.claim,
        holds=outcome.holds,
        left=outcome.left,
        right=outcome.right,
        comparisons=list(map(_check, outcome.comparisons)) or UNSET,
    )
