"""The chapter's protocol, stage by stage, and what it costs.

Source: Nielsen (2015), chapter 3, how to choose a neural network's hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.errors import NnexpError, UsageError
from nnexp.runner.assembly import per_example
from nnexp.tune import batch_size, chance, final, ladder, learning_rate, quick_problem, weight_decay
from nnexp.tune.choice import rounded
from nnexp.tune.decision import Decision, skipped
from nnexp.tune.state import Sitting, TuneState
from nnexp.tune.trials import BudgetSpentError, Steps, Trials, Update

FIRST = "1: better than chance"
NAMES = ("eta", "lambda", "batch-size", "final")
"""What can be decided; that chance is beaten is made sure of whatever is asked for."""


class TooLittleError(NnexpError):
    """The budget ended before anything was decided."""


class NothingTrainedError(UsageError):
    """The budget does not suffice for a single trial."""


class Tuned(NamedTuple):
    """What came of it."""

    config: Config
    decisions: list[Decision]
    unfinished: list[str]
    """Stages that the budget did not suffice for."""
    unchecked: bool = False
    """Whether one of them is to look on the full problem at what the quick one came to."""

    @property
    def remarks(self) -> list[str]:
        """What is missing, in sentences."""
        said = [f"The budget did not suffice for stage {each}." for each in self.unfinished]
        if self.unchecked:
            said.append("What was found on the quick problem is not checked on the full one.")
        return said


def begin(
    config: Config,
    trials: Trials,
    only: Collection[str] = NAMES,
    sitting: Sitting | None = None,
    keep: Callable[[Sitting], None] = lambda _: None,
    *,
    full: bool = False,
) -> tuple[TuneState, dict[str, Config]]:
    """Return a tuning before its first stage, and the problems on which chance is to be beaten.

    Raises:
        UsageError: the learning rate alone is to be decided and the config has none, or its data
            has no validation examples.
        DataError: the data cannot be read.
    """
    if not set(only) - {"eta"}:
        learning_rate.trial_config(config)
    n = len(trials.dataset(config).train.labels)
    dataset = trials.dataset(replace(config, data=replace(config.data, expand=None)))
    small = quick_problem.derive(config, dataset, n)
    problems = {"a quick problem with all classes": small}
    simplest = quick_problem.two_classes(small, dataset)
    if simplest is not None and simplest != small:
        problems = {"two classes without a hidden layer": simplest, **problems}
    if full:
        lambda_ = rounded(per_example(config, n) * n)
        small = replace(quick_problem.plain(config), lambda_=lambda_)
        problems = {quick_problem.FULL: small}
    threshold = 2 * (config.learning_rate or 0.0)
    state = TuneState(config, small, trials, threshold, frozenset(only), sitting or Sitting(), keep)
    return state, problems


def tune(
    state: TuneState, problems: dict[str, Config], said: Callable[[Update], None]
) -> Steps[Tuned]:
    """Go through the protocol; stop where the budget ends.

    Raises:
        TooLittleError: the budget ends before anything was decided.
        NothingTrainedError: it does so before the first trial.
        NothingFoundError: nothing can be learned, no rate is steady, no size can be trained with.
        NnexpError: what training raises.
    """
    stages = [stage for stage in STAGES if stage.needs <= state.chosen]
    titles = [FIRST, *(f"{each.number}: {each.title}" for each in stages)]
    steps = [lambda state: chance.decide(state, problems), *(_step(each) for each in stages)]
    numbers = [1, *(each.number for each in stages)]
    for place, (number, title, step) in enumerate(zip(numbers, titles, steps, strict=True)):
        made = len(state.decisions)
        said(Update(f"stage {title}", stage=f"stage {number}"))
        try:
            yield from step(state)
        except BudgetSpentError:
            if not any(each.chose for each in state.decisions):
                raise _too_little(state, plan(state, problems)[: place + 1]) from None
            left = stages[max(0, place - 1) :]
            unchecked = any(each.full and each.name in {"eta", "lambda"} for each in left)
            return Tuned(state.config, state.decisions, titles[place:], unchecked)
        for decision in state.decisions[made:]:
            said(Update(f"  {decision.answer}"))
    return Tuned(state.config, state.decisions, [])


def _too_little(state: TuneState, begun: list[StagePlan]) -> NnexpError:
    """Return what is wrong with a budget that ends in the last of these stages."""
    least, most = (sum(each) for each in zip(*(stage.all_epochs for stage in begun), strict=True))
    stages = "stage 1 takes" if len(begun) == 1 else f"stages 1 to {begun[-1].stage[0]} take"
    trained = "what was trained is kept, and the same command with more goes on from there"
    said = (
        f"the budget ends in stage {begun[-1].stage}, before anything is decided, so nothing is "
        f"written: {stages} {least} to {most} epochs of trials (--explain has the others)"
    )
    taken = state.trials.taken
    return TooLittleError(f"{said}; {trained}") if taken else NothingTrainedError(said)


def _step(stage: Stage) -> Callable[[TuneState], Steps[None]]:
    """Return what a stage does: decide, or say why it is left out."""

    def step(state: TuneState) -> Steps[None]:
        why = stage.why_not(stage.problem(state))
        if why is None:
            yield from stage.decide(state)
        else:
            state.decisions.append(skipped(stage.number, stage.name, stage.heading, why))

    return step


class StagePlan(NamedTuple):
    """What a stage takes."""

    stage: str
    trials_least: int
    trials_most: int
    epochs: int
    """Of a trial, at most; a budget must have room for them."""
    examples: int
    """Of an epoch."""

    @property
    def all_epochs(self) -> tuple[int, int]:
        """Epochs of all trials together, at least and at most."""
        return self.trials_least * self.epochs, self.trials_most * self.epochs


def plan(state: TuneState, problems: dict[str, Config]) -> list[StagePlan]:
    """Return what each stage takes; one that is left out takes no trials."""
    tried = sum(len(chance.candidates(problem, state.chosen)) for problem in problems.values())
    first = StagePlan(FIRST, len(problems), tried, chance.EPOCHS, state.examples)
    return [first, *(_planned(each, state) for each in STAGES if each.needs <= state.chosen)]


def _planned(stage: Stage, state: TuneState) -> StagePlan:
    problem = stage.problem(state)
    trials = stage.trials if stage.why_not(problem) is None else (0, 0)
    examples = state.all_examples if stage.full else state.examples
    title = f"{stage.number}: {stage.title}{' (full problem)' if stage.full else ''}"
    return StagePlan(title, *trials, stage.epochs(problem), examples)


class Stage(NamedTuple):
    """A part of the protocol, and what it takes."""

    number: int
    name: str
    """What it decides."""
    needs: frozenset[str]
    """It is gone through if all of these are to be decided."""
    heading: str
    """Of its section."""
    title: str
    decide: Callable[[TuneState], Steps[None]]
    trials: tuple[int, int]
    """At least, at most."""
    epochs: Callable[[Config], int]
    """Of a trial, at most."""
    why_not: Callable[[Config], str | None] = lambda _: None
    """Why it makes no sense for a config; None if it does."""
    full: bool = False
    """It works on the full problem."""

    def problem(self, state: TuneState) -> Config:
        """Return what it works on."""
        return state.config if self.full else state.quick


def _eta(state: TuneState) -> Steps[None]:
    rungs = yield from learning_rate.find(state.quick, state.trials)
    decision = learning_rate.decision(
        rungs, stage=2, heading=learning_rate.HEADING, rule=learning_rate.RULE
    )
    _settle_rate(state, rungs, decision)


def _eta_again(state: TuneState) -> Steps[None]:
    rungs = yield from learning_rate.again(state.quick, state.trials, state.threshold, lambda_=True)
    before = state.quick.learning_rate
    decision = learning_rate.decision(
        rungs, stage=4, heading=AGAIN, rule=learning_rate.AGAIN, before=before
    )
    _settle_rate(state, rungs, decision)


def _settle_rate(state: TuneState, rungs: list[ladder.Rung], decision: Decision) -> None:
    found = ladder.threshold(rungs)
    if found is None:
        state.settle(decision)
        return
    state.threshold = found
    state.settle(decision, learning_rate=found / 2)


def _no_size(config: Config) -> str | None:
    if config.batch_size != "all":
        return None
    return (
        "batch_size is all, so that each step takes all examples and there is no size to choose; "
        "with a number as batch_size the sizes are tried"
    )


AGAIN = "η again, with that λ"
STAGES = (
    Stage(
        2,
        "eta",
        frozenset({"eta"}),
        learning_rate.HEADING,
        "η by order of magnitude",
        _eta,
        (3, 19),
        lambda _: learning_rate.EPOCHS,
        learning_rate.why_not,
    ),
    Stage(
        3,
        "lambda",
        frozenset({"lambda"}),
        weight_decay.HEADING,
        "λ",
        weight_decay.decide,
        (7, 65),
        lambda _: weight_decay.EPOCHS,
    ),
    Stage(
        4,
        "eta",
        frozenset({"eta", "lambda"}),
        AGAIN,
        "η again",
        _eta_again,
        (2, 9),
        lambda _: learning_rate.EPOCHS,
        learning_rate.why_not,
    ),
    Stage(
        5,
        "batch-size",
        frozenset({"batch-size"}),
        batch_size.HEADING,
        "mini-batch size",
        batch_size.decide,
        (5, 23),
        lambda _: batch_size.EPOCHS,
        _no_size,
    ),
    Stage(
        6,
        "eta",
        frozenset({"eta"}),
        final.RATE_HEADING,
        "η again",
        final.rate,
        (2, 9),
        lambda _: learning_rate.EPOCHS,
        learning_rate.why_not,
        full=True,
    ),
    Stage(
        6,
        "lambda",
        frozenset({"lambda"}),
        final.DECAY_HEADING,
        "λ again",
        final.decay,
        (3, 25),
        lambda _: weight_decay.EPOCHS,
        full=True,
    ),
    Stage(
        6,
        "final",
        frozenset({"final"}),
        "Final training",
        "final training",
        final.train,
        (1, 6),
        final.epochs,
        full=True,
    ),
)
