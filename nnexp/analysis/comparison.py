"""Compare experiments: which settings differ, how the results differ, and whether that is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET

from nnexp.analysis import apart
from nnexp.analysis.claims import unknown
from nnexp.analysis.comparability import evaluated, has_same_data, is_measured_alike, notes
from nnexp.analysis.experiment_rows import DIGITS
from nnexp.analysis.experiments import Experiment
from nnexp.analysis.metrics import ALIASES, METRICS, Facts, Metric, Side
from nnexp.analysis.power import ALPHA
from nnexp.analysis.sequential import SequentialVerdict, judge_looks, looks
from nnexp.analysis.statistics import Difference, mcnemar
from nnexp.analysis.verdicts import Unit, Verdict, between, judge, judge_others
from nnexp.config import canonical
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
    """The values of the runs that are not apart."""
    verdicts: Mapping[str, Verdict]
    """By letter; missing if a run has no value, if one diverged, or if the metric is not judged."""


class Comparison(NamedTuple):
    """Experiments side by side; the first is the baseline."""

    sides: tuple[Side, ...]
    config: list[tuple[str, tuple[Any, ...]]]
    """Keys that differ, with the value of each side; UNSET if a side does not have the key."""
    notes: list[str]
    measures: dict[str, Measure]
    judged: str
    """The metric that the verdict is on."""
    sequential: Mapping[str, SequentialVerdict]
    """The verdicts on it for someone who looked after every seed, by letter; missing without a
    verdict, and with a single seed."""

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdict on each experiment but the first, by letter."""
        return self.measures[self.judged].verdicts

    @property
    def headline_method(self) -> str:
        """How verdicts are adjusted for the number of experiments; empty if nothing is judged."""
        count = sum(verdict.is_judged for verdict in self.verdicts.values())
        if not count:
            return ""
        label = self.measures[self.judged].metric.label.strip()
        over = f", over {count} comparisons by Bonferroni's method" if count > 1 else ""
        return f"judged first: {label}, at 5 %{over}"

    @property
    def method(self) -> str:
        """How words are adjusted for the number of comparisons; empty if nothing is judged."""
        first, silent = self.headline_method, "so that the other rows have intervals and no words"
        if any(verdict.differs for verdict in self.verdicts.values()):
            where = ", where it differs" if len(self.verdicts) > 1 else ""
            return f"{first}; then the other rows by Hommel's method{where}"
        if first:
            return f"{first}; it does not differ, {silent}"
        verdicts = [v for measure in self.measures.values() for v in measure.verdicts.values()]
        if any(verdict.outcome == "unjudged" for verdict in verdicts):
            label = self.measures[self.judged].metric.label.strip()
            return f"judged first: {label}, without a verdict, {silent}"
        return ""

    @property
    def has_same_data(self) -> bool:
        """Whether all runs were trained on the same data."""
        return all(has_same_data(self.sides[0], side) for side in self.sides)

    @property
    def is_of_seeds(self) -> bool:
        """Whether seeds of one config are compared, so that more of them do not help."""
        return len({side.experiment.runs[0].record.experiment_sha256 for side in self.sides}) == 1

    @property
    def is_measured_alike(self) -> bool:
        """Whether the judged metric of all experiments is measured on the same examples."""
        metric = self.measures[self.judged].metric
        return all(is_measured_alike(metric, self.sides[0], side) for side in self.sides)

    @property
    def diverged(self) -> list[Side]:
        """The experiments with runs that diverged, on which there is no verdict."""
        return [side for side in self.sides if side.diverged]

    def value(self, letter: str, metric: str) -> float | None:
        """Return the mean of a metric over all runs of an experiment; None if one has no value.

        Runs that are shown apart count as well, so that a claim cannot hold by leaving them out.
        """
        (side,) = (side for side in self.sides if side.experiment.label == letter)
        return Sample(tuple(map(self.measures[metric].metric.of, side.facts))).mean


def compare(experiments: Sequence[Experiment], metric: str | None = None) -> Comparison:
    """Compare experiments: their configs, metrics and verdicts.

    Args:
        experiments: one or more, the first of which is the baseline.
        metric: of the verdict; None for test accuracy at the best validation epoch, or the first
            of ``PREFERRED`` that all runs have.

    Raises:
        UsageError: the metric is unknown, or is not judged.
        CorruptError: a run is damaged.
    """
    metric = None if metric is None else judged_metric(metric)
    sides = [_read(experiment) for experiment in experiments]
    judged = metric or next((key for key in PREFERRED if _all_have(sides, key)), PREFERRED[0])
    sides = [_set_apart(side, judged) for side in sides]
    remarks = list(notes(sides))
    if metric is None and judged != PREFERRED[0]:
        remarks.append(
            f"the verdict is on {METRICS[judged].label.strip()}: some runs have no test accuracy"
        )
    measures = _measures(sides, judged)
    return Comparison(
        tuple(sides),
        differing(experiments),
        remarks,
        measures,
        judged,
        _at_every_look(sides, measures[judged]),
    )


