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
from nnexp.tune import chance, quick, rates
from nnexp.tune.choice import rounded
from nnexp.tune.decision import Decision, skipped
from nnexp.tune.stages import STAGES, Stage
from nnexp.tune.state import Sitting, State
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
) -> tuple[State, dict[str, Config]]:
    """Return a tuning before its first stage, and the problems on which chance is to be beaten.

    Raises:
        UsageError: the learning rate alone is to be decided and the config has none, or its data
            has no validation examples.
        DataError: the data cannot be read.
    """
    if not set(only) - {"eta"}:
        rates.trial_config(config)
    n = len(trials.dataset(config).train.labels)
    dataset = trials.dataset(replace(config, data=replace(config.data, expand=None)))
    small = quick.quick(config, dataset, n)
    problems = {"a quick problem with all classes": small}
    simplest = quick.two_classes(small, dataset)
    if simplest is not None and simplest != small:
        problems = {"two classes without a hidden layer": simplest, **problems}
    if full:
        lambda_ = rounded(per_example(config, n) * n)
        small = replace(quick.plain(config), lambda_=lambda_)
        problems = {quick.FULL: small}
    threshold = 2 * (config.learning_rate or 0.0)
    state = State(config, small, trials, threshold, frozenset(only), sitting or Sitting(), keep)
    return state, problems


def tune(state: State, problems: dict[str, Config], said: Callable[[Update], None]) -> Steps[Tuned]:
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


def _too_little(state: State, begun: list[Planned]) -> NnexpError:
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


def _step(stage: Stage) -> Callable[[State], Steps[None]]:
    """Return what a stage does: decide, or say why it is left out."""

    def step(state: State) -> Steps[None]:
        why = stage.why_not(stage.problem(state))
        if why is None:
            yield from stage.decide(state)
        else:
            state.decisions.append(skipped(stage.number, stage.name, stage.heading, why))

    return step


class Planned(NamedTuple):
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


def plan(state: State, problems: dict[str, Config]) -> list[Planned]:
    """Return what each stage takes; one that is left out takes no trials."""
    tried = sum(len(chance.candidates(problem, state.chosen)) for problem in problems.values())
    first = Planned(FIRST, len(problems), tried, chance.EPOCHS, state.examples)
    return [first, *(_planned(each, state) for each in STAGES if each.needs <= state.chosen)]


def _planned(stage: Stage, state: State) -> Planned:
    problem = stage.problem(state)
    trials = stage.trials if stage.why_not(problem) is None else (0, 0)
    examples = state.all_examples if stage.full else state.examples
    title = f"{stage.number}: {stage.title}{' (full problem)' if stage.full else ''}"
    return Planned(title, *trials, stage.epochs(problem), examples)
