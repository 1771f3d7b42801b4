"""Compare candidates by validation accuracy and cost, and propose the next λ to try.

What is chosen need not be proved better: if two are equally good, either choice loses nothing. λ
is chosen among those that are inside the noise of the highest accuracy. Their accuracies differ by
few images, by chance; their validation costs, to which every image contributes by how sure the
network is of it, vary less from seed to seed than from λ to λ. Where one candidate has something to
tune and the other has not, as a schedule beside a constant rate, it is chosen only if its accuracy
is better beyond the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from nnexp.report.text import percent

ERRORS = 2.0
"""Standard errors within which accuracies of one seed count as equal."""
MARGIN = 0.05
"""Excess of a validation cost that counts as noise: seeds change it by 2 to 10 %."""


class Score(NamedTuple):
    """The results of a λ on the validation data, with one seed."""

    accuracy: float
    """The best epoch's; 0 if training diverged."""
    cost: float
    """The lowest without the penalty, as in ``data_cost``; infinite if it diverged."""


Scores: TypeAlias = Mapping[float, Score]
"""By λ."""
StandingName: TypeAlias = Literal["best", "tie", "worse"]


class CandidateStanding(NamedTuple):
    """A candidate's accuracy compared with the highest one."""

    standing: StandingName
    words: str


class CandidateOutput(Struct, frozen=True, kw_only=True, tag_field="tried"):
    """A candidate's accuracy compared with the highest one."""

    standing: StandingName
    comparison: str
    """The standing in words, with numbers."""
    best_validation_accuracy: float

    @property
    def cells(self) -> list[str]:
        """The cells of its table row, after the candidate itself."""
        return [self.comparison, percent(self.best_validation_accuracy)]


COLUMNS = ("beside the best", "validation")
"""The headers of a candidate's cells."""


def highest(scores: Scores) -> float:
    """Return the λ of the highest accuracy; the smallest if several are equal."""
    return min(scores, key=lambda candidate: (-scores[candidate].accuracy, candidate))


def best(scores: Scores, examples: int) -> float:
    """Return the λ to choose, by accuracy on a number of examples and by cost.

    Of those inside the noise of the highest accuracy, it is the largest whose cost is not higher
    than the lowest beyond noise.
    """
    ranks = standings(scores, examples)
    return largest_of_low_cost({c: scores[c].cost for c in scores if ranks[c].standing != "worse"})


def largest_of_low_cost(costs: Mapping[float, float]) -> float:
    """Return the largest candidate whose cost exceeds the lowest by at most ``MARGIN``.

    If training diverged with all of them, it is the smallest.
    """
    lowest = min(costs.values())
    if lowest == math.inf:
        return min(costs)
    return max(candidate for candidate, cost in costs.items() if cost <= (1 + MARGIN) * lowest)


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


def standings(scores: Scores, examples: int) -> dict[float, CandidateStanding]:
    """Compare each λ's accuracy with the highest one on a number of validation examples."""
    leader = highest(scores)
    top = scores[leader].accuracy
    others = {c: beside(top, score.accuracy, examples) for c, score in sorted(scores.items())}
    return {**others, leader: CandidateStanding("best", "highest")}


def beside(top: float, accuracy: float, examples: int, errors: float = ERRORS) -> CandidateStanding:
    """Compare an accuracy with the highest one."""
    behind, limit = top - accuracy, noise(top, examples, errors)
    if behind > limit:
        words = f"worse: {100 * behind:.2f} points, beyond the noise of {100 * limit:.2f}"
        return CandidateStanding("worse", words)
    return CandidateStanding("tie", f"inside the noise: {100 * behind:.2f} points less")


def finalists(scores: Scores, examples: int) -> list[float]:
    """Return the best λ and those up to ten times as large inside the highest accuracy's noise.

    λ acts late: after a few epochs, larger ones look worse than they are.
    """
    leader, ranks = best(scores, examples), standings(scores, examples)
    most = rounded(10 * leader)
    return [c for c in sorted(scores) if leader <= c <= most and ranks[c].standing != "worse"]


def next_strengths(
    scores: Scores,
    start: float,
    examples: int,
    ends: tuple[float, float],
    learned: Callable[[float], bool] = lambda _: True,
) -> list[float]:
    """Return the λ to try next, by ×10 and ÷10 from a start; [] once the search is complete.

    Upwards until one's accuracy is worse, beyond the noise, than the best below it; downwards
    until one is no better, beyond the noise, than the one before it, neither by accuracy nor by
    cost, since smaller ones matter less and less. If nothing is learned, λ is too large: only
    smaller ones are tried, until one is better than guessing. Both directions are independent, so
    that they can be trained at the same time.

    Args:
        scores: of the λ tried so far.
        start: the first λ.
        examples: size of the validation data.
        ends: the smallest and the largest λ to try.
        learned: returns whether an accuracy is better than guessing.
    """
    if start not in scores:
        return [start, *_multiples(start, 0.1, ends)[:1]]
    has_learned = learned(scores[start].accuracy)
    up = _next_up(scores, start, examples, ends) if has_learned else None
    down = _next_down(scores, start, examples, ends, learned)
    return [strength for strength in (up, down) if strength is not None]


def _next_up(
    scores: Scores, start: float, examples: int, ends: tuple[float, float]
) -> float | None:
    top = scores[start].accuracy
    for candidate in _multiples(start, 10.0, ends):
        if candidate not in scores:
            return candidate
        accuracy = scores[candidate].accuracy
        if top - accuracy > noise(top, examples):
            break
        top = max(top, accuracy)
    return None


def _next_down(
    scores: Scores,
    start: float,
    examples: int,
    ends: tuple[float, float],
    learned: Callable[[float], bool],
) -> float | None:
    before = scores[start]
    has_learned = learned(before.accuracy)
    for candidate in _multiples(start, 0.1, ends):
        if candidate not in scores:
            return candidate
        score = scores[candidate]
        rise = score.accuracy - before.accuracy
        is_better = (
            rise > noise(score.accuracy, examples) or score.cost < (1 - MARGIN) * before.cost
        )
        if has_learned and not is_better:
            return None
        has_learned = has_learned or learned(score.accuracy)
        before = score
    return None


def _multiples(start: float, factor: float, ends: tuple[float, float]) -> list[float]:
    if not start > 0:  # multiples of 0 would never end
        return []
    multiples, value = [], rounded(start * factor)
    while ends[0] <= value <= ends[1]:
        multiples.append(value)
        value = rounded(value * factor)
    return multiples


def decades(start: float, ends: tuple[float, float]) -> list[float]:
    """Return all λ that a search from a start can try by ×10 and ÷10."""
    return [start, *_multiples(start, 10.0, ends), *_multiples(start, 0.1, ends)]


FINER = (0.3, 3.0)
"""Factors of the best λ that are tried last."""


def finer(coarse: Sequence[float], centre: float) -> list[float]:
    """Return new candidates around one: three tenths and three times of it."""
    fine = [rounded(factor * centre) for factor in FINER]
    return [candidate for candidate in fine if candidate not in coarse]


def rounded(value: float) -> float:
    """Round to ten significant digits, to remove rounding errors: 0.1 · 3 is 0.3."""
    return float(f"{value:.10g}")
