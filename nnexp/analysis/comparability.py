"""Check that experiments can be compared, and return notes on what limits a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nnexp.analysis.metrics import Facts, Metric, Side
from nnexp.analysis.verdicts import COST
from nnexp.config import rules
from nnexp.config.messages import ranges
from nnexp.store.records import RunRecord
from nnexp.store.run import Run


def has_same_data(first: Side, second: Side) -> bool:
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


def has_same_weights(first: Side, second: Side) -> bool:
    """Return whether the costs of two experiments weigh the classes alike."""
    configs = [side.experiment.runs[0].config for side in (first, second)]
    return configs[0].class_weights == configs[1].class_weights


def evaluated(run: Run, split: str) -> int:
    """Return the number of examples of a run's split."""
    count: int = getattr(run.record.data, split)
    return count


def is_measured_alike(metric: Metric, first: Side, second: Side) -> bool:
    """Return whether a metric of two experiments is measured on the same examples, in one way.

    More training examples are a question that an experiment may ask. Other numbers of validation
    or test examples are other examples: their difference stays, however many seeds are trained.
    """
    if not has_same_data(first, second):
        return False
    if metric.unit is COST and not has_same_weights(first, second):
        return False
    return metric.split in {None, "train"} or metric.split not in _other_counts(first, second)


def _other_counts(first: Side, second: Side) -> list[str]:
    """Return the splits for evaluation that have other numbers of examples."""
    runs = [side.experiment.runs[0] for side in (first, second)]
    return [
        split
        for split in ("validation", "test")
        if evaluated(runs[0], split) != evaluated(runs[1], split)
    ]


def notes(sides: Sequence[Side]) -> Iterator[str]:
    """Yield caveats that a reader must know to interpret the numbers."""
    records = {
        side.experiment.label: [run.record for run in side.experiment.runs] for side in sides
    }
    first, *others = sides
    if different := [s.experiment.label for s in others if not has_same_data(first, s)]:
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
    for side in others:
        for split in _other_counts(first, side) if has_same_data(first, side) else ():
            counts = [evaluated(s.experiment.runs[0], split) for s in (side, first)]
            yield (
                f"{side.experiment.label} has {counts[0]:,} {split} examples and "
                f"{first.experiment.label} {counts[1]:,}, so there is no verdict on what is "
                "measured on these"
            )
    if weighted := [s.experiment.label for s in others if not has_same_weights(first, s)]:
        yield (
            f"costs of {' and '.join(weighted)} weigh the classes unlike those of "
            f"{first.experiment.label} (class_weights), so there is no verdict on costs"
        )
    yield from _other_origins(records)
    for facts in (facts for side in sides for facts in side.facts):
        yield from _changed_numerics(facts)
    yield from unpaired(sides)
    yield from batch_sizes(sides)
    yield from _loads(sides)
    for side in sides:
        if side.apart:
            runs = "run that is" if len(side.apart) == 1 else "runs that are"
            yield (
                f"means, tests and curves of {side.experiment.label} are without the {runs} "
                "shown apart"
            )
    yield from _unfinished(sides)


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


def _unfinished(sides: Sequence[Side]) -> Iterator[str]:
    """Yield how many runs of which experiments did not finish; the same of many in one note."""
    letters: dict[str, list[str]] = {}
    for side in sides:
        for status, count in side.statuses.items():
            if status != "finished":
                state = _state(status, count, len(side.facts))
                letters.setdefault(state, []).append(side.experiment.label)
    for state, several in letters.items():
        if len(several) > FEW:
            yield f"{_listed(several)}: of each, {state}"
        else:
            yield from (f"{letter}: {state}" for letter in several)


FEW = 2
"""Maximum number of experiments that have a note each, if it is the same."""


def _listed(words: Sequence[str]) -> str:
    """Return words as ``A, B and C``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _state(status: str, count: int, total: int) -> str:
    """Return a phrase such as ``2 of 3 runs diverged`` or ``1 of 3 runs is interrupted``."""
    verb = "" if status == "diverged" else "is " if count == 1 else "are "
    return f"{count} of {total} run{'s' * (total != 1)} {verb}{status}"


def unpaired(sides: Sequence[Side]) -> Iterator[str]:
    """Yield notes on seeds that count in an experiment's mean, but in none of its pairs."""
    first = sides[0]
    for side in sides[1:]:
        if not has_same_data(first, side):
            continue
        common = set(first.seeds) & set(side.seeds)
        if common and (set(first.seeds) | set(side.seeds)) - common:
            paired = ranges(sorted(common))
            yield (
                f"{side.experiment.label} is paired with {first.experiment.label} on their common "
                f"seeds, {paired}; means are over all seeds"
            )


def batch_sizes(sides: Sequence[Side]) -> Iterator[str]:
    """Yield whether learning rates were scaled with the mini-batch sizes, if these differ."""
    if len({_batch_size(side) for side in sides}) == 1:
        return
    first, scaled, unscaled = sides[0], [], []
    rate = rules.with_constant_rate(first.experiment.config).learning_rate
    for side in sides[1:]:
        own = rules.with_constant_rate(side.experiment.config).learning_rate
        letter = side.experiment.label
        factor = _batch_size(side) / _batch_size(first)
        if factor == 1 or rate is None or own is None:
            continue
        if math.isclose(own, factor * rate, rel_tol=SCALED):
            scaled.append(letter)
        else:
            unscaled.append(f"{letter} ({own:g}, scaled {factor * rate:g})")
    how = f"scaled with the batch size of {first.experiment.label}"
    parts = [f"η of {_listed(scaled)} was {how}"] if scaled else []
    if unscaled:
        parts.append(f"η of {_listed(unscaled)} was not {how}")
    facts = ", and ".join(["mini-batch sizes differ", *parts])
    yield f"{facts}; nnexp tune CONFIG --only batch-size chooses size and η together"


def _loads(sides: Sequence[Side]) -> Iterator[str]:
    """Yield which times were measured while processes waited for a core."""
    loads = {side.experiment.label: side.overload for side in sides}
    if busy := {letter: timing for letter, timing in loads.items() if timing is not None}:
        highest = max(busy.values(), key=lambda timing: timing.load or 0.0)
        yield (
            f"times of {_listed(list(busy))} were measured under load, up to {highest.load:g} on "
            f"{highest.cores} cores, and are too long"
        )


SCALED = 0.01
"""Relative difference up to which a learning rate counts as scaled with the mini-batch size."""


def _batch_size(side: Side) -> int:
    """Return an experiment's mini-batch size; the number of training examples for ``all``."""
    size = side.experiment.config.batch_size
    return side.experiment.runs[0].record.data.train if size == "all" else size


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
