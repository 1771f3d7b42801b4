"""Choose the smallest candidate that is not worse than the best, by validation accuracy.

The first seed names the best candidate, and rules out those that are far behind it. Smaller ones
that are close are then compared with it on further seeds, which had no part in naming it. They
are tested one after another, the smallest first, until one is not worse: that one is chosen.

Each test is made only if all tests before it found a difference, so that each has the whole 5 %:
a candidate that is as good as the best is passed over in at most 5 % of choices. The test is
valid after every seed, so that seeds can be added until a difference shows.

Source: Westfall and Krishen (2001), Optimally weighted, fixed sequence and gatekeeper multiple
    testing procedures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from nnexp.analysis import sequential, verdicts
from nnexp.analysis.verdicts import ACCURACY
from nnexp.report.samples import SampleOutput, of_sample
from nnexp.report.text import MISSING, percent
from nnexp.seeds import Sample

MOST_SEEDS = 10
"""Maximum of further seeds: at twice the standard deviation, 97 % of differences show by then."""
LOOKS = tuple(range(4, MOST_SEEDS + 1))
"""Numbers of further seeds after which a difference may show; three can never tell."""
ERRORS = 2.0
"""Standard errors within which the search regards accuracies of one seed as equal."""
FAR = 4.0
"""Standard errors beyond which the first seed suffices.

The best of many is lucky with the seed that names it. Four standard errors leave room for this,
as long as differences vary by seed at most 1.25 times as much as between two samples of images.
"""

Scores: TypeAlias = Mapping[float, Mapping[int, float]]
"""Validation accuracy by candidate and seed; all candidates have the first seed, 0."""
RateVerdict: TypeAlias = Literal["best", "better", "tie", "worse", "unsure"]
"""``unsure``: close with the first seed, and not tested."""


class CandidateStanding(NamedTuple):
    """A candidate compared with the best one of the first seed."""

    standing: RateVerdict
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
    """Return the candidate that is best with the first seed; the smaller if several are equal."""
    return min(scores, key=lambda candidate: (-scores[candidate][0], candidate))


def error(accuracy: float, examples: int) -> float:
    """Return the standard error of an accuracy on a number of examples; always positive."""
    p = min(max(accuracy, 1 / (examples + 1)), 1 - 1 / (examples + 1))
    return math.sqrt(p * (1 - p) / examples)


def noise(accuracy: float, examples: int, errors: float = ERRORS) -> float:
    """Return by how much two accuracies on a number of examples may differ by chance.

    Two standard errors of the difference of two proportions, or as many as given; a conservative
    estimate for networks that are equally good, since both are evaluated on the same examples.
    """
    return errors * math.sqrt(2) * error(accuracy, examples)


def standings(
    scores: Scores, examples: int, looks: Sequence[int] = LOOKS
) -> dict[float, CandidateStanding]:
    """Compare each candidate with the best one.

    Args:
        scores: accuracies by candidate and seed.
        examples: size of the validation data.
        looks: the numbers of further seeds after which a difference may show. After the last,
            it is a tie. If there is only one, fixed in advance, the test is the usual t-test,
            which needs fewer seeds than one that is valid after each.
    """
    leader = best(scores)
    return {c: _standing(scores, leader, c, examples, looks) for c in sorted(scores)}


def _standing(
    scores: Scores, leader: float, candidate: float, examples: int, looks: Sequence[int]
) -> CandidateStanding:
    if candidate == leader:
        has_more = any(seed for values in scores.values() for seed in values)
        on = " with the first seed" if has_more else ""
        return CandidateStanding("best", f"highest{on}")
    top, values = _further(scores[leader]), _further(scores[candidate])
    common = min(len(top), len(values))
    if common >= looks[0]:
        test = (_fixed if len(looks) == 1 else _sequential)(top, values, examples)
        if test.differs:
            outcome: RateVerdict = "better" if test.difference > 0 else "worse"
            return CandidateStanding(outcome, f"{outcome}: {test.words}")
        if common >= looks[-1]:
            return CandidateStanding("tie", f"inside the noise: {test.words}")
        return CandidateStanding("unsure", f"too close to call: {test.words}")
    behind = scores[leader][0] - scores[candidate][0]
    limit = noise(scores[leader][0], examples, FAR)
    on = " with the first seed" if top or values else ""
    if behind > limit:
        words = f"worse: {100 * behind:.2f} points{on}, beyond the noise of {100 * limit:.2f}"
        return CandidateStanding("worse", words)
    return CandidateStanding("unsure", f"too close to call: {100 * behind:.2f} points less{on}")


def _further(values: Mapping[int, float]) -> dict[int, float]:
    """Return the values of all seeds but the first, by which the best candidate was named."""
    return {seed: value for seed, value in values.items() if seed}


class _Test(NamedTuple):
    """The result of a test on further seeds."""

    differs: bool
    difference: float
    """The candidate's accuracy minus that of the best one."""
    words: str


def _sequential(top: Mapping[int, float], values: Mapping[int, float], examples: int) -> _Test:
    """Test a candidate against the best one, after every seed."""
    seen = sequential.looks(top, values, 1 / examples)
    verdict = sequential.judge_looks({"it": seen}, larger_is_better=True)["it"]
    last = verdict.looks[-1]
    amount = f"{100 * last.difference:+z.2f} ± {100 * verdict.half_width:.2f}"
    words = f"{amount} points over {last.seeds} further seeds"
    return _Test(verdict.decision != "undecided", last.difference, words)


def _fixed(top: Mapping[int, float], values: Mapping[int, float], examples: int) -> _Test:
    """Test a candidate against the best one, once."""
    unit = ACCURACY._replace(resolution=1 / examples)
    verdict = verdicts.judge({"it": verdicts.between(top, values, unit)}, unit)["it"]
    words = f"{verdict.amount} points over {len(values)} further seeds"
    return _Test(verdict.differs, verdict.difference.difference, words)


def needed_trials(
    scores: Scores, examples: int, looks: Sequence[int] = LOOKS
) -> list[tuple[float, int]]:
    """Return the trials needed to settle the choice, as (candidate, seed); [] if it is settled.

    These are the seeds up to the next look at the choice so far and the best one.
    """
    choice = choose(scores, examples, looks)
    if standings(scores, examples, looks)[choice].standing != "unsure":
        return []
    pair = best(scores), choice
    common = min(len(_further(scores[candidate])) for candidate in pair)
    last = next(look for look in looks if look > common)
    seeds = range(1, last + 1)
    return [(c, seed) for seed in seeds for c in pair if seed not in scores[c]]


def choose(scores: Scores, examples: int, looks: Sequence[int] = LOOKS) -> float:
    """Return the smallest candidate that is not worse than the best; larger ones do not count."""
    leader, ranks = best(scores), standings(scores, examples, looks)
    return min(c for c in scores if c <= leader and ranks[c].standing != "worse")


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
