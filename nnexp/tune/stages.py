"""The stages that follow the first one: what each decides, what it needs, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nnexp.config.model import Config
from nnexp.tune import batches, decays, final, ladder, rates
from nnexp.tune.decision import Decision
from nnexp.tune.state import State
from nnexp.tune.trials import Steps


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
    decide: Callable[[State], Steps[None]]
    trials: tuple[int, int]
    """At least, at most."""
    epochs: Callable[[Config], int]
    """Of a trial, at most."""
    why_not: Callable[[Config], str | None] = lambda _: None
    """Why it makes no sense for a config; None if it does."""
    full: bool = False
    """It works on the full problem."""

    def problem(self, state: State) -> Config:
        """Return what it works on."""
        return state.config if self.full else state.quick


def _eta(state: State) -> Steps[None]:
    rungs = yield from rates.find(state.quick, state.trials)
    decision = rates.decision(rungs, stage=2, heading=rates.HEADING, rule=rates.RULE)
    _settle_rate(state, rungs, decision)


def _eta_again(state: State) -> Steps[None]:
    rungs = yield from rates.again(state.quick, state.trials, state.threshold, lambda_=True)
    before = state.quick.learning_rate
    decision = rates.decision(rungs, stage=4, heading=AGAIN, rule=rates.AGAIN, before=before)
    _settle_rate(state, rungs, decision)


def _settle_rate(state: State, rungs: list[ladder.Rung], decision: Decision) -> None:
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
        rates.HEADING,
        "η by order of magnitude",
        _eta,
        (3, 19),
        lambda _: rates.EPOCHS,
        rates.why_not,
    ),
    Stage(
        3,
        "lambda",
        frozenset({"lambda"}),
        decays.HEADING,
        "λ",
        decays.decide,
        (7, 65),
        lambda _: decays.EPOCHS,
    ),
    Stage(
        4,
        "eta",
        frozenset({"eta", "lambda"}),
        AGAIN,
        "η again",
        _eta_again,
        (2, 9),
        lambda _: rates.EPOCHS,
        rates.why_not,
    ),
    Stage(
        5,
        "batch-size",
        frozenset({"batch-size"}),
        batches.HEADING,
        "mini-batch size",
        batches.decide,
        (5, 23),
        lambda _: batches.EPOCHS,
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
        lambda _: rates.EPOCHS,
        rates.why_not,
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
        lambda _: decays.EPOCHS,
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
