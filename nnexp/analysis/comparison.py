"""Compare experiments: which settings differ, how the results differ, and whether that is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET

from nnexp.analysis.claims import unknown
from nnexp.analysis.experiments import DIGITS, Experiment
from nnexp.analysis.metrics import ALIASES, METRICS, Facts, Metric, Side
from nnexp.analysis.statistics import Difference, mcnemar
from nnexp.analysis.verdicts import COST, Unit, Verdict, between, judge
from nnexp.config import canonical
from nnexp.config.messages import ranges
from nnexp.errors import UsageError
from nnexp.seeds import Sample
from nnexp.store import predictions
from nnexp.store.records import RunRecord
from nnexp.store.run import Run

PREFERRED = ("test_accuracy", "best_validation_accuracy", "last_train_accuracy")
"""Default metrics of the verdict: the first of these that every run has."""


class Measure(NamedTuple):
    """A metric of every experiment, and the verdict on each against the first."""

    key: str
    metric: Metric
    samples: tuple[Sample, ...]
    verdicts: Mapping[str, Verdict]
    """By letter; missing if a run has no value or the metric is not judged."""


class Comparison(NamedTuple):
    """Experiments side by side; the first is the baseline."""

    sides: tuple[Side, ...]
    config: list[tuple[str, tuple[Any, ...]]]
    """Keys that differ, with the value of each side; UNSET if a side does not have the key."""
    notes: list[str]
    measures: dict[str, Measure]
    judged: str
    """The metric that the verdict is on."""

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdict on each experiment but the first, by letter."""
        return self.measures[self.judged].verdicts

    @property
    def has_same_data(self) -> bool:
        """Whether all runs were trained on the same data."""
        return all(_has_same_data(self.sides[0], side) for side in self.sides)

    def value(self, letter: str, metric: str) -> float | None:
        """Return an experiment's mean of a metric, or None if a run has none."""
        letters = [side.experiment.label for side in self.sides]
        return self.measures[metric].samples[letters.index(letter)].mean


def compare(experiments: Sequence[Experiment], metric: str | None = None) -> Comparison:
    """Compare experiments: their configs, metrics and verdicts.

    Args:
        experiments: two or more, the first of which is the baseline.
        metric: of the verdict; None for test accuracy at the best validation epoch, or the first
            of ``PREFERRED`` that all runs have.

    Raises:
        UsageError: the metric is unknown, or is not judged.
        CorruptError: a run is damaged.
    """
    metric = None if metric is None else judged_metric(metric)
    sides = tuple(Side(e, tuple(map(Facts, e.runs))) for e in experiments)
    measures = {key: _measure(key, item, sides) for key, item in METRICS.items()}
    judged = metric or next(
        (key for key in PREFERRED if all(s.is_whole for s in measures[key].samples)),
        PREFERRED[0],
    )
    notes = list(_notes(sides))
    if metric is None and judged != PREFERRED[0]:
        notes.append(
            f"the verdict is on {METRICS[judged].label.strip()}: some runs have no test accuracy"
        )
    return Comparison(sides, differing(experiments), notes, measures, judged)


def judged_metric(name: str, source: str = "metric") -> str:
    """Return the key of a metric that a verdict can be on.

    Args:
        name: the key, or another accepted name.
        source: the option or argument to name in errors.

    Raises:
        UsageError: the metric is unknown, or is not judged.
    """
    key = ALIASES.get(name, name)
    if key not in METRICS:
        raise UsageError(f"{source}: {unknown(name)}")
    if not METRICS[key].is_judged:
        raise UsageError(f"{source}: {name!r} is only shown, not judged; choose another metric")
    return key


