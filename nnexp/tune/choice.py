"""Choose between candidates by validation accuracy; differences inside the noise are ties.

With one seed, differences below two standard errors of the validation accuracy are too close to
call. Only then are seeds added, up to five; from three on, a paired t-test decides. Ties go to
the preferred candidate: for λ, the smaller.

Seeds are added to some candidates only, and a mean over other seeds is another quantity. So
candidates are always compared on the seeds that they have in common.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import mean
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from nnexp.analysis import verdicts
from nnexp.analysis.power import FEWEST_SEEDS
from nnexp.analysis.verdicts import ACCURACY
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.text import MISSING, percent
from nnexp.seeds import Sample

MOST_SEEDS = 5
ERRORS = 2.0
"""Differences below this many standard errors are too close to call."""

Scores: TypeAlias = Mapping[float, Mapping[int, float]]
"""Validation accuracy by candidate and seed."""
RateVerdict: TypeAlias = Literal["best", "tie", "worse", "unsure"]


class CandidateStanding(NamedTuple):
    """A candidate compared with the best one."""

    standing: RateVerdict
    gap: float
    """By how much the best one is better, on the seeds that both have."""
    words: str


class CandidateOutput(Struct, frozen=True, kw_only=True, tag_field="tried"):
    """A candidate compared with the best one, for JSON."""

    standing: RateVerdict
    comparison: str
    """The standing in words, with numbers."""
    best_validation_accuracy: SampleOutput

    @property
    def cells(self) -> list[str]:
        """The cells of its table row, after the candidate itself."""
        accuracy = self.best_validation_accuracy
        by_seed = [MISSING if v is None else f"{100 * v:.2f}" for v in accuracy.values]
        return [self.comparison, percent(accuracy.mean), ", ".join(by_seed)]


COLUMNS = ("beside the best", "validation", "by seed, in %")
"""The headers of a candidate's cells."""


def accuracy_output(scores: Mapping[int, float]) -> SampleOutput:
    """Return a candidate's accuracies, in the order of the seeds, for JSON."""
    return of_sample(Sample(tuple(scores[seed] for seed in sorted(scores))))


def best(scores: Scores) -> float:
    """Return the best candidate; the smaller if several are equal.

    It is the best of those with the most seeds, on their common seeds. ``needed_trials`` gives
    these seeds to every candidate that is better than it on those that both have.
    """
    most = max(map(len, scores.values()))
    finalists = [candidate for candidate, values in scores.items() if len(values) == most]
    common = set.intersection(*(set(scores[candidate]) for candidate in finalists))
    return min(finalists, key=lambda c: (-_mean(scores[c], common), c))


def gap(scores: Scores, leader: float, candidate: float) -> float:
    """Return by how much one candidate is better than another, on the seeds that both have."""
    first, second = scores[leader], scores[candidate]
    common = first.keys() & second.keys()
    return _mean(first, common) - _mean(second, common)


def _mean(values: Mapping[int, float], seeds: Collection[int]) -> float:
    """Return the mean over some seeds, rounded so that equal means are equal numbers."""
    return round(math.fsum(values[seed] for seed in seeds) / len(seeds), 12)


def are_paired(scores: Scores) -> bool:
    """Return whether all candidates have the same seeds."""
    return len({frozenset(values) for values in scores.values()}) == 1


def error(accuracy: float, examples: int) -> float:
    """Return the standard error of an accuracy on a number of examples; always positive."""
    p = min(max(accuracy, 1 / (examples + 1)), 1 - 1 / (examples + 1))
    return math.sqrt(p * (1 - p) / examples)


def noise(accuracy: float, examples: int) -> float:
    """Return by how much two accuracies on a number of examples may differ by chance.

    Two standard errors of the difference of two proportions; a conservative estimate, since both
    nets are evaluated on the same examples.
    """
    return ERRORS * math.sqrt(2) * error(accuracy, examples)


def standings(
    scores: Scores, examples: int, most_seeds: int = MOST_SEEDS
) -> dict[float, CandidateStanding]:
    """Compare each candidate with the best one.

    Args:
        scores: accuracies by candidate and seed.
        examples: size of the validation data.
        most_seeds: maximum for a candidate; with that many, a difference inside the noise is a
            tie.
    """
    leader = best(scores)
    return {c: _standing(scores, leader, c, examples, most_seeds) for c in sorted(scores)}


