"""The verdicts of a comparison for someone who looked after every seed, and the race for them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from nnexp.analysis.comparison import PREFERRED, Comparison
from nnexp.analysis.sequential import BUDGET, Decision, SequentialVerdict, seeds_expected
from nnexp.analysis.verdicts import Verdict, p_words, rounded_up
from nnexp.report.document import Commands
from nnexp.runner import backends

NAMED = 6
"""Maximum number of experiments with the same decision that are listed, or raced."""


class SequentialOutput(Struct, frozen=True, kw_only=True):
    """The verdict on an experiment that is valid at every look."""

    verdict: Decision
    p: float
    """For someone who looked after every seed, adjusted by Holm's method."""
    seeds: int
    """On each side, at the look that decides: that with the strongest evidence, or the last."""
    low: float | None
    """This and the next are the ends of the confidence sequence; null while infinite."""
    high: float | None
    confidence: float
    """The level of the confidence sequence."""


def output(verdict: SequentialVerdict) -> SequentialOutput | None:
    """Return a verdict as a value for JSON; None without a look."""
    look, half = verdict.look, verdict.half_width
    if look is None:
        return None
    return SequentialOutput(
        verdict=verdict.decision,
        p=verdict.p,
        seeds=look.seeds,
        low=look.difference - half if math.isfinite(half) else None,
        high=look.difference + half if math.isfinite(half) else None,
        confidence=1 - verdict.level,
    )


def sentences(comparison: Comparison, shown: Collection[str] | None = None) -> list[str]:
    """Return whether the verdicts hold for someone who looked after every seed, in a sentence.

    Args:
        comparison: of the experiments.
        shown: the letters of those whose verdicts are wanted; None for all.

    Returns: one sentence; none if there is no verdict that looks could spoil.
    """
    verdicts = _verdicts(comparison, shown)
    if not verdicts:
        return []
    if len(comparison.sides) == 2:  # noqa: PLR2004 - only a pair has room for p
        ((letter, verdict),) = verdicts.items()
        words = _decision(letter, verdict, comparison.verdicts[letter])
    else:
        words = "; ".join(
            f"{_named(letters)} {'is' if len(letters) == 1 else 'are'} {decision}"
            for decision, letters in _by_decision(verdicts).items()
        )
    return [f"if you looked after every seed: {words}"]


def _decision(letter: str, verdict: SequentialVerdict, fixed: Verdict) -> str:
    """Return a verdict with its p, beside that of the fixed test.

    A difference that was decided may have become smaller since: then it is that of fewer seeds.
    """
    if verdict.look is None or not verdict.differs:
        return f"undecided ({p_words(verdict.p)})"
    if fixed.outcome == verdict.decision:
        return f"{letter} is still {verdict.decision} ({p_words(verdict.p)})"
    seeds = verdict.look.seeds
    return f"{letter} was {verdict.decision} after {seeds} seeds ({p_words(verdict.p)})"


def race(comparison: Comparison, shown: Collection[str] | None = None) -> Commands | None:
    """Return the command that trains seeds until the undecided are decided.

    There is none if all are decided, or if too many seeds would be needed. There is none either if
    a race would not go on from these runs: if experiments share a name or have several, or if
    their seeds are not 0, 1, 2 and so on.

    Args:
        comparison: of the experiments.
        shown: the letters of those whose verdicts are wanted, the best first; None for all. Of
            many that are undecided, the first are raced.
    """
    experiments = {side.experiment.label: side.experiment for side in comparison.sides}
    verdicts = _verdicts(comparison, shown)
    metric = comparison.measures[comparison.judged].metric
    expected = {
        letter: seeds_expected(verdicts[letter], metric.smallest_effect)
        for letter in shown or experiments
        if letter in verdicts and verdicts[letter].decision == "undecided"
    }
    needed = {letter: seeds for letter, seeds in expected.items() if seeds is not None}
    raced = [comparison.sides[0].experiment, *(experiments[letter] for letter in needed)][
        : NAMED + 1
    ]
    names = [name for experiment in raced for name in experiment.stems]
    are_first = all(e.seeds == tuple(range(len(e.seeds))) for e in raced)
    if not needed or comparison.is_of_seeds or not are_first:
        return None
    if not len(set(names)) == len(names) == len(raced):
        return None
    words = ["nnexp", "race", *(experiment.place for experiment in raced)]
    if comparison.judged != PREFERRED[0]:
        words += ["--metric", comparison.judged]
    most = max(list(needed.values())[:NAMED])
    if most > BUDGET:
        words += ["--at-most", str(rounded_up(most))]
    words += backends.option(raced[0].runs[0])
    which = "the best of these are" if len(needed) > NAMED else "this is"
    return Commands(f"to train seeds until {which} decided", [shlex.join(words)])


def _verdicts(
    comparison: Comparison, shown: Collection[str] | None
) -> dict[str, SequentialVerdict]:
    """Return the wanted verdicts, but for those on experiments with equal results."""
    return {
        letter: verdict
        for letter, verdict in comparison.sequential.items()
        if shown is None or letter in shown
        if comparison.verdicts[letter].outcome != "identical"
    }


def _by_decision(verdicts: Mapping[str, SequentialVerdict]) -> dict[Decision, list[str]]:
    decisions: dict[Decision, list[str]] = {}
    for letter, verdict in verdicts.items():
        decisions.setdefault(verdict.decision, []).append(letter)
    return decisions


def _named(letters: Sequence[str]) -> str:
    """Return letters in words, such as ``B and D``; of many, how many they are."""
    if len(letters) > NAMED:
        return f"{len(letters)} experiments"
    return " and ".join(filter(None, [", ".join(letters[:-1]), letters[-1]]))
