"""The stages that choose the learning rate: climb the ladder, and check the threshold again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nnexp.analysis.diagnosis import Kind
from nnexp.config import rules
from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.figure import Axis, Figure
from nnexp.report.text import MISSING
from nnexp.store import thresholds
from nnexp.streams import Pcg64
from nnexp.tune import ladder
from nnexp.tune.decision import Decision, NothingFoundError, curve, number, picture
from nnexp.tune.ladder import Judged, Judgement, Rung
from nnexp.tune.trials import JobGroup, Steps, Trials, Update

EPOCHS = 10
"""Minimum epochs of a rung: fewer are too few to distinguish noise from oscillation."""

RULE = (
    "λ = 0, training cost of the first epochs. From 0.01 by factors of ten, up while the cost "
    "falls and down while it does not, or while the smallest rate is as fast as the best; then "
    "within the decade. A rate is too large if the cost "
    "oscillates, rises or diverges, if its rises are a tenth of its falls or more, or if it ends "
    "a tenth above the cost of a smaller rate. Half of the largest rate below these is chosen."
)
HEADING = "Learning rate η"
AGAIN = (
    "The same rule on the training cost including λ, around the earlier threshold: from a "
    "fifth of it, up by factors of 2 to 2.5 while the cost falls steadily, else down."
)


class RungOutput(Struct, frozen=True, kw_only=True, tag_field="tried", tag="learning_rate"):
    """A learning rate that was tried, for JSON; null for a cost that is not finite."""

    learning_rate: float
    judgement: Judgement
    why: str
    kind: Kind
    """Of the cost's curve."""
    ratio: float | None
    """The sum of the cost's rises over that of its falls; null if it never falls."""
    first: float | None
    """The cost of the first epoch."""
    last: float | None
    """The cost of the last epoch, or the first that is not finite."""
    costs: list[float | None]
    """By epoch."""


class NoRateError(NothingFoundError):
    """No learning rate makes the training cost fall."""


def why_not(config: Config) -> str | None:
    """Return why a config has no learning rate to choose, or None if it has one."""
    if config.optimizer.default_learning_rate is not None:
        return None
    name = config.optimizer.__struct_config__.tag
    return f"optimizer {name} chooses its step by a line search: it has no learning rate to choose"


