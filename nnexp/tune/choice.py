"""The choice between candidates by validation accuracy: what lies inside the noise is a tie.

Accuracies of two trials with one seed are told apart by the validation data alone: a difference
below two standard errors is too close to call. Only there seeds are added, up to five, and from
three on a paired t-test decides. Ties go to the candidate that is preferred: for λ the smaller.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Literal, NamedTuple, TypeAlias

from nnexp.analysis import verdicts
from nnexp.analysis.power import FEWEST_SEEDS
from nnexp.analysis.verdicts import ACCURACY

MOST_SEEDS = 5
ERRORS = 2.0
"""Standard errors of a difference below which it is too close to call."""

Scores: TypeAlias = Mapping[float, Mapping[int, float]]
"""Validation accuracy by candidate and seed."""
RateVerdict: TypeAlias = Literal["best", "tie", "worse", "unsure"]


class Stands(NamedTuple):
    """How a candidate stands beside the best one."""

    standing: RateVerdict
    accuracy: float
    seeds: int
    words: str


def best(scores: Scores) -> float:
    """Return the candidate of the highest mean accuracy, the smaller of two equals."""
    return min(scores, key=lambda each: (-mean(scores[each].values()), each))


def error(accuracy: float, examples: int) -> float:
    """Return the standard error of an accuracy on so many examples; never nothing."""
    p = min(max(accuracy, 1 / (examples + 1)), 1 - 1 / (examples + 1))
    return math.sqrt(p * (1 - p) / examples)


def noise(accuracy: float, examples: int) -> float:
    """Return how far two accuracies on so many examples may lie apart by chance.

    Two standard errors of the difference of two proportions; since both nets see the same
    examples, that is rather too much than too little.
    """
    return ERRORS * math.sqrt(2) * error(accuracy, examples)


def standings(scores: Scores, examples: int, most_seeds: int = MOST_SEEDS) -> dict[float, Stands]:
    """Return how each candidate stands beside the best one.

    Args:
        scores: accuracies by candidate and seed.
        examples: in the validation data.
        most_seeds: of a candidate; with so many, what is still inside the noise is a tie.
    """
    leader = best(scores)
    return {each: _stands(scores, leader, each, examples, most_seeds) for each in sorted(scores)}


def _stands(scores: Scores, leader: float, each: float, examples: int, most: int) -> Stands:
    values, top = scores[each], scores[leader]
    accuracy, seeds = mean(values.values()), len(values)
    if each == leader:
        return Stands("best", accuracy, seeds, "highest")
    gap = mean(top.values()) - accuracy
    limit = noise(mean(top.values()), examples)
    common = {seed: values[seed] for seed in values if seed in top}
    settled = len(common) >= most
    if len(common) < FEWEST_SEEDS["paired t"]:
        if gap > limit:
            words = f"worse: {100 * gap:.2f} points, beyond the noise of {100 * limit:.2f}"
            return Stands("worse", accuracy, seeds, words)
        return _close(accuracy, seeds, f"{100 * gap:.2f} points less", settled=settled)
    verdict = verdicts.judge({"it": verdicts.between(top, values, ACCURACY)}, ACCURACY)["it"]
    if verdict.outcome == "worse":
        p = "" if verdict.p is None else f", p = {verdict.p:.3f}"
        return Stands("worse", accuracy, seeds, f"worse: {verdict.amount} points{p}")
    if verdict.outcome == "identical":
        return Stands("tie", accuracy, seeds, "identical")
    return _close(accuracy, seeds, f"{verdict.amount} points", settled=settled)


def _close(accuracy: float, seeds: int, words: str, *, settled: bool) -> Stands:
    if not settled:
        return Stands("unsure", accuracy, seeds, f"too close to call: {words}")
    return Stands("tie", accuracy, seeds, f"inside the noise: {words}")


def wanted(
    scores: Scores,
    preferred: Sequence[float],
    examples: int,
    most_seeds: int = MOST_SEEDS,
) -> list[tuple[float, int]]:
    """Return the trials that would settle the choice, as candidate and seed; none: it is settled.

    A candidate that is too close to call matters only if it is preferred to the best one. Seeds
    are added in their order, to whichever of the two has not had them: pairs are what tells.
    """
    leader = best(scores)
    found = standings(scores, examples, most_seeds)
    rivals = [each for each in _before(preferred, leader) if each in found]
    unsure = [each for each in rivals if found[each].standing == "unsure"]
    if not unsure:
        return []
    lacking = {each: _first_lacking(scores[each]) for each in (leader, *unsure)}
    seed = min(lacking.values())
    return [(each, seed) for each, first in lacking.items() if first == seed]


def _first_lacking(scores: Mapping[int, float]) -> int:
    return next(seed for seed in itertools.count() if seed not in scores)


def chosen(
    scores: Scores,
    preferred: Sequence[float],
    examples: int,
    most_seeds: int = MOST_SEEDS,
) -> float:
    """Return the first of the preferred that is no worse than the best, or the best."""
    leader = best(scores)
    found = standings(scores, examples, most_seeds)
    ties = (each for each in _before(preferred, leader) if each in found)
    return next((each for each in ties if found[each].standing in {"tie", "unsure"}), leader)


def _before(preferred: Sequence[float], leader: float) -> Sequence[float]:
    return preferred[: preferred.index(leader)] if leader in preferred else preferred


def walk(
    scores: Scores,
    start: float,
    examples: int,
    ends: tuple[float, float],
    learned: Callable[[float], bool] = lambda _: True,
) -> list[float]:
    """Return the λ to try next, by ×10 and ÷10 from a start; none: enough is known.

    Up until one is worse than the best below it, beyond the noise; down until one is no better
    than the one before it, since still smaller ones change less and less. Where nothing is
    learned, λ is too large: a larger one is not tried, and smaller ones are until that ends.
    The way up and the way down do not depend on each other, so that both go on at the same time.

    Args:
        scores: what was tried.
        start: where to begin.
        examples: in the validation data.
        ends: the smallest and the largest λ to be tried.
        learned: says whether an accuracy is better than guessing.
    """
    if start not in scores:
        return [start, *_multiples(start, 0.1, ends)[:1]]
    has_learned = learned(mean(scores[start].values()))
    up = _next_up(scores, start, examples, ends) if has_learned else None
    down = _next_down(scores, start, ends, learned)
    return [strength for strength in (up, down) if strength is not None]


def _next_up(
    scores: Scores, start: float, examples: int, ends: tuple[float, float]
) -> float | None:
    top = mean(scores[start].values())
    for candidate in _multiples(start, 10.0, ends):
        if candidate not in scores:
            return candidate
        accuracy = mean(scores[candidate].values())
        if top - accuracy > noise(top, examples):
            break
        top = max(top, accuracy)
    return None


def _next_down(
    scores: Scores, start: float, ends: tuple[float, float], learned: Callable[[float], bool]
) -> float | None:
    top, before = mean(scores[start].values()), start
    for candidate in _multiples(start, 0.1, ends):
        if candidate not in scores:
            return candidate
        accuracy = mean(scores[candidate].values())
        if learned(top) and accuracy <= mean(scores[before].values()):
            return None
        top = max(top, accuracy)
        before = candidate
    return None


def _multiples(start: float, factor: float, ends: tuple[float, float]) -> list[float]:
    if not start > 0:  # 0 times anything is 0 for ever
        return []
    found, value = [], rounded(start * factor)
    while ends[0] <= value <= ends[1]:
        found.append(value)
        value = rounded(value * factor)
    return found


def between(coarse: Sequence[float], centre: float) -> list[float]:
    """Return the finer candidates around one: a half, a fifth, twice, five times."""
    fine = [rounded(factor * centre) for factor in (0.2, 0.5, 2.0, 5.0)]
    return [each for each in fine if each not in coarse]


def rounded(value: float) -> float:
    """Return a value without the last digits that multiplying brings: 0.1 · 3 is 0.3."""
    return float(f"{value:.10g}")
