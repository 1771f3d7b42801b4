"""Choose λ by validation accuracy: short trials by decades, longer ones of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import field
from msgspec.structs import replace

from nnexp.config.model import Config, PerExample
from nnexp.report.figure import Axis, Figure
from nnexp.tune import choice
from nnexp.tune.choice import CandidateOutput, Scores
from nnexp.tune.decision import ACCURACY, Decision, curve, picture
from nnexp.tune.state import TuneState
from nnexp.tune.trials import JobGroup, Steps, Update

HEADING = "Regularization λ"
SHORT, LONG = 10, 30
"""Epochs of all trials, and of those that are close to the best."""
START = 1.0
ENDS = (1e-4, 1e4)
"""Smallest and largest λ to try on the quick problem."""
REACH = 100.0
"""Factor by which λ may differ, on the full problem, from the quick problem's."""
FINALISTS = 3
"""Maximum number of long trials: the best λ, and three and ten times as much."""

RULE = (
    "Best validation accuracy. Trials of {short} epochs: from λ = {start:g} by ×10, until one is "
    "worse than the best beyond the noise (two standard errors of a difference on {n:,} images), "
    "and by ÷10, until one is no better than the one before{fine}. If nothing is learned, only "
    "smaller ones are tried. The best one and those up to ten times as large that are inside its "
    "noise, as λ acts late, are trained on up to epoch {long}. The best of these is chosen, the "
    "smallest if several are equal. (Of two λ that are equally good, either can be chosen without "
    "a loss: a tie is not worth further seeds.)"
)


class StrengthOutput(CandidateOutput, frozen=True, kw_only=True, tag="lambda"):
    """A λ that was tried."""

    lambda_: float = field(name="lambda")
    epochs: int


class StrengthScores(NamedTuple):
    """Accuracies by λ, each with one seed."""

    short: dict[float, dict[int, float]]
    long: dict[float, dict[int, float]]
    """Of the finalists; empty if there is only one."""

    @property
    def last(self) -> Scores:
        """The scores that decide."""
        return self.long or self.short


def decide(state: TuneState) -> Steps[None]:
    """Choose λ on the quick problem."""
    scores = yield from search(state, state.quick, START, ENDS, fine=True)
    chosen = choice.best(scores.last)
    full = choice.rounded(chosen / state.examples * state.all_examples)
    note = (
        f"λ scales with n: {chosen:g} for {state.examples:,} images "
        f"is {full:g} for {state.all_examples:,}."
    )
    fine = ", then three tenths and three times the best"
    decision = _decision(
        scores,
        state.validated(state.quick),
        stage=3,
        heading=HEADING,
        rule={"start": START, "fine": fine},
    )
    notes = [note] if state.examples != state.all_examples else []
    state.settle(decision._replace(notes=notes), lambda_=chosen)


def check(state: TuneState, base: Config, heading: str) -> Steps[float]:
    """Check the quick problem's λ on the full problem, and return the best λ there."""
    start = base.lambda_
    if isinstance(start, PerExample):
        raise TypeError("the quick problem's λ must be carried over as a number")
    ends = (start / REACH, start * REACH)
    scores = yield from search(state, base, start, ends, fine=False)
    decision = _decision(
        scores,
        state.validated(base),
        stage=6,
        heading=heading,
        rule={"start": start, "fine": ""},
    )
    state.decisions.append(decision)
    return choice.best(scores.last)


def search(
    state: TuneState,
    base: Config,
    start: float,
    ends: tuple[float, float],
    *,
    fine: bool,
) -> Steps[StrengthScores]:
    """Train the trials that the rule needs; return the accuracies."""
    short: dict[float, dict[int, float]] = {}
    long: dict[float, dict[int, float]] = {}
    n, learned = state.validated(base), state.chance_level(base).is_beaten_by

    def score(
        strengths: Sequence[float], epochs: int, scores: dict[float, dict[int, float]]
    ) -> Steps[None]:
        trials = yield JobGroup(
            [replace(base, lambda_=strength, epochs=epochs) for strength in strengths]
        )
        for strength, trial in zip(strengths, trials, strict=True):
            scores[strength] = {0: trial.accuracy}
            best = choice.best(scores)
            diverged = ", diverged" * trial.diverged
            own = f"{100 * trial.accuracy:.2f} %{diverged}"
            known = f"best {100 * scores[best][0]:.2f} % with {best:g}"
            text = f"λ = {strength:g}, {epochs} epochs: {own}"
            state.trials.tell(Update(text, known))

    while strengths := choice.next_strengths(short, start, n, ends, learned):
        yield from score(strengths, SHORT, short)
    if fine and (finer := choice.finer(list(short), choice.best(short))):
        yield from score(finer, SHORT, short)
    close = choice.finalists(short, n)
    if len(close) > 1:
        yield from score(close, LONG, long)
    return StrengthScores(short, long)


def _decision(
    scores: StrengthScores, n: int, *, stage: int, heading: str, rule: Mapping[str, object]
) -> Decision:
    chosen = choice.best(scores.last)
    tried = [
        StrengthOutput(
            lambda_=strength,
            epochs=epochs,
            standing=rank.standing,
            comparison=rank.words,
            best_validation_accuracy=choice.accuracy_output(group[strength]),
        )
        for epochs, group in ((SHORT, scores.short), (LONG, scores.long))
        if group
        for strength, rank in choice.standings(group, n).items()
    ]
    return Decision(
        stage=stage,
        name="lambda",
        heading=heading,
        answer=f"λ = {chosen:g}: {_why(scores, n)}.",
        rule=RULE.format(short=SHORT, long=LONG, n=n, **rule),
        alternatives=tried,
        header=("lambda", "epochs", *choice.COLUMNS[:2]),
        rows=[
            [f"{strength.lambda_:g}", str(strength.epochs), *strength.cells[:2]]
            for strength in tried
        ],
        left=3,
        picture=accuracy_figure(scores, chosen),
        chose=(("lambda", chosen),),
    )


def _why(scores: StrengthScores, n: int) -> str:
    """Return in words why a λ is chosen, by its accuracy on n validation examples."""
    last = scores.last
    best = choice.best(last)
    equal = sum(values[0] == last[best][0] for values in last.values()) - 1
    why = "the highest validation accuracy"
    if not scores.long and len(last) > 1:
        return f"{why}; no larger one up to ten times as large is inside its noise"
    if equal:
        larger = "a larger one" if equal == 1 else f"{equal} larger ones"
        return (
            f"{why}, which {larger} reached as well: the {n:,} validation examples cannot tell "
            "them apart"
        )
    return why


def accuracy_figure(scores: StrengthScores, chosen: float) -> Figure:
    """Return accuracy against λ, of the short trials and of the long ones."""
    curves = [
        curve(f"{epochs} epochs", sorted(group), [group[s][0] for s in sorted(group)])
        for epochs, group in ((SHORT, scores.short), (LONG, scores.long))
        if group
    ]
    best = curve(f"λ = {chosen:g}", [chosen], [scores.last[chosen][0]], "chosen")
    title = "Validation accuracy against λ"
    return picture(title, Axis("λ", scale="log"), ACCURACY, [*curves, best])
