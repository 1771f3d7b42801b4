"""The first stage: whether anything is learned at all, on a problem that is soon trained."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.tune import quick_problem
from nnexp.tune.decision import (
    ACCURACY,
    BY_EPOCH,
    Decision,
    NothingFoundError,
    curve,
    picture,
)
from nnexp.tune.quick_problem import LEVEL, Guessing
from nnexp.tune.state import TuneState
from nnexp.tune.trials import JobResult, Steps, Update, trained

EPOCHS = 10
RATES = (0.1, 1.0, 0.01)
"""Learning rates to try, after the config's own, before giving up."""

RULE = (
    "Ten epochs on a quick problem, first two classes without a hidden layer, then all classes. "
    "Chance is the largest class's share of the validation images; better than that is, after the "
    f"last epoch, what guessing comes to with a probability of {LEVEL:g} at most (binomial). If "
    "the config's own η and λ do not get there, λ = 0 with η = 0.1, 1 and 0.01 are tried, as far "
    "as they are to be decided."
)


class NothingLearnedError(NothingFoundError):
    """No trial was better than chance."""


class Attempt(NamedTuple):
    """A trial beside what guessing would come to."""

    problem: str
    trial: JobResult
    chance: Guessing

    @property
    def is_better(self) -> bool:
        """Whether something was learned."""
        return self.chance.is_beaten_by(self.accuracy)

    @property
    def accuracy(self) -> float:
        """The last epoch's: the best of several would be better than chance by chance."""
        return self.trial.accuracies[-1] if self.trial.rows and not self.trial.diverged else 0.0

    @property
    def outcome(self) -> str:
        """The accuracy as people read it, or that there is none."""
        return "diverged" if self.trial.diverged else f"{100 * self.accuracy:.2f} %"

    @property
    def row(self) -> list[str]:
        """What a table says of it."""
        config = self.trial.config
        return [
            self.problem,
            "-" if config.learning_rate is None else f"{config.learning_rate:g}",
            f"{config.lambda_:g}",
            self.outcome,
            f"{100 * self.chance.share:.2f} %",
            "yes" if self.is_better else "no",
        ]


def decide(state: TuneState, problems: dict[str, Config]) -> Steps[None]:
    """Take the last of the problems on which something is learned as the quick one.

    That is an easier one than the last only if η is to be decided: none of the later stages
    could mend another reason.

    Args:
        state: the tuning.
        problems: by what they are called, the simplest first.

    Raises:
        NothingLearnedError: on none of them anything is.
        NnexpError: what training raises.
    """
    attempts: list[Attempt] = []
    beaten: dict[str, Attempt] = {}
    for name, problem in problems.items():
        for candidate in candidates(problem, state.chosen):
            attempts.append((yield from _attempt(state, name, candidate)))
            if attempts[-1].is_better:
                beaten[name] = attempts[-1]
                break
    wanted = list(problems)[-1]
    if not beaten or (wanted not in beaten and "eta" not in state.chosen):
        said = _failure(attempts, state.chosen)
        raise NothingLearnedError(said, _section(attempts, None, f"{_capital(said)}."))
    last, found = list(beaten.items())[-1]
    state.quick = problems[last]
    state.settle(_decision(attempts, found, wanted))


def candidates(problem: Config, chosen: Collection[str]) -> list[Config]:
    """Return a problem with the config's own η and λ, then with those that are usual.

    What is not to be decided stays, or later stages would work with a rate that learns nothing.
    """
    own = replace(problem, epochs=EPOCHS)
    free = replace(own, lambda_=0.0) if "lambda" in chosen else own
    if "eta" in chosen and problem.learning_rate is not None:
        return [own, *(replace(free, learning_rate=rate) for rate in RATES)]
    return [own] if free == own else [own, free]


def _attempt(state: TuneState, name: str, config: Config) -> Steps[Attempt]:
    trial = yield from trained(config)
    attempt = Attempt(name, trial, state.guessing(config))
    better = "better than chance" if attempt.is_better else "no better than chance"
    told = f"{better} ({100 * attempt.chance.share:.2f} %)"
    state.trials.tell(Update(f"{name}, {_strengths(config)}: {attempt.outcome}, {told}"))
    return attempt


def _rate(config: Config) -> str:
    """Return η in words; nothing where there is a line search instead."""
    return "" if config.learning_rate is None else f", η = {config.learning_rate:g}"


def _strengths(config: Config) -> str:
    return f"{_rate(config)}, λ = {config.lambda_:g}".removeprefix(", ")


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def _failure(attempts: list[Attempt], chosen: Collection[str]) -> str:
    by_problem: dict[str, list[Attempt]] = {}
    for each in attempts:
        by_problem.setdefault(each.problem, []).append(each)
    tried = "; ".join(
        f"{problem}, where guessing gives {100 * several[0].chance.share:.1f} %: "
        + ", ".join(f"{each.outcome} with {_strengths(each.trial.config)}" for each in several)
        for problem, several in by_problem.items()
    )
    if all(each.chance.limit is None for each in attempts):
        return (
            "there are too few validation examples, or nearly all are of one class, to tell "
            "learning from guessing, even if all were right: give more of them"
        )
    stays = "".join(
        f"{sign} stays as it is unless {name} is decided as well. "
        for sign, name in (("η", "eta"), ("λ", "lambda"))
        if name not in chosen
    )
    return (
        f"nothing better than chance was found, so nothing is tuned. Tried: {tried}. "
        f"{stays}Are there several training examples of each "
        "class, do labels belong to the examples, and is data.scale right? nnexp inspect shows "
        "what comes in"
    )


def _decision(attempts: list[Attempt], found: Attempt, wanted: str) -> Decision:
    answer = (
        f"{100 * found.accuracy:.2f} % on {found.problem}, where guessing gives "
        f"{100 * found.chance.share:.2f} %. The next stages work on this problem."
    )
    notes = []
    examples = found.trial.config.data.train or 0
    if found.problem != quick_problem.FULL and examples > quick_problem.EXAMPLES:
        notes.append(
            f"The first {quick_problem.EXAMPLES:,} training examples do not have a fair share of "
            f"each class (are they in an order?), so more are taken: {examples:,}."
        )
    if found.problem != wanted:
        notes.append(f"On {wanted} nothing better than chance was found: it is left for later.")
    own = attempts[0] if attempts[0].problem == found.problem else None
    if found.trial.config.lambda_ == 0 and own is not None and not own.is_better:
        notes.append("The config's own η and λ do not get there; the next stages choose others.")
    return _section(attempts, found, answer)._replace(notes=notes)


def _section(attempts: list[Attempt], found: Attempt | None, answer: str) -> Decision:
    curves = [
        curve(
            f"{each.problem}{_rate(each.trial.config)}",
            range(1, len(each.trial.rows) + 1),
            each.trial.accuracies,
            "chosen" if each is found else "",
        )
        for each in attempts
    ]
    return Decision(
        stage=1,
        name="chance",
        heading="Better than chance",
        answer=answer,
        rule=RULE,
        header=("problem", "learning_rate", "lambda", "validation", "chance", "better"),
        rows=[each.row for each in attempts],
        picture=picture("Validation accuracy", BY_EPOCH, ACCURACY, curves),
    )
