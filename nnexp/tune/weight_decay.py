"""Choose λ by validation accuracy: by decades, then finer around the best."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from msgspec import field
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.report.figure import Axis, Figure, Line, Points
from nnexp.tune import choice
from nnexp.tune.choice import MOST_SEEDS, CandidateOutput, CandidateStanding, Scores
from nnexp.tune.decision import ACCURACY, Decision, curve, picture
from nnexp.tune.state import TuneState
from nnexp.tune.trials import JobGroup, Steps, Update

HEADING = "Regularization λ"
EPOCHS = 30
START = 1.0
ENDS = (1e-4, 1e4)
"""Smallest and largest λ to try on the quick problem."""
REACH = 100.0
"""Factor by which λ may differ, on the full problem, from the quick problem's."""

RULE = (
    "Best validation accuracy within the trial's epochs. From λ = {start:g} by ×10, until one is "
    "worse than the best beyond the noise (two standard errors of a difference on {n:,} images), "
    "and by ÷10, until one is no better than the one before{fine}. If nothing is learned, only "
    "smaller ones are tried. A smaller λ that is behind the best by more than four standard errors "
    "is worse. Others are compared with the best on up to {seeds} further seeds, by a t-test that "
    "is valid after every seed, the smallest first. The first that is not worse is chosen: a tie "
    "goes to the smaller λ."
)


class StrengthOutput(CandidateOutput, frozen=True, kw_only=True, tag="lambda"):
    """A λ that was tried, for JSON."""

    lambda_: float = field(name="lambda")


def decide(state: TuneState) -> Steps[None]:
    """Choose λ on the quick problem."""
    base = replace(state.quick, epochs=EPOCHS)
    n = state.validated(base)
    scores = yield from search(state, base, START, ENDS, fine=True)
    chosen = choice.choose(scores, n)
    full = choice.rounded(chosen / state.examples * state.all_examples)
    note = (
        f"λ scales with n: {chosen:g} for {state.examples:,} images "
        f"is {full:g} for {state.all_examples:,}."
    )
    fine = ", then a fifth, a half, twice and five times the best"
    rule = RULE.format(start=START, n=n, fine=fine, seeds=MOST_SEEDS)
    decision = _decision(scores, chosen, n, stage=3, heading=HEADING, rule=rule)
    state.settle(decision._replace(notes=[note]), lambda_=chosen)


def check(state: TuneState, base: Config, heading: str) -> Steps[float]:
    """Check the quick problem's λ on the full problem, and return the best λ there."""
    start = float(base.lambda_) if isinstance(base.lambda_, float | int) else 0.0
    n = state.validated(base)
    ends = (start / REACH, start * REACH)
    scores = yield from search(state, base, start, ends, fine=False)
    chosen = choice.choose(scores, n)
    rule = RULE.format(start=start, n=n, fine="", seeds=MOST_SEEDS)
    state.decisions.append(_decision(scores, chosen, n, stage=6, heading=heading, rule=rule))
    return chosen


def search(
    state: TuneState,
    base: Config,
    start: float,
    ends: tuple[float, float],
    *,
    fine: bool,
) -> Steps[dict[float, dict[int, float]]]:
    """Train the trials that the rule needs; return the accuracies by λ and seed."""
    scores: dict[float, dict[int, float]] = {}
    n, learned = state.validated(base), state.chance_level(base).is_beaten_by

    def score(needed: Sequence[tuple[float, int]]) -> Steps[None]:
        trials = yield JobGroup(
            [replace(base, lambda_=strength, seed=base.seed + seed) for strength, seed in needed]
        )
        for (strength, seed), trial in zip(needed, trials, strict=True):
            scores.setdefault(strength, {})[seed] = trial.accuracy
            best = choice.best(scores)
            diverged = ", diverged" * trial.diverged
            own = f"{100 * trial.accuracy:.2f} %{diverged}"
            known = f"best {100 * mean(scores[best].values()):.2f} % with {best:g}"
            text = f"λ = {strength:g}, seed {trial.config.seed}: {own}"
            state.trials.tell(Update(text, known))

    while strengths := choice.next_strengths(scores, start, n, ends, learned):
        yield from score([(strength, 0) for strength in strengths])
    if fine and (finer := choice.finer(list(scores), choice.best(scores))):
        yield from score([(strength, 0) for strength in finer])
    while needed := choice.needed_trials(scores, n):
        yield from score(needed)
    return scores


def _decision(
    scores: Scores,
    chosen: float,
    n: int,
    *,
    stage: int,
    heading: str,
    rule: str,
) -> Decision:
    ranks = choice.standings(scores, n)
    best = choice.best(scores)
    tried = [
        StrengthOutput(
            lambda_=strength,
            standing=rank.standing,
            comparison=_words(strength, rank, best, chosen),
            best_validation_accuracy=choice.accuracy_output(scores[strength]),
        )
        for strength, rank in ranks.items()
    ]
    others = sum(values[0] == scores[best][0] for values in scores.values()) - 1
    why = "the highest validation accuracy"
    if len(scores[best]) > 1:
        why += " with the first seed"
    if others == len(scores) - 1:
        why = "all reach the same validation accuracy"
    elif ranks[chosen].standing == "better":
        why = f"better than {best:g}, which has {why}"
    elif chosen != best:
        why = f"inside the noise of the best, {best:g}, and smaller"
    elif others:
        larger = "a larger one" if others == 1 else f"{others} larger ones"
        why += f", which {larger} reached as well"
    return Decision(
        stage=stage,
        name="lambda",
        heading=heading,
        answer=f"λ = {chosen:g}: {why}.",
        rule=rule,
        alternatives=tried,
        header=("lambda", *choice.COLUMNS),
        rows=[[f"{strength.lambda_:g}", *strength.cells] for strength in tried],
        left=2,
        picture=accuracy_figure(scores, chosen),
        chose=(("lambda", chosen),),
    )


def _words(strength: float, rank: CandidateStanding, best: float, chosen: float) -> str:
    """Describe a λ compared with the best; one on which nothing depends is not tested."""
    if rank.standing != "unsure":
        return rank.words
    why = "no better, and larger" if strength > best else f"not tested, since {chosen:g} is chosen"
    return f"{why}: {rank.words.rpartition(': ')[2]}"


def accuracy_figure(scores: Scores, chosen: float) -> Figure:
    """Return accuracy against λ: the mean as a line, each seed as a point."""
    strengths = sorted(scores)
    means = [mean(scores[strength].values()) for strength in strengths]
    points = [(strength, value) for strength in strengths for value in scores[strength].values()]
    marks: list[Line | Points] = [
        curve("mean over seeds", strengths, means),
        Points("seeds", [x for x, _ in points], [y for _, y in points], size=2.5),
        curve(f"λ = {chosen:g}", [chosen], [means[strengths.index(chosen)]], "chosen"),
    ]
    return picture("Validation accuracy against λ", Axis("λ", scale="log"), ACCURACY, marks)