def _read(experiment: Experiment) -> Side:
    facts = tuple(map(Facts, experiment.runs))
    return Side(experiment, facts, tuple(apart.unfinished(facts)))


def _all_have(sides: Sequence[Side], key: str) -> bool:
    return all(METRICS[key].of(facts) is not None for side in sides for facts in side.counted)


def _set_apart(side: Side, judged: str) -> Side:
    """Return a side whose runs that did not finish, or are far from the others, are apart."""
    metric = METRICS[judged]
    runs = [run._replace(value=metric.of(run.facts)) for run in side.apart]
    far = apart.far(side.counted, metric, examples(metric, side.experiment.runs[0]))
    return side._replace(apart=(*runs, *far))


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


def _measures(sides: Sequence[Side], judged: str) -> dict[str, Measure]:
    """Return all metrics, the judged one first judged by itself."""
    baseline = sides[0].experiment.label
    units = {key: resolved(metric, sides[0].experiment.runs[0]) for key, metric in METRICS.items()}
    samples = {
        key: [Sample(tuple(map(metric.of, side.counted))) for side in sides]
        for key, metric in METRICS.items()
    }
    differences = {
        key: _differences(key, sides, samples[key], units[key])
        for key, metric in METRICS.items()
        if metric.is_judged
    }
    headlines = judge(differences[judged], units[judged], baseline)
    verdicts: dict[str, dict[str, Verdict]] = {judged: headlines}
    for letter in (side.experiment.label for side in sides[1:]):
        others = {
            key: (found[letter], units[key])
            for key, found in differences.items()
            if key != judged and letter in found
        }
        headline = headlines.get(letter)  # without one, the others have intervals and no words
        alpha = ALPHA / (len(sides) - 1) if headline is None else headline.alpha
        for key, verdict in judge_others(others, letter, headline, alpha, baseline).items():
            verdicts.setdefault(key, {})[letter] = verdict
    return {
        key: Measure(key, metric, tuple(samples[key]), verdicts.get(key, {}))
        for key, metric in METRICS.items()
    }


def _differences(
    key: str, sides: Sequence[Side], samples: Sequence[Sample], unit: Unit
) -> dict[str, Difference]:
    """Return the differences from the first experiment, by letter, where there can be one."""
    first, found = sides[0], {}
    for side, sample in zip(sides[1:], samples[1:], strict=True):
        is_whole = samples[0].is_whole and sample.is_whole
        is_alike = is_measured_alike(METRICS[key], first, side)
        if is_whole and is_alike and not first.diverged and not side.diverged:
            found[side.experiment.label] = _difference(
                key, (first, side), (samples[0], sample), unit
            )
    return found


def _at_every_look(sides: Sequence[Side], measure: Measure) -> dict[str, SequentialVerdict]:
    """Return the verdicts that are valid at every look.

    Runs that lie far from the others count here: the guarantee does not hold if seeds are left out.
    """
    values = [
        {
            facts.run.config.seed: value
            for facts in side.facts
            if facts in side.counted or facts.status == "finished"
            if (value := measure.metric.of(facts)) is not None
        }
        for side in sides
    ]
    unit = resolved(measure.metric, sides[0].experiment.runs[0])
    seen = {
        side.experiment.label: found
        for side, of in zip(sides, values, strict=True)
        if side.experiment.label in measure.verdicts
        if (found := looks(values[0], of, unit.resolution))
    }
    return judge_looks(seen, larger_is_better=unit.larger_is_better, ends_at_decision=False)


def resolved(metric: Metric, run: Run) -> Unit:
    """Return a metric's unit; for an accuracy, with a resolution of one example of its split.

    Args:
        metric: of runs.
        run: one of them.
    """
    count = examples(metric, run)
    return metric.unit if count is None else metric.unit._replace(resolution=1 / count)


def examples(metric: Metric, run: Run) -> int | None:
    """Return the number of examples of an accuracy's split, at least 1; None for other metrics."""
    if metric.split is None or not metric.is_accuracy:
        return None
    return max(1, evaluated(run, metric.split))


def _difference(
    key: str, sides: tuple[Side, Side], samples: tuple[Sample, Sample], unit: Unit
) -> Difference:
    runs = [[facts.run for facts in side.counted] for side in sides]
    if key == "test_accuracy" and len(runs[0]) == len(runs[1]) == 1:
        nets = _nets(runs[0][0], runs[1][0])
        if nets is not None:
            return mcnemar(*nets)
    first, second = (
        dict(zip(side.seeds, sample.known, strict=True))
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
