"""The chapter's protocol, stage by stage, and what it costs.

Source: Nielsen (2015), chapter 3, how to choose a neural network's hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.assembly import per_example
from nnexp.config.model import Config
from nnexp.tune import batches, chance, decays, final, ladder, quick, rates
from nnexp.tune.choice import rounded
from nnexp.tune.decision import Decision
from nnexp.tune.state import Sitting, State
from nnexp.tune.trials import BudgetSpentError, Trials

NAMES = ("eta", "lambda", "batch-size", "final")
"""What can be decided; that chance is beaten is made sure of whatever is asked for."""


class Stage(NamedTuple):
    """A part of the protocol, and what it takes."""

    number: int
    needs: frozenset[str]
    """It is gone through if all of these are to be decided."""
    title: str
    decide: Callable[[State], None]
    trials: tuple[int, int]
    """At least, at most."""
    epochs: int
    """Of a trial, at most."""
    full: bool = False
    """It works on the full problem."""


def _eta(state: State) -> None:
    rungs = rates.find(state.quick, state.trials)
    heading = "Learning rate η"
    decision = rates.decision(rungs, stage=2, heading=heading, rule=rates.RULE)
    _settle_rate(state, rungs, decision)


def _eta_again(state: State) -> None:
    rungs = rates.again(state.quick, state.trials, state.threshold, lambda_=True)
    heading = "η again, with that λ"
    before = state.quick.learning_rate
    decision = rates.decision(rungs, stage=4, heading=heading, rule=rates.AGAIN, before=before)
    _settle_rate(state, rungs, decision)


def _settle_rate(state: State, rungs: list[ladder.Rung], decision: Decision) -> None:
    found = ladder.threshold(rungs)
    if found is None:
        state.settle(decision)
        return
    state.threshold = found
    state.settle(decision, learning_rate=found / 2)


STAGES = (
    Stage(2, frozenset({"eta"}), "η by order of magnitude", _eta, (4, 19), rates.EPOCHS),
    Stage(3, frozenset({"lambda"}), "λ", decays.decide, (7, 36), decays.EPOCHS),
    Stage(4, frozenset({"eta", "lambda"}), "η again", _eta_again, (2, 9), rates.EPOCHS),
    Stage(5, frozenset({"batch-size"}), "mini-batch size", batches.decide, (5, 23), batches.EPOCHS),
    Stage(6, frozenset({"final", "eta"}), "η again", final.rate, (2, 9), rates.EPOCHS, full=True),
    Stage(
        6, frozenset({"final", "lambda"}), "λ again", final.decay, (3, 15), decays.EPOCHS, full=True
    ),
    Stage(6, frozenset({"final"}), "final training", final.train, (2, 6), final.EPOCHS, full=True),
)


class Tuned(NamedTuple):
    """What came of it."""

    config: Config
    decisions: list[Decision]
    unfinished: list[str]
    """Stages that the budget did not suffice for."""


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
        UsageError: the config has no learning rate, or its data no validation examples.
        DataError: the data cannot be read.
    """
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
        problems = {"the full problem": small}
    threshold = 2 * (config.learning_rate or 0.0)
    state = State(config, small, trials, threshold, frozenset(only), sitting or Sitting(), keep)
    return state, problems


def tune(state: State, problems: dict[str, Config], said: Callable[[str], None]) -> Tuned:
    """Go through the protocol; stop where the budget ends.

    Raises:
        NnexpError: nothing can be learned, no rate is steady, or what training raises.
    """
    stages = [stage for stage in STAGES if stage.needs <= state.chosen]
    titles = ["1: better than chance", *(f"{each.number}: {each.title}" for each in stages)]
    steps = [lambda state: chance.decide(state, problems), *(each.decide for each in stages)]
    for place, (title, step) in enumerate(zip(titles, steps, strict=True)):
        made = len(state.decisions)
        said(f"stage {title}")
        try:
            step(state)
        except BudgetSpentError:
            return Tuned(state.config, state.decisions, titles[place:])
        for decision in state.decisions[made:]:
            said(f"  {decision.answer}")
    return Tuned(state.config, state.decisions, [])


def plan(state: State, problems: dict[str, Config]) -> list[tuple[str, int, int, int, int]]:
    """Return for each stage its title, trials at least and at most, epochs and examples of one."""
    tried = 1 + len(chance.RATES)
    rows = [
        (
            "1: better than chance",
            len(problems),
            tried * len(problems),
            chance.EPOCHS,
            state.examples,
        )
    ]
    for stage in STAGES:
        if stage.needs <= state.chosen:
            examples = state.all_examples if stage.full else state.examples
            title = f"{stage.number}: {stage.title}{' (full problem)' if stage.full else ''}"
            rows.append((title, *stage.trials, stage.epochs, examples))
    return rows