def trial_config(config: Config, epochs: int = EPOCHS) -> Config:
    """Return a rung's config: constant rate, λ = 0, no early stopping, only the training cost.

    Raises:
        UsageError: the optimizer has no learning rate.
    """
    if (why := why_not(config)) is not None:
        raise UsageError(why)
    return replace(
        rules.with_constant_rate(config),
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
    """Train rungs until the rule ``following`` proposes no more rates, and return them."""
    rungs: list[Rung] = []
    while rates := following(rungs):
        for trial in (yield JobGroup([replace(config, learning_rate=rate) for rate in rates])):
            rung = trial.rung
            rungs.append(rung)
            last = next(tried for tried in ladder.judged(rungs) if tried.rung is rung)
            ends = f"{number(last.diagnosis.first)} to {number(last.diagnosis.last)}"
            text = f"η = {rung.learning_rate:g}: {last.why} ({ends})"
            trials.tell(Update(text, known(rungs)))
    return rungs


def known(rungs: Sequence[Rung]) -> str:
    """Describe the bounds of the threshold known so far."""
    threshold = ladder.threshold(rungs)
    large = [e.rung.learning_rate for e in ladder.judged(rungs) if e.judgement == "too large"]
    below = f" and below {min(large):g}" if large else ""
    return f"threshold at least {threshold:g}{below}" if threshold else f"threshold unknown{below}"


def find(config: Config, trials: Trials, epochs: int = EPOCHS) -> Steps[list[Rung]]:
    """Climb the ladder for a config and record the threshold of its problem.

    Raises:
        NoRateError: no rate is steady.
        BudgetSpentError: the trials' budget is spent.
        NnexpError: training failed.
    """
    rungs = yield from climb(trial_config(config, epochs), trials, ladder.next_rates)
    if ladder.threshold(rungs) is None:
        failing = decision(rungs, stage=2, heading=HEADING, rule=RULE)
        raise NoRateError(ladder.failure(rungs), failing)
    return _recorded(config, trials, rungs)


def again(config: Config, trials: Trials, before: float, *, lambda_: bool) -> Steps[list[Rung]]:
    """Try rates around an earlier threshold, with λ or without; all of them may fail now."""
    grid = [float(f"{factor * before:.6g}") for factor in ladder.AROUND]
    base = trial_config(config)
    if lambda_:
        base = replace(base, lambda_=config.lambda_, regularizer=config.regularizer)

    def following(rungs: Sequence[Rung]) -> list[float]:
        rate = ladder.climb(grid, ladder.BELOW, rungs)
        return [] if rate is None else [rate]

    rungs = yield from climb(base, trials, following)
    return rungs if lambda_ else _recorded(config, trials, rungs)


def _recorded(config: Config, trials: Trials, rungs: list[Rung]) -> list[Rung]:
    if (threshold := ladder.threshold(rungs)) is not None:
        job, content = trials.job(config), trials.content(config)
        thresholds.record(trials.runs, job.config, content, threshold, trials.command)
    return rungs


def decision(
    rungs: Sequence[Rung], *, stage: int, heading: str, rule: str, before: float | None = None
) -> Decision:
    """Return the decision that follows from rungs, with a figure of their costs.

    Args:
        rungs: the rates that were tried.
        stage: of the protocol.
        heading: of the decision.
        rule: of the decision.
        before: the rate to keep if no rung is steady; None if there is none.
    """
    tried, threshold = ladder.judged(rungs), ladder.threshold(rungs)
    rates = list(map(_output, tried))
    return Decision(
        stage=stage,
        name="eta",
        heading=heading,
        answer=_answer(rungs, tried, threshold, before),
        rule=rule,
        alternatives=rates,
        header=("learning_rate", "judgement", "cost", "rises/falls", "first", "last"),
        rows=list(map(_row, rates)),
        left=3,
        picture=cost_figure(rungs),
        chose=() if threshold is None else (("learning_rate", threshold / 2),),
    )


def _answer(
    rungs: Sequence[Rung], tried: Sequence[Judged], threshold: float | None, before: float | None
) -> str:
    if threshold is None:
        stays = "No η" if before is None else f"η stays {before:g}"
        return f"{stays}: {ladder.failure(rungs)}."
    above = [rung for rung in tried if rung.rung.learning_rate > threshold]
    if not above:
        return (
            f"η = {threshold / 2:g}, half of {threshold:g}: the training cost falls steadily; no "
            "larger rate was tried, so the threshold may be higher."
        )
    return (
        f"η = {threshold / 2:g}, half of the threshold {threshold:g}: the training cost falls "
        f"steadily up to {threshold:g}; at {above[0].rung.learning_rate:g} it is {above[0].why}."
    )


def _output(tried: Judged) -> RungOutput:
    diagnosis = tried.diagnosis
    return RungOutput(
        learning_rate=tried.rung.learning_rate,
        judgement=tried.judgement,
        why=tried.why,
        kind=diagnosis.kind,
        ratio=diagnosis.ratio,
        first=diagnosis.first,
        last=diagnosis.last,
        costs=list(tried.rung.costs),
    )


def _row(tried: RungOutput) -> list[str]:
    numbers = (tried.ratio, tried.first, tried.last)
    cells = [MISSING if value is None else number(value) for value in numbers]
    return [f"{tried.learning_rate:g}", tried.judgement, tried.why, *cells]


def cost_figure(rungs: Sequence[Rung]) -> Figure:
    """Return the ladder's cost curves."""
    threshold = ladder.threshold(rungs)
    curves = [
        curve(
            f"η = {rung.learning_rate:g}",
            range(1, len(rung.costs) + 1),
            rung.costs,
            "threshold" if rung.learning_rate == threshold else "",
        )
        for rung in sorted(rungs, key=lambda rung: rung.learning_rate)
    ]
    title = "Training cost of the first epochs"
    return picture(title, Axis("epoch", whole=True), Axis("training cost", scale="log"), curves)


def document(decision: Decision) -> Document:
    """Return the table of the rates, and the decision, for a terminal."""
    rates = Table(decision.header, decision.rows, decision.left, folds=True)
    return plain(rates, Sentences([decision.answer]))


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
        rungs=list(map(_output, ladder.judged(rungs))),
    )
