"""Choose λ by validation accuracy and cost: short trials by decades, longer ones of the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import field
from msgspec.structs import replace

from nnexp.config.model import Config, PerExample
from nnexp.report.figure import Axis, Figure, Line
from nnexp.tune import choice
from nnexp.tune.choice import CandidateOutput, Score, Scores
from nnexp.tune.data_cost import cost_text, data_cost
from nnexp.tune.decision import ACCURACY, Decision, curve, picture
from nnexp.tune.state import TuneState
from nnexp.tune.trials import BudgetSpentError, JobGroup, Steps, Update

HEADING = "Regularization λ"
SHORT, LONG = 10, 30
"""Epochs of all trials, and of those that are close to the best."""
START = 1.0
ENDS = (1e-4, 1e4)
"""Smallest and largest λ to try on the quick problem by factors of ten."""
REACH = 100.0
"""The same on the full problem, as a factor of the quick problem's λ."""
CHANGE = 1.7
"""Factor by which η/m may change before λ is chosen again: half a step of λ's, as ηλ/m acts."""
FINALISTS = 3
"""Maximum number of long trials: the best λ, and three and ten times as much."""

RULE = (
    "Of the λ inside the noise of the highest validation accuracy (two standard errors of a "
    "difference on {n:,} images), the largest whose validation cost is at most {margin:g} % above "
    "the lowest. (These accuracies differ by few images, while the cost depends on every image. It "
    "excludes the penalty, and is the lowest of the best epoch and the last two.) Trials of "
    "{short} epochs: from λ = {start:g} by ×10, until the accuracy is worse beyond the noise, and "
    "by ÷10, until the cost is less than {margin:g} % lower and the accuracy not higher beyond the "
    "noise; then three tenths and three times the best. If nothing is learned, only smaller ones "
    "are tried. The best one and those up to ten times as large that are inside the noise, as λ "
    "acts late, are trained on up to epoch {long}."
)


class StrengthOutput(CandidateOutput, frozen=True, kw_only=True, tag="lambda"):
    """A λ that was tried."""

    lambda_: float = field(name="lambda")
    epochs: int
    validation_cost: float | None
    """Without the penalty: the lowest of the best epoch and the last two; null if diverged."""

    @property
    def row(self) -> list[str]:
        """The cells of its table row."""
        cost = cost_text(self.validation_cost)
        return [f"{self.lambda_:g}", str(self.epochs), *self.cells, cost]


class StrengthScores(NamedTuple):
    """The scores by λ."""

    short: dict[float, Score]
    long: dict[float, Score]
    """Of the finalists; empty if there is only one, or the budget is spent."""
    examples: int
    """Size of the validation data."""
    learned: Callable[[float], bool]
    """Returns whether an accuracy is better than guessing."""

    @property
    def last(self) -> Scores:
        """The scores that decide."""
        return self.long or self.short

    @property
    def has_learned(self) -> bool:
        """True if any λ is better than guessing."""
        return any(self.learned(score.accuracy) for score in self.short.values())

    @property
    def chosen(self) -> float:
        """The λ to choose; the smallest if nothing is learned, as less of it might help."""
        return choice.best(self.last, self.examples) if self.has_learned else min(self.short)


def decide(state: TuneState) -> Steps[None]:
    """Choose λ on the quick problem."""
    scores = yield from search(state, state.quick, START, ENDS)
    chosen = scores.chosen
    full = choice.rounded(chosen / state.examples * state.all_examples)
    note = (
        f"λ scales with n: {chosen:g} for {state.examples:,} images "
        f"is {full:g} for {state.all_examples:,}."
    )
    decision = _decision(scores, stage=3, heading=HEADING, start=START)
    notes = [note] if state.examples != state.all_examples else []
    state.rate_of_lambda = rate_per_example(state.quick)
    state.settle(decision._replace(notes=notes), lambda_=chosen)


def rate_per_example(config: Config) -> float | None:
    """Return η/m, by which λ acts; None if a line search chooses the step."""
    rate, size = config.learning_rate, config.batch_size
    return rate if rate is None or size == "all" else rate / size


def is_settled(state: TuneState) -> bool:
    """Return whether λ was chosen with about the η/m that the config now has."""
    now, before = rate_per_example(state.config), state.rate_of_lambda
    return now is None or before is None or 1 / CHANGE <= now / before <= CHANGE


def check(state: TuneState, base: Config, heading: str) -> Steps[float]:
    """Check the quick problem's λ on the full problem, and return the best λ there."""
    start = base.lambda_
    if isinstance(start, PerExample):
        raise TypeError("the quick problem's λ must be carried over as a number")
    ends = (start / REACH, start * REACH)
    scores = yield from search(state, base, start, ends)
    state.decisions.append(_decision(scores, stage=6, heading=heading, start=start))
    return scores.chosen


