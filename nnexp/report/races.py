"""The result of race: as a document, as lines of progress, and as a value for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from nnexp.analysis import comparability
from nnexp.analysis.comparison import differing
from nnexp.analysis.metrics import Facts, Side
from nnexp.analysis.sequential import MOST, Decision, SequentialVerdict
from nnexp.analysis.verdicts import about, amount, p_words, rounded_up
from nnexp.config.messages import ranges
from nnexp.report import comparisons
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.text import setting

if TYPE_CHECKING:
    from nnexp.study.race import RaceResult


def document(result: RaceResult) -> Document:
    """Return the configs with their seeds and differences, what differs, and the verdicts."""
    notes = list(_notes(result))
    return plain(
        _table(result),
        _config(result),
        Sentences(_legend(result)),
        Sentences(notes, "note") if notes else None,
        Sentences([sentence(result, letter) for letter in result.verdicts], "verdict"),
    )


def _table(result: RaceResult) -> Table:
    measure = result.definition.measure
    mean = "mean, %" if measure.is_accuracy else f"mean, {measure.unit.name}".removesuffix(", ")
    rows = [_row(result, entrant.letter, entrant.place) for entrant in result.definition.entrants]
    header = ["", "run", "seeds", mean, f"- {result.baseline.letter}", "", "p"]
    return Table(header, rows, left=3)


def _row(result: RaceResult, letter: str, place: str) -> list[str]:
    seeds, sample = ranges(list(result.values[letter])), result.sample(letter)
    cells = [letter, place, seeds or "-", comparisons.cell(sample, result.unit)]
    verdict = result.verdicts.get(letter)
    if verdict is None:
        return [*cells, "", "", ""]
    p = p_words(verdict.p).removeprefix("p = ").removeprefix("p ") if verdict.looks else "-"
    return [*cells, _amount(result, verdict) or "-", _word(result, letter), p]


def _word(result: RaceResult, letter: str) -> str:
    """Return a verdict in a word, for a table."""
    return "no verdict" if result.stop_of(letter) else result.verdicts[letter].decision


def _amount(result: RaceResult, verdict: SequentialVerdict) -> str:
    """Format a difference with its confidence sequence; empty before the second seed."""
    if verdict.look is None:
        return ""
    width = verdict.half_width
    half = None if math.isinf(width) else width
    return amount(verdict.look.difference, half, result.unit)


def _config(result: RaceResult) -> Table:
    """Return the keys that differ; the configs of a race differ in one at least."""
    letters = [entrant.letter for entrant in result.definition.entrants]
    rows = [[key, *map(setting, values)] for key, values in differing(result.experiments)]
    return Table(["config", *letters], rows)


def _legend(result: RaceResult) -> list[str]:
    """Return what the signs of the table mean, as far as they occur in it."""
    verdicts = result.verdicts.values()
    spread = ["standard deviation over seeds"] if result.seeds > 1 else []
    levels: dict[str, list[str]] = {}
    for letter, verdict in result.verdicts.items():
        if verdict.looks and not math.isinf(verdict.half_width):
            levels.setdefault(f"{100 * (1 - verdict.level):.4g} %", []).append(letter)
    if levels:
        shown = ", ".join(f"{level} ({', '.join(levels[level])})" for level in levels)
        which = f"confidence sequence: {shown}, by Holm's method"
        if len(levels) == 1:
            which = f"{next(iter(levels))} confidence sequence"
        spread.append(f"of differences, half-width of the {which}")
    lines = [f"means and verdicts: {result.definition.measure.label.strip()}"]
    lines += [f"±: {'; '.join(spread)}"] if spread else []
    if any(verdict.looks for verdict in verdicts):
        over = (
            f", adjusted for {len(verdicts)} configs by Holm's method" if len(verdicts) > 1 else ""
        )
        known = [verdict.p for verdict in verdicts if verdict.looks and verdict.p < 1]
        if len(set(known)) < len(known):
            over += ", which can make several equal"
        lines.append(
            f"p: of the strongest evidence at any look so far{over}; a difference is decided at 5 %"
        )
    return lines


def _notes(result: RaceResult) -> Iterator[str]:
    """Yield the caveats of compare on seeds and η, and the runs that lie far from the others."""
    sides = [
        Side(experiment, tuple(map(Facts, experiment.runs)))
        for experiment in result.experiments
        if experiment.runs and experiment.label not in result.stops
    ]
    if sides and sides[0].experiment.label == result.baseline.letter:
        yield from comparability.unpaired(sides)
        yield from comparability.batch_sizes(sides)
    label = result.definition.measure.label.strip()
    for letter, runs in result.far().items():
        for run in runs:
            value = "" if run.value is None else result.unit.show(run.value, whole=True)
            yield (
                f"{letter}: {label} of {run.facts.run.path}, {value}, is {run.why}; "
                "in a race all seeds count"
            )


def sentence(result: RaceResult, letter: str) -> str:
    """Return the verdict on a config in words."""
    verdict, label = result.verdicts[letter], result.definition.measure.label.strip()
    if (stopped := result.stop_of(letter)) is not None:
        name, stop = stopped
        run = next(e for e in result.definition.entrants if e.letter == name).job(stop.seed).run
        return f"no verdict on {letter}: seed {stop.seed} of {name} {stop.why} ({run.path})"
    look = verdict.look
    if look is None:
        return f"{label}: {letter} is undecided"
    measured = f"{_amount(result, verdict)} {result.unit.name}".rstrip()
    p = f"{p_words(verdict.p)}, valid at every look"
    p += f", Holm over {len(result.verdicts)}" if len(result.verdicts) > 1 else ""
    if verdict.decision == "same":
        return f"{label}: {letter} is {_within(result)}: {measured} ({look.seeds} seeds)"
    if verdict.differs:
        return f"{label}: {letter} is {verdict.decision}: {measured} ({look.seeds} seeds, {p})"
    return (
        f"{label}: {letter} is undecided after {look.seeds} seeds: {measured} ({p}); "
        f"{_expected(result, letter)}"
    )


def _within(result: RaceResult) -> str:
    """Return that two configs are the same, such as ``the same within 0.2 points``."""
    effect = result.definition.smallest_effect * result.unit.factor
    return f"the same within {effect:g} {result.unit.name}".rstrip() if effect else "equal"


def _expected(result: RaceResult, letter: str) -> str:
    """Return how many seeds would decide, in words."""
    expected = result.expected(letter)
    if expected is None:
        return (
            f"with this difference and spread, not even {MOST:,} seeds would decide; a larger "
            "--smallest-effect may"
        )
    most = f"--at-most {rounded_up(expected)}"
    return f"with this difference and spread, {about(expected)} seeds would decide ({most})"


def progress(result: RaceResult) -> list[str]:
    """Return a line for each config but the first: its verdict so far."""
    lines = []
    for letter, verdict in result.verdicts.items():
        measured = f"{_amount(result, verdict)} {result.unit.name}".rstrip()
        evidence = f" {measured}, {p_words(verdict.p)}," if verdict.looks else ""
        lines.append(f"{letter}{evidence} {_word(result, letter)}")
    return lines


class LookOutput(Struct, frozen=True, kw_only=True):
    """The evidence on a difference after some seeds."""

    seeds: int
    difference: float
    low: float | None
    """This and the next are the ends of the confidence sequence; null if it is infinite."""
    high: float | None
    e: float
    """The e-value: evidence that there is a difference."""


class RaceVerdictOutput(Struct, frozen=True, kw_only=True):
    """The verdict on a config against the first one."""

    verdict: Decision
    words: str
    """The verdict as a sentence."""
    stopped: str | None
    """Why there is no verdict, if a run has no value."""
    p: float | None
    """For someone who looked after every seed, adjusted by Holm's method; null before two seeds."""
    confidence: float
    """The level of the confidence sequence."""
    looks: list[LookOutput]
    """After each seed from the second on, up to the verdict."""
    seeds_expected: int | None
    """Seeds after which an undecided config would be decided; null if it is not known."""


