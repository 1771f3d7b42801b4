"""The stage of λ: decades by validation accuracy, finer around the best, ties to the smaller."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.report.figure import Axis, Figure, Line, Points
from nnexp.tune import choice
from nnexp.tune.choice import MOST_SEEDS, Scores, Stands
from nnexp.tune.decision import ACCURACY, Decision, curve, picture
from nnexp.tune.state import TuneState
from nnexp.tune.trials import JobGroup, Steps, Update

HEADING = "Regularization λ"
EPOCHS = 30
START = 1.0
ENDS = (1e-4, 1e4)
"""How far the powers of ten go on the quick problem."""
REACH = 100.0
"""How far λ is looked for on the full problem, to either side of what is carried over."""

RULE = (
    "Best validation accuracy within the trial's epochs. From λ = {start:g} by ×10, until one is "
    "worse than the best beyond the noise (two standard errors of a difference on {n:,} images), "
    "and by ÷10, until one is no better than the one before{fine}. Where nothing is learned, only "
    "smaller ones are tried. Where a smaller λ is too close "
    "to the best to call, seeds are added, up to {seeds}, and a paired t-test decides; a tie goes "
    "to the smaller λ."
)


def decide(state: TuneState) -> Steps[None]:
    """Choose λ on the quick problem."""
    base = replace(state.quick, epochs=EPOCHS)
    n = state.validated(base)
    scores = yield from search(state, base, START, ENDS, MOST_SEEDS, fine=True)
    found = choice.chosen(scores, sorted(scores), n)
    full = choice.rounded(found / state.examples * state.all_examples)
    note = (
        f"λ goes with n: {found:g} for {state.examples:,} images "
        f"is {full:g} for {state.all_examples:,}."
    )
    fine = ", then a fifth, a half, twice and five times the best"
    rule = RULE.format(start=START, n=n, fine=fine, seeds=MOST_SEEDS)
    decision = _decision(scores, found, n, stage=3, heading=HEADING, rule=rule)
    state.settle(decision._replace(notes=[note]), lambda_=found)


def check(state: TuneState, base: Config, most_seeds: int, heading: str) -> Steps[float]:
    """Look whether the λ carried over to the full problem is still right there; return the best."""
    start = float(base.lambda_) if isinstance(base.lambda_, float | int) else 0.0
    n = state.validated(base)
    ends = (start / REACH, start * REACH)
    scores = yield from search(state, base, start, ends, most_seeds, fine=False)
    found = choice.chosen(scores, sorted(scores), n, most_seeds)
    rule = RULE.format(start=start, n=n, fine="", seeds=most_seeds)
    state.decisions.append(
        _decision(scores, found, n, stage=6, heading=heading, rule=rule, most_seeds=most_seeds)
    )
    return found


def search(
    state: TuneState,
    base: Config,
    start: float,
    ends: tuple[float, float],
    most_seeds: int,
    *,
    fine: bool,
) -> Steps[dict[float, dict[int, float]]]:
    """Train what the rule asks for; return the accuracies by λ and seed."""
    scores: dict[float, dict[int, float]] = {}
    n, learned = state.validated(base), state.guessing(base).is_beaten_by

    def score(wanted: Sequence[tuple[float, int]]) -> Steps[None]:
        trials = yield JobGroup(
            [replace(base, lambda_=strength, seed=base.seed + seed) for strength, seed in wanted]
        )
        for (strength, seed), trial in zip(wanted, trials, strict=True):
            scores.setdefault(strength, {})[seed] = trial.accuracy
            best = choice.best(scores)
            diverged = ", diverged" * trial.diverged
            own = f"{100 * trial.accuracy:.2f} %{diverged}"
            known = f"best {100 * mean(scores[best].values()):.2f} % with {best:g}"
            text = f"λ = {strength:g}, seed {trial.config.seed}: {own}"
            state.trials.tell(Update(text, known))

    while strengths := choice.walk(scores, start, n, ends, learned):
        yield from score([(strength, 0) for strength in strengths])
    if fine and (finer := choice.between(list(scores), choice.best(scores))):
        yield from score([(strength, 0) for strength in finer])
    while wanted := choice.wanted(scores, sorted(scores), n, most_seeds):
        yield from score(wanted)
    return scores


def _decision(
    scores: Scores,
    found: float,
    n: int,
    *,
    stage: int,
    heading: str,
    rule: str,
    most_seeds: int = MOST_SEEDS,
) -> Decision:
    seen = choice.standings(scores, n, most_seeds)
    best = choice.best(scores)
    means = [mean(each.values()) for each in scores.values()]
    others = means.count(max(means)) - 1
    why = "the highest validation accuracy"
    if len(set(means)) == 1:
        why = "all came to the same validation accuracy, so that nothing tells them apart"
    elif found == best and others:
        larger = "a larger one" if others == 1 else f"{others} larger ones"
        why += f", which {larger} came to as well"
    elif found != best:
        why = f"inside the noise of the best, {best:g}, and smaller"
    return Decision(
        stage=stage,
        name="lambda",
        heading=heading,
        answer=f"λ = {found:g}: {why}.",
        rule=rule,
        header=("lambda", "beside the best", "validation", "seeds"),
        rows=[
            [
                f"{each:g}",
                _words(each, stands, best),
                f"{100 * stands.accuracy:.2f} %",
                str(stands.seeds),
            ]
            for each, stands in seen.items()
        ],
        left=2,
        picture=accuracy_figure(scores, found),
        chose=(("lambda", found),),
    )


def _words(each: float, stands: Stands, best: float) -> str:
    """Return how a λ stands beside the best; a larger one that is close needs no settling."""
    if each > best and stands.standing == "unsure":
        return f"no better, and larger: {stands.words.rpartition(': ')[2]}"
    return stands.words


def accuracy_figure(scores: Scores, found: float) -> Figure:
    """Return accuracy against λ: the mean as a line, each seed as a point."""
    strengths = sorted(scores)
    means = [mean(scores[each].values()) for each in strengths]
    points = [(each, value) for each in strengths for value in scores[each].values()]
    marks: list[Line | Points] = [
        curve("mean over seeds", strengths, means),
        Points("seeds", [x for x, _ in points], [y for _, y in points], size=2.5),
        curve(f"λ = {found:g}", [found], [means[strengths.index(found)]], "chosen"),
    ]
    return picture("Validation accuracy against λ", Axis("λ", scale="log"), ACCURACY, marks)