def _standing(
    scores: Scores, leader: float, candidate: float, examples: int, most: int
) -> CandidateStanding:
    if candidate == leader:
        return CandidateStanding("best", 0.0, "highest")
    values, top = scores[candidate], scores[leader]
    common = values.keys() & top.keys()
    behind = gap(scores, leader, candidate)
    limit = noise(_mean(top, common), examples)
    settled = len(common) >= most
    if len(common) < FEWEST_SEEDS["paired t"]:
        on = _on(common, values, top)
        if behind > limit:
            words = f"worse: {100 * behind:.2f} points{on}, beyond the noise of {100 * limit:.2f}"
            return CandidateStanding("worse", behind, words)
        return _close(behind, f"{100 * behind:.2f} points less{on}", settled=settled)
    verdict = verdicts.judge({"it": verdicts.between(top, values, ACCURACY)}, ACCURACY)["it"]
    if verdict.outcome == "worse":
        p = "" if verdict.p is None else f", p = {verdict.p:.3f}"
        return CandidateStanding("worse", behind, f"worse: {verdict.amount} points{p}")
    if verdict.outcome == "identical":
        return CandidateStanding("tie", behind, "identical")
    return _close(behind, f"{verdict.amount} points", settled=settled)


def _on(common: Collection[int], *sides: Mapping[int, float]) -> str:
    """Return on which seeds two candidates are compared, unless these are all that they have."""
    if all(len(side) == len(common) for side in sides):
        return ""
    return f" on the first {'seed' if len(common) == 1 else f'{len(common)} seeds'}"


def _close(gap: float, words: str, *, settled: bool) -> CandidateStanding:
    if not settled:
        return CandidateStanding("unsure", gap, f"too close to call: {words}")
    return CandidateStanding("tie", gap, f"inside the noise: {words}")


def needed_trials(
    scores: Scores,
    preferred: Sequence[float],
    examples: int,
    most_seeds: int = MOST_SEEDS,
) -> list[tuple[float, int]]:
    """Return the trials needed to settle the choice, as (candidate, seed); [] if it is settled.

    A candidate that is too close to call matters only if it is preferred to the best one, or is
    better on the seeds that both have. Seeds are added in order, to those that lack them, so that
    candidates can be compared in pairs.
    """
    leader = best(scores)
    ranks = standings(scores, examples, most_seeds)
    better = [c for c, r in ranks.items() if r.gap < 0 and len(scores[c]) < len(scores[leader])]
    if better:
        return [(candidate, _first_missing(scores[candidate])) for candidate in better]
    rivals = [candidate for candidate in _before(preferred, leader) if candidate in ranks]
    unsure = [candidate for candidate in rivals if ranks[candidate].standing == "unsure"]
    if not unsure:
        return []
    missing = {candidate: _first_missing(scores[candidate]) for candidate in (leader, *unsure)}
    seed = min(missing.values())
    return [(candidate, seed) for candidate, first in missing.items() if first == seed]


def _first_missing(scores: Mapping[int, float]) -> int:
    return next(seed for seed in itertools.count() if seed not in scores)


def choose(
    scores: Scores,
    preferred: Sequence[float],
    examples: int,
    most_seeds: int = MOST_SEEDS,
) -> float:
    """Return the most preferred candidate that is not worse than the best."""
    leader = best(scores)
    ranks = standings(scores, examples, most_seeds)
    rivals = (candidate for candidate in _before(preferred, leader) if candidate in ranks)
    return next((c for c in rivals if ranks[c].standing in {"tie", "unsure"}), leader)


def _before(preferred: Sequence[float], leader: float) -> Sequence[float]:
    return preferred[: preferred.index(leader)] if leader in preferred else preferred


def next_strengths(
    scores: Scores,
    start: float,
    examples: int,
    ends: tuple[float, float],
    learned: Callable[[float], bool] = lambda _: True,
) -> list[float]:
    """Return the λ to try next, by ×10 and ÷10 from a start; [] once the search is complete.

    Upwards until one is worse, beyond the noise, than the best below it; downwards until one is
    no better than the one before it, since smaller ones matter less and less. If nothing is
    learned, λ is too large: only smaller ones are tried, until one is better than guessing. Both
    directions are independent, so that they can be trained at the same time.

    Args:
        scores: accuracies of the λ tried so far.
        start: the first λ.
        examples: size of the validation data.
        ends: the smallest and the largest λ to try.
        learned: returns whether an accuracy is better than guessing.
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
    if not start > 0:  # multiples of 0 would never end
        return []
    multiples, value = [], rounded(start * factor)
    while ends[0] <= value <= ends[1]:
        multiples.append(value)
        value = rounded(value * factor)
    return multiples


def finer(coarse: Sequence[float], centre: float) -> list[float]:
    """Return new candidates around one: a fifth, a half, twice and five times of it."""
    fine = [rounded(factor * centre) for factor in (0.2, 0.5, 2.0, 5.0)]
    return [candidate for candidate in fine if candidate not in coarse]


def rounded(value: float) -> float:
    """Round to ten significant digits, to remove rounding errors: 0.1 · 3 is 0.3."""
    return float(f"{value:.10g}")