class EntrantOutput(Struct, frozen=True, kw_only=True):
    """A config of a race."""

    run: str
    """The path of its runs without -s and the seed."""
    runs: list[str]
    seeds: list[int]
    metric: SampleOutput


class RaceOutput(Struct, frozen=True, kw_only=True):
    """The result of race; accuracies and their differences are fractions."""

    metric: str
    """The name of the metric that is judged."""
    at_most: int
    """The maximum number of seeds of each config."""
    smallest_effect: float | None
    """Configs that differ by less are the same; null if none was given and there is no default."""
    seeds: int
    """The number of seeds of the first config that were judged."""
    experiments: dict[str, EntrantOutput]
    """By letter."""
    config: dict[str, dict[str, Any]]
    """The values of the keys that differ, by key and letter."""
    notes: list[str]
    """Sentences on seeds, learning rates and single runs."""
    verdicts: dict[str, RaceVerdictOutput]
    """By letter."""
    decided: bool
    """Whether all configs are; otherwise the exit code is 7."""


def output(result: RaceResult) -> RaceOutput:
    """Return a race as a value for JSON."""
    letters = [entrant.letter for entrant in result.definition.entrants]
    return RaceOutput(
        metric=result.definition.metric,
        at_most=result.definition.at_most,
        smallest_effect=result.definition.smallest_effect or None,
        seeds=result.seeds,
        experiments={
            experiment.label: EntrantOutput(
                run=experiment.place,
                runs=[str(run.path) for run in experiment.runs],
                seeds=list(experiment.seeds),
                metric=of_sample(result.sample(experiment.label)),
            )
            for experiment in result.experiments
        },
        config={
            key: {n: v for n, v in zip(letters, values, strict=True) if v is not UNSET}
            for key, values in differing(result.experiments)
        },
        notes=list(_notes(result)),
        verdicts={letter: _verdict_output(result, letter) for letter in result.verdicts},
        decided=not result.undecided,
    )


def _verdict_output(result: RaceResult, letter: str) -> RaceVerdictOutput:
    verdict, stopped = result.verdicts[letter], result.stop_of(letter)
    is_open = verdict.decision == "undecided" and stopped is None and verdict.looks
    return RaceVerdictOutput(
        verdict=verdict.decision,
        words=sentence(result, letter),
        stopped=None if stopped is None else stopped[1].why,
        p=verdict.p if verdict.looks else None,
        confidence=1 - verdict.level,
        looks=list(_looks(verdict)),
        seeds_expected=result.expected(letter) if is_open else None,
    )


def _looks(verdict: SequentialVerdict) -> Iterator[LookOutput]:
    for look in verdict.looks:
        half = look.half_width(verdict.level)
        is_finite = math.isfinite(half)
        yield LookOutput(
            seeds=look.seeds,
            difference=look.difference,
            low=look.difference - half if is_finite else None,
            high=look.difference + half if is_finite else None,
            e=look.e,
        )
