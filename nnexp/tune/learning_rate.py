"""The stages of the learning rate: the ladder is climbed, and what was found is looked at again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.optim.schedules import Constant
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.figure import Axis, Figure
from nnexp.store import thresholds
from nnexp.streams import Pcg64
from nnexp.tune import ladder
from nnexp.tune.decision import Decision, NothingFoundError, curve, number, picture
from nnexp.tune.ladder import Judged, Rung
from nnexp.tune.trials import JobGroup, Steps, Trials, Update

EPOCHS = 10
"""Epochs of a rung, at least: fewer are too few to tell noise from an oscillation."""

RULE = (
    "λ = 0, training cost of the first epochs. From 0.01 by factors of ten, up while the cost "
    "falls and down while it does not, or while the smallest rate is as fast as the best; then "
    "within the decade. A rate is too large if the cost "
    "oscillates, rises or diverges, if its rises are a tenth of its falls or more, or if it ends "
    "a tenth above what a smaller rate came to. Half of the largest rate that is not."
)
HEADING = "Learning rate η"
AGAIN = (
    "The same rule on the training cost with λ in it, around the threshold found before: from a "
    "fifth of it, up by factors of 2 to 2.5 while the cost falls steadily, else down."
)


class NoRateError(NothingFoundError):
    """No learning rate makes the training cost fall."""


def why_not(config: Config) -> str | None:
    """Return why there is no learning rate to be found, or None if there is one."""
    if config.learning_rate is not None:
        return None
    name = config.optimizer.__struct_config__.tag
    return (
        f"optimizer {name} chooses its step by a line search: it has no learning rate to be found"
    )


def trial_config(config: Config, epochs: int = EPOCHS) -> Config:
    """Return a config's rung: a constant rate, no λ, no early end, the training cost alone.

    Raises:
        UsageError: the optimizer takes no learning rate.
    """
    if (why := why_not(config)) is not None:
        raise UsageError(why)
    return replace(
        config,
        schedule=Constant(),
        lambda_=0.0,
        regularizer="l2",
        epochs=epochs,
        evaluate_every=1,
        patience=None,
        stopping=Config().stopping,
        monitor=("train",),
        rng=Pcg64(),
    )


def climb(
    config: Config, trials: Trials, following: Callable[[Sequence[Rung]], Sequence[float]]
) -> Steps[list[Rung]]:
    """Return the rungs that a rule asks for, as long as it asks for any."""
    rungs: list[Rung] = []
    while rates := following(rungs):
        for trial in (yield JobGroup([replace(config, learning_rate=rate) for rate in rates])):
            rung = trial.rung
            rungs.append(rung)
            last = next(each for each in ladder.judged(rungs) if each.rung is rung)
            ends = f"{number(last.diagnosis.first)} to {number(last.diagnosis.last)}"
            text = f"η = {rung.learning_rate:g}: {last.why} ({ends})"
            trials.tell(Update(text, known(rungs)))
    return rungs


def known(rungs: Sequence[Rung]) -> str:
    """Return in words where the threshold is, as far as is known."""
    found = ladder.threshold(rungs)
    large = [e.rung.learning_rate for e in ladder.judged(rungs) if e.judgement == "too large"]
    below = f" and below {min(large):g}" if large else ""
    return f"threshold at least {found:g}{below}" if found else f"threshold unknown{below}"


def find(config: Config, trials: Trials, epochs: int = EPOCHS) -> Steps[list[Rung]]:
    """Climb the ladder for a config and note the threshold for its problem.

    Raises:
        NoRateError: no rate is steady.
        BudgetSpentError: the trials' budget is spent.
        NnexpError: what training raises.
    """
    rungs = yield from climb(trial_config(config, epochs), trials, ladder.next_rates)
    if ladder.threshold(rungs) is None:
        failing = decision(rungs, stage=2, heading=HEADING, rule=RULE)
        raise NoRateError(ladder.failure(rungs), failing)
    return _noted(config, trials, rungs)


def again(config: Config, trials: Trials, before: float, *, lambda_: bool) -> Steps[list[Rung]]:
    """Look around a threshold found before, with λ or without; there may be none now."""
    grid = [float(f"{factor * before:.6g}") for factor in ladder.AROUND]
    base = trial_config(config)
    if lambda_:
        base = replace(base, lambda_=config.lambda_, regularizer=config.regularizer)

    def following(rungs: Sequence[Rung]) -> list[float]:
        rate = ladder.climb(grid, ladder.BELOW, rungs)
        return [] if rate is None else [rate]

    rungs = yield from climb(base, trials, following)
    return rungs if lambda_ else _noted(config, trials, rungs)


def _noted(config: Config, trials: Trials, rungs: list[Rung]) -> list[Rung]:
    if (found := ladder.threshold(rungs)) is not None:
        thresholds.record(trials.runs, trials.checked(config)[1], found, trials.command)
    return rungs


def decision(
    rungs: Sequence[Rung], *, stage: int, heading: str, rule: str, before: float | None = None
) -> Decision:
    """Return what the rungs say, with the picture of their costs.

    Args:
        rungs: the rates that were tried.
        stage: of the protocol.
        heading: the decision's.
        rule: by which it is made.
        before: the rate that stays if no rung is steady; None: then there is none.
    """
    seen, found = ladder.judged(rungs), ladder.threshold(rungs)
    return Decision(
        stage=stage,
        name="eta",
        heading=heading,
        answer=_answer(rungs, seen, found, before),
        rule=rule,
        header=("learning_rate", "judgement", "cost", "rises/falls", "first", "last"),
        rows=[_row(each) for each in seen],
        left=3,
        picture=cost_figure(rungs),
        chose=() if found is None else (("learning_rate", found / 2),),
    )


def _answer(
    rungs: Sequence[Rung], seen: Sequence[Judged], found: float | None, before: float | None
) -> str:
    if found is None:
        stays = "No η" if before is None else f"η stays {before:g}"
        return f"{stays}: {ladder.failure(rungs)}."
    above = [each for each in seen if each.rung.learning_rate > found]
    if not above:
        return (
            f"η = {found / 2:g}, half of {found:g}, with which the training cost falls steadily; "
            "it is the largest rate that was tried, so that the threshold may be higher."
        )
    return (
        f"η = {found / 2:g}, half of the threshold {found:g}: up to there the training "
        f"cost falls steadily; at {above[0].rung.learning_rate:g} it is {above[0].why}."
    )


def _row(each: Judged) -> list[str]:
    found = each.diagnosis
    ratio = "-" if found.ratio is None else number(found.ratio)
    rate = f"{each.rung.learning_rate:g}"
    return [rate, each.judgement, each.why, ratio, number(found.first), number(found.last)]


def cost_figure(rungs: Sequence[Rung]) -> Figure:
    """Return the ladder's cost curves."""
    found = ladder.threshold(rungs)
    curves = [
        curve(
            f"η = {rung.learning_rate:g}",
            range(1, len(rung.costs) + 1),
            rung.costs,
            "threshold" if rung.learning_rate == found else "",
        )
        for rung in sorted(rungs, key=lambda rung: rung.learning_rate)
    ]
    title = "Training cost of the first epochs"
    return picture(title, Axis("epoch", whole=True), Axis("training cost", scale="log"), curves)


