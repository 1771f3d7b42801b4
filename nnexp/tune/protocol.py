"""The stages of the chapter's tuning protocol, and their cost.

Source: Nielsen (2015), chapter 3, how to choose a neural network's hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config import rules
from nnexp.config.model import Config, FromRun
from nnexp.errors import NnexpError, SettingError, UsageError
from nnexp.optim.schedules import Piecewise
from nnexp.runner.assembly import per_example
from nnexp.tune import (
    batch_size,
    chance,
    choice,
    final,
    ladder,
    learning_rate,
    quick_problem,
    rate_check,
    weight_decay,
)
from nnexp.tune.choice import rounded
from nnexp.tune.decision import Decision, skipped
from nnexp.tune.state import TimingSession, TuneState
from nnexp.tune.trials import BudgetSpentError, Steps, Trials, Update

FIRST = "1: better than chance"
NAMES = ("eta", "lambda", "batch-size", "final")
"""What can be tuned; training is checked to be better than chance in any case."""


class TooLittleError(NnexpError):
    """The budget was spent before anything was decided."""


class NothingTrainedError(UsageError):
    """The budget is too small for a single trial."""


class TuningResult(NamedTuple):
    """The result of tuning."""

    config: Config
    decisions: list[Decision]
    unfinished: list[str]
    """Stages for which the budget was too small."""
    unchecked: bool = False
    """Whether one of them would have checked η or λ on the full problem."""

    @property
    def notes(self) -> list[str]:
        """Sentences on what is missing."""
        notes = [f"The budget was too small for stage {stage}." for stage in self.unfinished]
        if self.unchecked:
            notes.append("The values from the quick problem are not checked on the full one.")
        return notes


def begin(
    config: Config,
    trials: Trials,
    only: Collection[str] = NAMES,
    session: TimingSession | None = None,
    keep: Callable[[TimingSession], None] = lambda _: None,
    *,
    full: bool = False,
) -> tuple[TuneState, dict[str, Config]]:
    """Return the initial state of tuning, and the problems of the first stage by name.

    Raises:
        SettingError: the config starts from a run's weights, which do not fit the quick problem.
        UsageError: only the learning rate is to be tuned and the config has none, or its data
            has no validation examples.
        DataError: the data cannot be read.
    """
    if isinstance(config.initializer, FromRun) and not full:
        raise SettingError(
            "initializer",
            "tune begins with a smaller network, which cannot have a run's weights; "
            "add --full, or choose a distribution",
        )
    if not set(only) - {"eta"}:
        learning_rate.trial_config(config)
    if isinstance(config.schedule, Piecewise) and set(only) - {"lambda"}:
        config = rules.with_constant_rate(config)  # all other decisions choose a learning rate
    n = trials.training_examples(config)
    dataset = trials.dataset(replace(config, data=replace(config.data, expand=None)))
    small = quick_problem.derive(config, dataset, n)
    is_full = (small.data, small.hidden) == (config.data, config.hidden)
    problems = {quick_problem.FULL if is_full else "a quick problem with all classes": small}
    simplest = quick_problem.two_classes(small, dataset)
    if simplest is not None and simplest != small:
        problems = {"two classes without a hidden layer": simplest, **problems}
    if full:
        lambda_ = rounded(per_example(config, n) * n)
        small = replace(quick_problem.plain(config), lambda_=lambda_)
        problems = {quick_problem.FULL: small}
    threshold = 2 * (config.learning_rate or 0.0)
    state = TuneState(
        config, small, trials, threshold, frozenset(only), session or TimingSession(), keep
    )
    return state, problems


def tune(
    state: TuneState, problems: dict[str, Config], notify: Callable[[Update], None]
) -> Steps[TuningResult]:
    """Run the stages of the protocol until the budget is spent.

    Raises:
        TooLittleError: the budget is spent before anything is decided.
        NothingTrainedError: the budget is too small for the first trial.
        NothingFoundError: nothing is learned, no rate is steady, or every size diverges.
        NnexpError: training failed.
    """
    stages = [stage for stage in STAGES if stage.needs <= state.chosen]
    titles = [FIRST, *(f"{stage.number}: {stage.title}" for stage in stages)]
    steps = [lambda state: chance.decide(state, problems), *(_step(stage) for stage in stages)]
    numbers = [1, *(stage.number for stage in stages)]
    for index, (number, title, step) in enumerate(zip(numbers, titles, steps, strict=True)):
        count = len(state.decisions)
        notify(Update(f"stage {title}", stage=f"stage {number}"))
        try:
            yield from step(state)
        except BudgetSpentError:
            if not any(decision.chose for decision in state.decisions):
                raise _too_little(state, plan(state, problems)[: index + 1]) from None
            left = stages[max(0, index - 1) :]
            checks = [s for s in left if s.full and s.name in {"eta", "lambda"}]
            unchecked = not state.is_full and any(s.why_not(state) is None for s in checks)
            return TuningResult(state.config, state.decisions, titles[index:], unchecked)
        for decision in state.decisions[count:]:
            notify(Update(f"  {decision.answer}"))
    return TuningResult(state.config, state.decisions, [])


def _too_little(state: TuneState, started: list[StagePlan]) -> NnexpError:
    """Return the error for a budget that is spent in the last of these stages."""
    least = sum(stage.epochs_least for stage in started)
    most = sum(stage.epochs_most for stage in started)
    examples = max(stage.examples for stage in started)
    stages = "stage 1 takes" if len(started) == 1 else f"stages 1 to {started[-1].stage[0]} take"
    advice = "trained runs are kept; repeat the command with a larger budget to resume"
    message = (
        f"the budget is spent in stage {started[-1].stage}, before anything is decided, so nothing "
        f"is written: {stages} {least} to {most} epochs of trials, of up to {examples:,} examples "
        "each (--explain shows all stages)"
    )
    taken = state.trials.taken
    return TooLittleError(f"{message}; {advice}") if taken else NothingTrainedError(message)


def _step(stage: Stage) -> Callable[[TuneState], Steps[None]]:
    """Return the function that runs a stage, or records why it is skipped."""

    def step(state: TuneState) -> Steps[None]:
        why = stage.why_not(state)
        if why is None:
            yield from stage.decide(state)
        else:
            state.decisions.append(skipped(stage.number, stage.name, stage.heading, why))

    return step


class StagePlan(NamedTuple):
    """The cost of a stage."""

    stage: str
    trials_least: int
    trials_most: int
    epochs: int
    """Maximum epochs of a trial, which the budget must allow."""
    examples: int
    """Training examples in an epoch."""
    epochs_least: int
    """Of all trials together; those that grow out of others share their epochs."""
    epochs_most: int


def plan(state: TuneState, problems: dict[str, Config]) -> list[StagePlan]:
    """Return the cost of each stage; a skipped one has no trials."""
    most = sum(len(chance.candidates(problem, state.chosen)) for problem in problems.values())
    together = chance.EPOCHS * len(problems), chance.EPOCHS * most
    first = StagePlan(FIRST, len(problems), most, chance.EPOCHS, state.examples, *together)
    return [first, *(_planned(stage, state) for stage in STAGES if stage.needs <= state.chosen)]


def _planned(stage: Stage, state: TuneState) -> StagePlan:
    problem = stage.problem(state)
    epochs = stage.epochs(problem)
    least, most = trials = stage.trials
    together = stage.together or (epochs * least, epochs * most)
    if stage.why_not(state) is not None:
        may_follow = _may_follow(stage, state)
        trials, together = (0, may_follow * most), (0, may_follow * together[1])
    examples = state.all_examples if stage.full else state.examples
    title = f"{stage.number}: {stage.title}{' (full problem)' if stage.full else ''}"
    return StagePlan(title, *trials, epochs, examples, *together)


class Stage(NamedTuple):
    """A stage of the protocol, and its cost."""

    number: int
    name: str
    """What it tunes, as in ``--only``."""
    needs: frozenset[str]
    """The stage runs if all of these are to be tuned."""
    heading: str
    """Heading of its section in the decisions."""
    title: str
    decide: Callable[[TuneState], Steps[None]]
    trials: tuple[int, int]
    """Minimum and maximum number of trials."""
    epochs: Callable[[Config], int]
    """Maximum epochs of a trial."""
    why_not: Callable[[TuneState], str | None] = lambda _: None
    """Returns why the stage is skipped, or None."""
    full: bool = False
    """Whether it uses the full problem."""
    together: tuple[int, int] | None = None
    """Minimum and maximum epochs of all trials, if some grow out of others."""

    def problem(self, state: TuneState) -> Config:
        """Return the problem that the stage uses."""
        return state.config if self.full else state.quick


def _eta(state: TuneState) -> Steps[None]:
    rungs = yield from learning_rate.find(state.quick, state.trials)
    decision = learning_rate.decision(
        rungs, stage=2, heading=learning_rate.HEADING, rule=learning_rate.RULE
    )
    _settle_rate(state, rungs, decision)


def _eta_again(state: TuneState) -> Steps[None]:
    checked = yield from rate_check.again(state.quick, state.trials, state.threshold, lambda_=True)
    before = state.quick.learning_rate
    decision = rate_check.decision(
        checked, stage=4, heading=AGAIN, rule=rate_check.RULE, before=before
    )
    _settle_rate(state, checked.rungs, decision)


def _settle_rate(state: TuneState, rungs: list[ladder.Rung], decision: Decision) -> None:
    threshold = ladder.threshold(rungs)
    if threshold is None:
        state.settle(decision)
        return
    state.threshold = threshold
    state.settle(decision, **dict(decision.chose))


def _no_rate(state: TuneState) -> str | None:
    return learning_rate.why_not(state.config)


def _rate_checked(state: TuneState) -> str | None:
    if (why := _no_rate(state)) is not None or not state.is_full or state.has_new_size:
        return why
    return "η was chosen on the full problem with these mini-batches"


def _may_follow(stage: Stage, state: TuneState) -> bool:
    """Return whether a check becomes necessary if η or the mini-batch size changes."""
    if _no_rate(state) is not None or "eta" not in state.chosen:
        return False
    may_change_size = "batch-size" in state.chosen and _no_size(state) is None
    return stage.decide is final.decay or (stage.decide is final.rate and may_change_size)


def _strength_checked(state: TuneState) -> str | None:
    if not state.is_full or not weight_decay.is_settled(state):
        return None
    has_rate = "eta" in state.chosen and _no_rate(state) is None
    hardly = ", and η/m has hardly changed since" * has_rate
    return f"λ was chosen on the full problem{hardly}"


def _no_size(state: TuneState) -> str | None:
    if state.config.batch_size != "all":
        return None
    return (
        "batch_size is all, so every step uses all examples; set batch_size to a number to "
        "try sizes"
    )


STRENGTHS = len(choice.decades(weight_decay.START, weight_decay.ENDS)) + len(choice.FINER)
"""Most λ of the quick problem."""
STRENGTHS_AGAIN = len(choice.FINER) + len(
    choice.decades(1.0, (1 / weight_decay.REACH, weight_decay.REACH))
)
"""Most λ of the full problem."""


def _together(strengths: int) -> int:
    """Return the epochs of short trials of λ, of which some are continued as long ones."""
    more = weight_decay.LONG - weight_decay.SHORT
    return weight_decay.SHORT * strengths + more * weight_decay.FINALISTS


AGAIN = "η again, with that λ"
STAGES = (
    Stage(
        2,
        "eta",
        frozenset({"eta"}),
        learning_rate.HEADING,
        "η by order of magnitude",
        _eta,
        (4, 19),
        lambda _: learning_rate.EPOCHS,
        _no_rate,
    ),
    Stage(
        3,
        "lambda",
        frozenset({"lambda"}),
        weight_decay.HEADING,
        "λ",
        weight_decay.decide,
        (5, STRENGTHS + weight_decay.FINALISTS),
        lambda _: weight_decay.LONG,
        together=(50, _together(STRENGTHS)),
    ),
    Stage(
        4,
        "eta",
        frozenset({"eta", "lambda"}),
        AGAIN,
        "η again",
        _eta_again,
        (2, len(ladder.AROUND)),
        lambda _: learning_rate.EPOCHS,
        _no_rate,
    ),
    Stage(
        5,
        "batch-size",
        frozenset({"batch-size"}),
        batch_size.HEADING,
        "mini-batch size",
        batch_size.decide,
        (4, 14),
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
        (2, len(ladder.AROUND)),
        lambda _: learning_rate.EPOCHS,
        _rate_checked,
        full=True,
    ),
    Stage(
        6,
        "lambda",
        frozenset({"lambda"}),
        final.DECAY_HEADING,
        "λ again",
        final.decay,
        (5, STRENGTHS_AGAIN + weight_decay.FINALISTS),
        lambda _: weight_decay.LONG,
        _strength_checked,
        full=True,
        together=(50, _together(STRENGTHS_AGAIN)),
    ),
    Stage(
        6,
        "final",
        frozenset({"final"}),
        "Final training",
        "final training",
        final.train,
        (1, 2),
        final.epochs,
        full=True,
    ),
)