def search(
    state: TuneState, base: Config, start: float, ends: tuple[float, float]
) -> Steps[StrengthScores]:
    """Train the trials that the rule needs; return the scores."""
    short: dict[float, Score] = {}
    long: dict[float, Score] = {}
    n, learned = state.validated(base), state.chance_level(base).is_beaten_by

    def score(strengths: Sequence[float], epochs: int, scores: dict[float, Score]) -> Steps[None]:
        trials = yield JobGroup(
            [replace(base, lambda_=strength, epochs=epochs) for strength in strengths]
        )
        for strength, trial in zip(strengths, trials, strict=True):
            scores[strength] = Score(trial.accuracy, data_cost(trial, state.trials))
            text = f"λ = {strength:g}, {epochs} epochs: {score_text(scores[strength])}"
            state.trials.tell(Update(text, f"best with {choice.best(scores, n):g}"))

    while strengths := choice.next_strengths(short, start, n, ends, learned):
        yield from score(strengths, SHORT, short)
    scores = StrengthScores(short, long, n, learned)
    if not scores.has_learned:
        return scores
    if finer := choice.finer(list(short), choice.best(short, n)):
        yield from score(finer, SHORT, short)
    close = choice.finalists(short, n)
    if len(close) > 1:
        with suppress(BudgetSpentError):  # then the short trials decide
            yield from score(close, LONG, long)
    return scores


def score_text(score: Score) -> str:
    """Return a score as text."""
    if math.isinf(score.cost):
        return "diverged"
    return f"{100 * score.accuracy:.2f} %, validation cost {cost_text(score.cost)}"


def _decision(scores: StrengthScores, *, stage: int, heading: str, start: float) -> Decision:
    n, chosen = scores.examples, scores.chosen
    tried = [
        StrengthOutput(
            lambda_=strength,
            epochs=epochs,
            standing=rank.standing,
            comparison=rank.words,
            best_validation_accuracy=group[strength].accuracy,
            validation_cost=None if math.isinf(group[strength].cost) else group[strength].cost,
        )
        for epochs, group in ((SHORT, scores.short), (LONG, scores.long))
        if group
        for strength, rank in choice.standings(group, n).items()
    ]
    return Decision(
        stage=stage,
        name="lambda",
        heading=heading,
        answer=f"λ = {chosen:g}: {_why(scores)}.",
        rule=RULE.format(short=SHORT, long=LONG, n=n, margin=100 * choice.MARGIN, start=start),
        alternatives=tried,
        header=("lambda", "epochs", *choice.COLUMNS, "cost"),
        rows=[strength.row for strength in tried],
        left=3,
        picture=figure(scores),
        chose=(("lambda", chosen),),
    )


def _why(scores: StrengthScores) -> str:
    """Return in words why a λ is chosen."""
    if not scores.has_learned:
        return "nothing is learned with any λ, so the smallest that was tried"
    last, chosen = scores.last, scores.chosen
    cost, top = last[chosen].cost, last[choice.highest(last)].accuracy
    ranks = choice.standings(last, scores.examples)
    lowest = min(last[strength].cost for strength in last if ranks[strength].standing != "worse")
    beside = (
        "the lowest" if cost == lowest else f"at most {100 * choice.MARGIN:g} % above the lowest"
    )
    why = (
        f"validation cost {cost_text(cost)}, {beside} inside the noise of the highest accuracy, "
        f"{100 * top:.2f} %"
    )
    if scores.long or chosen == max(last):
        return why
    if len(choice.finalists(last, scores.examples)) > 1:
        return f"{why}; the budget was too small for longer trials"
    return f"{why}; no larger one up to ten times as large is inside that noise"


def figure(scores: StrengthScores) -> Figure:
    """Return accuracy and cost against λ, of the short trials and of the long ones."""
    groups = [(SHORT, scores.short), *([(LONG, scores.long)] if scores.long else [])]
    has_zero = any(score.cost == 0 for _, group in groups for score in group.values())
    chosen = scores.chosen

    def panel(title: str, y: Axis, value: Callable[[Score], float]) -> Figure:
        curves = [
            curve(f"{epochs} epochs", sorted(group), [value(group[s]) for s in sorted(group)])
            for epochs, group in groups
        ]
        best = curve(f"λ = {chosen:g}", [chosen], [value(scores.last[chosen])], "chosen")
        return picture(title, Axis("λ", scale="log"), y, [*curves, best])

    title = "Validation accuracy and cost against λ"
    costs = Axis("validation cost", scale="linear" if has_zero else "log")
    accuracy = panel(title, ACCURACY, lambda score: score.accuracy)
    cost = panel("", costs, lambda score: score.cost)
    unnamed = [mark._replace(label="") for mark in cost.panels[0].marks if isinstance(mark, Line)]
    return accuracy._replace(panels=[*accuracy.panels, cost.panels[0]._replace(marks=unnamed)])
