"""The first stage: check on a quick problem that training learns anything at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, cast

from msgspec import Struct, field
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.report.text import MISSING, percent
from nnexp.tune import quick_problem
from nnexp.tune.decision import (
    ACCURACY,
    BY_EPOCH,
    Decision,
    NothingFoundError,
    curve,
    picture,
)
from nnexp.tune.quick_problem import LEVEL, ChanceLevel
from nnexp.tune.state import TuneState
from nnexp.tune.trials import JobResult, Steps, Update, train_one

EPOCHS = 10
RATES = (0.1, 1.0, 0.01)
"""Learning rates to try after the config's own."""

RULE = (
    "Ten epochs on a quick problem, first with two classes and no hidden layer, then with all "
    "classes. Chance is the largest class's share of the validation images. An accuracy is better "
    "than chance if guessing reaches it after the last epoch with a probability of at most "
    f"{LEVEL:g} (binomial). If the config's own η and λ are not better than chance, λ = 0 with "
    "η = 0.1, 1 and 0.01 are tried, as far as these are to be tuned."
)


class NothingLearnedError(NothingFoundError):
    """No trial was better than chance."""


class ProblemOutput(Struct, frozen=True, kw_only=True, tag_field="tried", tag="problem"):
    """A trial on a problem."""

    problem: str
    learning_rate: float | None
    lambda_: float = field(name="lambda")
    validation_accuracy: float | None
    """Of the last epoch; null if training diverged."""
    chance: float
    """The accuracy of guessing."""
    is_better: bool = field(name="better")
    """Whether it is better than chance."""


class Attempt(NamedTuple):
    """A trial, with the accuracy of guessing for comparison."""

    problem: str
    trial: JobResult
    chance: ChanceLevel

    @property
    def is_better(self) -> bool:
        """Whether something was learned."""
        return self.chance.is_beaten_by(self.accuracy)

    @property
    def accuracy(self) -> float:
        """The last epoch's accuracy; the best of several would be biased upwards."""
        return self.trial.accuracies[-1] if self.trial.rows and not self.trial.diverged else 0.0

    @property
    def outcome(self) -> str:
        """The accuracy as text, or "diverged"."""
        return "diverged" if self.trial.diverged else f"{100 * self.accuracy:.2f} %"

    @property
    def output(self) -> ProblemOutput:
        """The trial as a value for JSON."""
        config = self.trial.config
        return ProblemOutput(
            problem=self.problem,
            learning_rate=config.learning_rate,
            lambda_=cast("float", config.lambda_),  # quick problems have no λ/n
            validation_accuracy=None if self.trial.diverged else self.accuracy,
            chance=self.chance.share,
            is_better=self.is_better,
        )


def decide(state: TuneState, problems: dict[str, Config]) -> Steps[None]:
    """Choose the last problem on which training is better than chance as the quick one.

    An easier problem than the last is accepted only if η is to be tuned, as later stages cannot
    fix any other cause.

    Args:
        state: the tuning.
        problems: by name, the simplest first.

    Raises:
        NothingLearnedError: no trial is better than chance.
        NnexpError: training failed.
    """
    attempts: list[Attempt] = []
    beaten: dict[str, Attempt] = {}
    for name, problem in problems.items():
        for candidate in candidates(problem, state.chosen):
            attempts.append((yield from _attempt(state, name, candidate)))
            if attempts[-1].is_better:
                beaten[name] = attempts[-1]
                break
    hardest = list(problems)[-1]
    if not beaten or (hardest not in beaten and "eta" not in state.chosen):
        message = _failure(attempts, state.chosen)
        raise NothingLearnedError(message, _section(attempts, None, f"{_capital(message)}."))
    last, attempt = list(beaten.items())[-1]
    state.quick = problems[last]
    state.settle(_decision(attempts, attempt, hardest))


def candidates(problem: Config, chosen: Collection[str]) -> list[Config]:
    """Return a problem with the config's own η and λ, then with common ones.

    Values that are not tuned stay, as later stages use them.
    """
    own = replace(problem, epochs=EPOCHS)
    unregularized = replace(own, lambda_=0.0) if "lambda" in chosen else own
    if "eta" in chosen and problem.learning_rate is not None:
        return [own, *(replace(unregularized, learning_rate=rate) for rate in RATES)]
    return [own] if unregularized == own else [own, unregularized]