def differing(experiments: Sequence[Experiment]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the keys whose values differ: of the configs, in the model's order, and contents."""
    flat = [canonical.flat(e.config) | _digests(e.runs[0].record) for e in experiments]
    if len({e.runs[0].record.experiment_sha256 for e in experiments}) > 1:
        for tree in flat:
            del tree["seed"]
    keys = dict.fromkeys(key for tree in flat for key in tree)
    rows = [(key, tuple(tree.get(key, UNSET) for tree in flat)) for key in keys]
    return [(key, values) for key, values in rows if not _same(values)]


def _digests(record: RunRecord) -> dict[str, str]:
    """Return the first digits of the digests of a run's data and of the weights it took over."""
    digests = {"data.sha256": record.data_sha256}
    if record.weights_sha256 is not UNSET:
        digests["initializer.sha256"] = record.weights_sha256
    return {key: digest[:DIGITS] for key, digest in digests.items()}


def _same(values: Sequence[Any]) -> bool:
    present = [None if value is UNSET else value for value in values]
    return all(value == present[0] for value in present)


def _measure(key: str, metric: Metric, sides: Sequence[Side]) -> Measure:
    samples = tuple(Sample(tuple(map(metric.of, side.facts))) for side in sides)
    unit = _resolved(metric, sides)
    differences = {}
    if metric.is_judged and samples[0].is_whole:
        for side, sample in zip(sides[1:], samples[1:], strict=True):
            is_alike = _has_same_data(sides[0], side) and (
                metric.unit is not COST or _has_same_weights(sides[0], side)
            )
            if sample.is_whole and is_alike:
                differences[side.experiment.label] = _difference(
                    key, (sides[0], side), (samples[0], sample), unit
                )
    verdicts = judge(differences, unit, sides[0].experiment.label)
    return Measure(key, metric, samples, verdicts)


def _has_same_data(first: Side, second: Side) -> bool:
    """Return whether all runs are trained and tested on the same examples."""
    examples = [examples_of(run) for side in (first, second) for run in side.experiment.runs]
    return all(own == examples[0] for own in examples)


def examples_of(run: Run) -> tuple[object, ...]:
    """Return what identifies the examples of a run: data, classes, and how they are split.

    Counts of examples are left out, as experiments may ask how many are needed.

    Raises: CorruptError.
    """
    data = run.record.data
    return data.sha256, data.split_sha256, tuple(run.classes)


def _has_same_weights(first: Side, second: Side) -> bool:
    """Return whether the costs of two experiments weigh the classes alike."""
    configs = [side.experiment.runs[0].config for side in (first, second)]
    return configs[0].class_weights == configs[1].class_weights


def _resolved(metric: Metric, sides: Sequence[Side]) -> Unit:
    """Return a metric's unit; for an accuracy, with a resolution of one example of its split."""
    if metric.split is None:
        return metric.unit
    data = sides[0].experiment.runs[0].record.data
    return metric.unit._replace(resolution=1 / max(1, getattr(data, metric.split)))


def _difference(
    key: str, sides: tuple[Side, Side], samples: tuple[Sample, Sample], unit: Unit
) -> Difference:
    runs = [side.experiment.runs for side in sides]
    if key == "test_accuracy" and len(runs[0]) == len(runs[1]) == 1:
        nets = _nets(runs[0][0], runs[1][0])
        if nets is not None:
            return mcnemar(*nets)
    first, second = (
        dict(zip(side.experiment.seeds, sample.known, strict=True))
        for side, sample in zip(sides, samples, strict=True)
    )
    return between(first, second, unit)


def _nets(a: Run, b: Run) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Return which test examples two nets classify correctly, or None if the examples differ."""
    first, second = (predictions.read(run).get("test") for run in (a, b))
    if first is None or second is None or a.record.data.sha256 != b.record.data.sha256:
        return None
    if not np.array_equal(first.true, second.true):
        return None
    return first.predicted == first.true, second.predicted == second.true


def _notes(sides: Sequence[Side]) -> Iterator[str]:
    """Yield caveats that a reader must know to interpret the numbers."""
    records = {
        side.experiment.label: [run.record for run in side.experiment.runs] for side in sides
    }
    first, *others = sides
    if different := [s.experiment.label for s in others if not _has_same_data(first, s)]:
        was, them = ("was", "it") if len(different) == 1 else ("were", "them")
        data = [run.record.data for side in sides for run in side.experiment.runs]
        how = "trained and tested on other classes"
        if any(own.sha256 != data[0].sha256 for own in data):
            how = "trained on other data"
        elif any(own.split_sha256 != data[0].split_sha256 for own in data):
            how = "trained and tested on other splits"
        yield (
            f"{' and '.join(different)} {was} {how} than {first.experiment.label}, "
            f"so there is no verdict on {them}"
        )
    if weighted := [s.experiment.label for s in others if not _has_same_weights(first, s)]:
        yield (
            f"costs of {' and '.join(weighted)} weigh the classes unlike those of "
            f"{first.experiment.label} (class_weights), so there is no verdict on costs"
        )
    yield from _other_origins(records)
    for facts in (facts for side in sides for facts in side.facts):
        yield from _changed_numerics(facts)
    yield from _unpaired(sides)
    for side in sides:
        unfinished = {s: n for s, n in side.statuses.items() if s != "finished"}
        for status, count in unfinished.items():
            yield f"{side.experiment.label}: {_state(status, count, len(side.facts))}"


def _other_origins(records: Mapping[str, Sequence[RunRecord]]) -> Iterator[str]:
    """Yield differences of backend, numerics and version."""

    def values(of: Callable[[RunRecord], str]) -> dict[str, set[str]]:
        return {letter: set(map(of, group)) for letter, group in records.items()}

    backends = values(lambda record: record.backend)
    numerics = values(lambda record: record.numerics)
    known = sorted(set().union(*backends.values()))
    if len(known) > 1:
        yield (
            f"{_letters(backends)} were trained with different backends ({' and '.join(known)}), "
            "whose numbers differ in the last digits"
        )
    # Each backend has numerics of its own.
    if len(set().union(*numerics.values())) > len(known):
        letters = _letters(numerics)
        yield f"{letters} were trained with different numerics (the machine's arithmetic)"
    versions = values(lambda record: record.versions.nnexp)
    if len(set().union(*versions.values())) > 1:
        yield f"{_letters(versions)} were trained with different versions of nnexp"


def _state(status: str, count: int, total: int) -> str:
    """Return a phrase such as ``2 of 3 runs diverged`` or ``1 of 3 runs is interrupted``."""
    verb = "" if status == "diverged" else "is " if count == 1 else "are "
    return f"{count} of {total} run{'s' * (total != 1)} {verb}{status}"


def _unpaired(sides: Sequence[Side]) -> Iterator[str]:
    """Yield notes on seeds that count in an experiment's mean, but in none of its pairs."""
    first = sides[0].experiment
    for side in sides[1:]:
        if not _has_same_data(sides[0], side):
            continue
        common = set(first.seeds) & set(side.experiment.seeds)
        if common and (set(first.seeds) | set(side.experiment.seeds)) - common:
            paired = ranges(sorted(common))
            yield (
                f"{side.experiment.label} is paired with {first.label} on their common seeds, "
                f"{paired}; means are over all seeds"
            )


def _changed_numerics(facts: Facts) -> Iterator[str]:
    stretches = facts.numerics
    if len(stretches) > 1:
        count = len({stretch.numerics for stretch in stretches})
        since = ", ".join(str(stretch.since) for stretch in stretches[1:])
        run = facts.run.path
        yield f"{run} was trained under {count} numerics: they changed with epoch {since}"


def _letters(values: Mapping[str, set[Any]]) -> str:
    """Return the letters whose values differ, within one experiment or between several."""
    within = [letter for letter, own in values.items() if len(own) > 1]
    if within and set().union(*values.values()) == set().union(*(values[w] for w in within)):
        return f"the runs of {' and of '.join(within)}"
    return " and ".join(values)
