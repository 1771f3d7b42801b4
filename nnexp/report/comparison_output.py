"""A comparison as a value for JSON and as CSV records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from nnexp.analysis.claims import ClaimResult
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.metrics import Side
from nnexp.analysis.verdicts import Verdict, VerdictName
from nnexp.report import sequential_verdicts
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.sequential_verdicts import SequentialOutput
from nnexp.seeds import Sample

LONG_HEADER = (
    *("experiment", "run", "metric", "count", "missing", "mean", "sd"),
    *("difference", "low", "high", "confidence", "test", "p", "p_adjusted", "verdict"),
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
    """A verdict on the difference between an experiment and the one it is compared with.

    Differences of accuracies are fractions.
    """

    difference: float
    """Its mean minus that of the other, over the seeds that are tested."""
    low: float | None
    """This and the next are the ends of the difference's interval."""
    high: float | None
    confidence: float | None
    """The level of the interval: with it, the interval excludes 0 if p_adjusted is below 0.05."""
    test: str
    """The statistical test."""
    p: float | None
    """Of the test by itself."""
    p_adjusted: float | None
    """For all that is judged; null for what is not judged."""
    verdict: VerdictName
    seeds_needed: int | None
    """About how many seeds would detect such a difference; null if it is detected, or too small."""


class MetricOutput(SampleOutput, frozen=True, kw_only=True):
    """A metric of one experiment and, with ``difference``, its verdict against the first one.

    Accuracies and their differences are fractions, times are seconds.
    """

    missing: int
    """The number of runs without a value."""
    difference: float | UnsetType = UNSET
    """Its mean minus that of the first experiment, over the seeds that are tested."""
    low: float | UnsetType | None = UNSET
    """This and the next are the ends of the difference's interval."""
    high: float | UnsetType | None = UNSET
    confidence: float | UnsetType | None = UNSET
    """The level of the interval: with it, the interval excludes 0 if p_adjusted is below 0.05."""
    test: str | UnsetType = UNSET
    """The statistical test."""
    p: float | UnsetType | None = UNSET
    """Of the test by itself."""
    p_adjusted: float | UnsetType | None = UNSET
    """For all that is judged; null for what is not judged."""
    verdict: VerdictName | UnsetType = UNSET
    seeds_needed: int | UnsetType | None = UNSET
    """About how many seeds would detect such a difference; null if it is detected, or too small."""


class StretchOutput(Struct, frozen=True, kw_only=True):
    """Consecutive epochs of a run that were trained under the same arithmetic."""

    since: int
    """The first of them."""
    numerics: str
    """The fingerprint of the arithmetic."""


class ApartOutput(Struct, frozen=True, kw_only=True):
    """A run that is shown apart: it counts in no mean and no test."""

    run: str
    seed: int
    value: float | None
    """Of the judged metric; an accuracy is a fraction."""
    why: str
    """In words, such as ``diverged in epoch 3``."""


class ExperimentOutput(Struct, frozen=True, kw_only=True):
    """One side of a comparison."""

    run: str
    """Its name on the command line: a run's path, or one that its runs share but for the seed."""
    runs: list[str]
    """Their paths."""
    seeds: list[int]
    """By run."""
    statuses: dict[str, int]
    """The number of runs by status."""
    apart: list[ApartOutput]
    """The runs that the means and tests of the metrics leave out."""
    numerics: list[list[StretchOutput]]
    """By run."""


class CompareOutput(Struct, frozen=True, kw_only=True):
    """The result of compare.

    Accuracies, levels of intervals and differences of accuracies are fractions: 0.965 is 96.5 %.
    """

    experiments: dict[str, ExperimentOutput]
    """By letter."""
    config: dict[str, dict[str, Any]]
    """The values of the keys that differ, by key and letter."""
    notes: list[str]
    """Sentences on the limits of the comparison, as below the printed tables."""
    metrics: dict[str, dict[str, MetricOutput]]
    """By the metric's name, and by letter."""
    judged: str
    """The metric that the verdicts are on."""
    method: str
    """How verdicts are adjusted for the number of comparisons; empty if nothing is judged."""
    verdicts: dict[str, str]
    """In words, by letter."""
    at_every_look: dict[str, SequentialOutput]
    """The verdicts on the same metric for someone who looked after every seed, by letter."""
    checks: list[ClaimResult]
    """The claims of --check, in their order."""


def output(comparison: Comparison, outcomes: Sequence[ClaimResult] = ()) -> CompareOutput:
    """Return a comparison and the outcomes of its checks as a value for JSON."""
    names = [side.experiment.label for side in comparison.sides]
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
        method=comparison.method,
        verdicts={name: verdict.words for name, verdict in comparison.verdicts.items()},
        at_every_look={
            name: looked
            for name, verdict in comparison.sequential.items()
            if (looked := sequential_verdicts.output(verdict)) is not None
        },
        checks=list(outcomes),
    )


def _experiment(side: Side) -> ExperimentOutput:
    return ExperimentOutput(
        run=side.experiment.place,
        runs=[str(run.path) for run in side.experiment.runs],
        seeds=list(side.experiment.seeds),
        statuses=side.statuses,
        apart=[
            ApartOutput(
                run=str(run.facts.run.path),
                seed=run.facts.run.config.seed,
                value=run.value,
                why=run.why,
            )
            for run in side.apart
        ],
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
    d, half = verdict.difference, verdict.half_width
    return VerdictOutput(
        difference=d.difference,
        low=None if half is None else d.difference - half,
        high=None if half is None else d.difference + half,
        confidence=None if half is None else 1 - verdict.alpha,
        test=d.kind,
        p=d.p,
        p_adjusted=verdict.p,
        verdict=verdict.outcome,
        seeds_needed=verdict.needed,
    )