def document(decision: Decision) -> Document:
    """Return the table of the rates, and the decision, for a terminal."""
    rates = Table(decision.header, decision.rows, decision.left, folds=True)
    return plain(rates, Sentences([decision.answer]))


class RungOutput(Struct, frozen=True, kw_only=True):
    """A learning rate that find-rate tried."""

    learning_rate: float
    judgement: str
    why: str
    kind: str
    """Of the cost's curve."""
    costs: list[float | None]
    """By epoch; null if it is not finite."""


class FindRateOutput(Struct, frozen=True, kw_only=True):
    """The result of find-rate."""

    threshold: float | None
    learning_rate: float | None
    rungs: list[RungOutput]


def output(rungs: Sequence[Rung]) -> FindRateOutput:
    """Return the rates and the threshold as a value for JSON."""
    threshold = ladder.threshold(rungs)
    return FindRateOutput(
        threshold=threshold,
        learning_rate=threshold and threshold / 2,
        rungs=[
            RungOutput(
                learning_rate=judged.rung.learning_rate,
                judgement=judged.judgement,
                why=judged.why,
                kind=judged.diagnosis.kind,
                costs=[cost if math.isfinite(cost) else None for cost in judged.rung.costs],
            )
            for judged in ladder.judged(rungs)
        ],
    )