def _attempt(state: TuneState, name: str, config: Config) -> Steps[Attempt]:
    trial = yield from train_one(config)
    attempt = Attempt(name, trial, state.chance_level(config))
    better = "better than chance" if attempt.is_better else "no better than chance"
    comparison = f"{better} ({100 * attempt.chance.share:.2f} %)"
    state.trials.tell(Update(f"{name}, {_strengths(config)}: {attempt.outcome}, {comparison}"))
    return attempt


def _rate(config: Config) -> str:
    """Return η as text; empty for a line search."""
    return "" if config.learning_rate is None else f", η = {config.learning_rate:g}"


def _strengths(config: Config) -> str:
    return f"{_rate(config)}, λ = {config.lambda_:g}".removeprefix(", ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _failure(attempts: list[Attempt], chosen: Collection[str]) -> str:
    by_problem: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_problem.setdefault(attempt.problem, []).append(attempt)
    tried = "; ".join(
        f"{problem}, where guessing gives {100 * group[0].chance.share:.1f} %: "
        + ", ".join(f"{a.outcome} with {_strengths(a.trial.config)}" for a in group)
        for problem, group in by_problem.items()
    )
    if all(attempt.chance.limit is None for attempt in attempts):
        return (
            "there are too few validation examples, or nearly all are of one class, to "
            "distinguish learning from guessing; use more validation examples"
        )
    stays = "".join(
        f"{sign} is not changed unless {name} is tuned as well. "
        for sign, name in (("η", "eta"), ("λ", "lambda"))
        if name not in chosen
    )
    return (
        f"no trial was better than chance, so nothing is tuned. Tried: {tried}. "
        f"{stays}Check that there are several training examples of each class, that labels match "
        "the examples, and that data.scale is right; nnexp inspect shows the inputs"
    )


def _decision(attempts: list[Attempt], chosen: Attempt, hardest: str) -> Decision:
    answer = (
        f"{100 * chosen.accuracy:.2f} % on {chosen.problem}, where guessing gives "
        f"{100 * chosen.chance.share:.2f} %. The next stages use this problem."
    )
    notes = []
    examples = chosen.trial.config.data.train or 0
    if chosen.problem != quick_problem.FULL and examples > quick_problem.EXAMPLES:
        notes.append(
            f"The first {quick_problem.EXAMPLES:,} training examples do not represent all classes "
            f"(are they sorted?), so {examples:,} are used."
        )
    if chosen.problem != hardest:
        notes.append(
            f"On {hardest}, no trial was better than chance, so the next stages do not use it."
        )
    own = attempts[0] if attempts[0].problem == chosen.problem else None
    if chosen.trial.config.lambda_ == 0 and own is not None and not own.is_better:
        notes.append("The config's own η and λ are no better; the next stages choose others.")
    return _section(attempts, chosen, answer)._replace(notes=notes)


def _row(tried: ProblemOutput) -> list[str]:
    accuracy = tried.validation_accuracy
    return [
        tried.problem,
        MISSING if tried.learning_rate is None else f"{tried.learning_rate:g}",
        f"{tried.lambda_:g}",
        "diverged" if accuracy is None else percent(accuracy),
        percent(tried.chance),
        "yes" if tried.is_better else "no",
    ]


def _section(attempts: list[Attempt], chosen: Attempt | None, answer: str) -> Decision:
    curves = [
        curve(
            f"{attempt.problem}{_rate(attempt.trial.config)}",
            range(1, len(attempt.trial.rows) + 1),
            attempt.trial.accuracies,
            "chosen" if attempt is chosen else "",
        )
        for attempt in attempts
    ]
    tried = [attempt.output for attempt in attempts]
    return Decision(
        stage=1,
        name="chance",
        heading="Better than chance",
        answer=answer,
        rule=RULE,
        alternatives=tried,
        header=("problem", "learning_rate", "lambda", "validation", "chance", "better"),
        rows=list(map(_row, tried)),
        picture=picture("Validation accuracy", BY_EPOCH, ACCURACY, curves),
    )
