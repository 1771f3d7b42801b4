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
from nnexp.tune.trials import JobGroup, JobResult, Steps, Trials, Update

EPOCHS = 10
"""Minimum epochs of a rung: fewer are too few to distinguish noise from oscillation."""

SEEDS = 3
"""Number of seeds of find-rate; tune, which checks its rates again, uses the config's seed only."""

RULE = (
    "λ = 0, training cost of the first epochs. From 0.01 by factors of ten, up while the cost "
    "falls and down while it does not, or while the smallest rate is as fast as the best; then "
    "by 1, 2 and 5 within the decade. A rate is too large if the cost oscillates, rises or "
    "diverges. Its unsteadiness is the larger one of its rises as a multiple of half of its falls, "
    "and of its end's excess over the lowest at a smaller rate as a multiple of 8 % of that. "
    "The threshold is where this reaches 1, interpolated between the rates; half of it is chosen."
)
HEADING = "Learning rate η"


class CurveOutput(Struct, frozen=True, kw_only=True):
    """The training cost at a rate with one seed; null for a cost that is not finite."""

    seed: int
    kind: Kind
    ratio: float | None
    """The sum of the cost's rises over that of its falls; null if it never falls."""
    first: float | None
    """The cost of the first epoch."""
    last: float | None
    """The cost of the last epoch, or the first that is not finite."""
    costs: list[float | None]
    """By epoch."""


class RungOutput(Struct, frozen=True, kw_only=True, tag_field="tried", tag="learning_rate"):
    """A learning rate that was tried."""

    learning_rate: float
    judgement: Judgement
    why: str
    unsteadiness: float
    """A rate is too large from 1 on."""
    curves: list[CurveOutput]
    """By seed."""


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
    config: Config,
    trials: Trials,
    following: Callable[[Sequence[Rung]], Sequence[tuple[float, int]]],
    *,
    names_seeds: bool = False,
) -> Steps[list[JobResult]]:
    """Train rungs until ``following`` proposes no more rates and seeds; return their results.

    Args:
        config: the problem.
        trials: records the trials.
        following: returns rates and seeds by the rungs so far.
        names_seeds: whether progress names the seed of a rung, which is judged by itself there,
            while tables judge a rate by all of its seeds.
    """
    rungs: list[Rung] = []
    results: list[JobResult] = []
    while points := following(rungs):
        group = [replace(config, learning_rate=rate, seed=seed) for rate, seed in points]
        for trial in (yield JobGroup(group)):
            rung = trial.rung
            results.append(trial)
            rungs.append(rung)
            own = [each for each in rungs if each.seed == rung.seed]
            last = next(tried for tried in ladder.judged(own) if rung in tried.rungs)
            ends = f"{number(rung.diagnosis.first)} to {number(rung.diagnosis.last)}"
            seed = f", seed {rung.seed}" if names_seeds else ""
            text = f"η = {rung.learning_rate:g}{seed}: {last.why} ({ends})"
            trials.tell(Update(text, known(rungs)))
    return results


def known(rungs: Sequence[Rung]) -> str:
    """Describe the bounds of the threshold known so far."""
    threshold = ladder.threshold(rungs)
    large = [rate.learning_rate for rate in ladder.judged(rungs) if rate.judgement == "too large"]
    if threshold is None:
        return "threshold unknown" + (f", below {min(large):g}" if large else "")
    return f"threshold about {threshold:g}" if large else f"threshold above {threshold:g}"


def find(config: Config, trials: Trials, epochs: int = EPOCHS, seeds: int = 1) -> Steps[list[Rung]]:
    """Climb the ladder for a config and record the threshold of its problem.

    Args:
        config: the problem.
        trials: records the trials.
        epochs: of each rung.
        seeds: number of seeds, from the config's on.

    Raises:
        NoRateError: no rate is steady.
        BudgetSpentError: the trials' budget is spent.
        NnexpError: training failed.
    """
    own = range(config.seed, config.seed + seeds)
    base = trial_config(config, epochs)
    results = yield from climb(
        base, trials, lambda rungs: ladder.next_trials(rungs, own), names_seeds=seeds > 1
    )
    rungs = [trial.rung for trial in results]
    if ladder.threshold(rungs) is None:
        failing = decision(rungs, stage=2, heading=HEADING, rule=RULE)
        raise NoRateError(ladder.failure(rungs), failing)
    return record(config, trials, rungs)


def record(config: Config, trials: Trials, rungs: list[Rung]) -> list[Rung]:
    """Record the threshold of a problem, if there is one; return the rungs."""
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
        header=("learning_rate", "judgement", "cost", "unsteadiness", *_columns(rungs)),
        rows=[_row(rate, seeds(rungs)) for rate in rates],
        left=3,
        picture=cost_figure(rungs),
        chose=() if threshold is None else (("learning_rate", threshold / 2),),
    )


def seeds(rungs: Sequence[Rung]) -> list[int]:
    """Return the seeds of rungs, in increasing order."""
    return sorted({rung.seed for rung in rungs})


def _columns(rungs: Sequence[Rung]) -> list[str]:
    """Return the headers of the costs by seed."""
    own = seeds(rungs)
    return ["first to last cost"] if len(own) == 1 else [f"cost, seed {seed}" for seed in own]


def _answer(
    rungs: Sequence[Rung], tried: Sequence[Judged], threshold: float | None, before: float | None
) -> str:
    if threshold is None:
        stays = "No η" if before is None else f"η stays {before:g}"
        return f"{stays}: {ladder.failure(rungs)}."
    chosen = f"η = {threshold / 2:g}{_spread(rungs)}, half of"
    reached = ladder.crossing(rungs) or threshold
    large = [rate for rate in tried if rate.judgement == "too large"]
    above = next((rate for rate in large if rate.learning_rate >= reached), None)
    if above is None:
        return (
            f"{chosen} {threshold:g}: the training cost falls steadily; no "
            "larger rate was tried, so the threshold may be higher."
        )
    smaller = [rate for rate in tried if rate.learning_rate < above.learning_rate]
    below = max(rate.learning_rate for rate in smaller if rate.judgement == "steady")
    why = f"it is {above.why}"
    if above.why.startswith("diverged"):
        why = above.why.replace("diverged", "training diverges")
    return (
        f"{chosen} the threshold {threshold:g}: the training cost falls "
        f"steadily up to {below:g}; at {above.learning_rate:g} {why}."
    )


def _spread(rungs: Sequence[Rung]) -> str:
    """Return in words what the seeds alone would have chosen."""
    own = [threshold for _, threshold in thresholds_by_seed(rungs) if threshold is not None]
    if len(seeds(rungs)) == 1 or not own:
        return ""
    if min(own) == max(own):
        return " with each seed"
    return f" ({min(own) / 2:g} to {max(own) / 2:g} by seed)"


def thresholds_by_seed(rungs: Sequence[Rung]) -> list[tuple[int, float | None]]:
    """Return the seeds, each with the threshold that it alone would have given."""
    return [(seed, ladder.threshold_of_seed(rungs, seed)) for seed in seeds(rungs)]


def _output(tried: Judged) -> RungOutput:
    return RungOutput(
        learning_rate=tried.learning_rate,
        judgement=tried.judgement,
        why=tried.why,
        unsteadiness=tried.unsteadiness,
        curves=list(map(_curve_output, tried.rungs)),
    )


def _curve_output(rung: Rung) -> CurveOutput:
    diagnosis = rung.diagnosis
    return CurveOutput(
        seed=rung.seed,
        kind=diagnosis.kind,
        ratio=diagnosis.ratio,
        first=diagnosis.first,
        last=diagnosis.last,
        costs=list(rung.costs),
    )


def _row(tried: RungOutput, seeds: Sequence[int]) -> list[str]:
    ends = {curve.seed: curve for curve in tried.curves}
    cells = [_ends(ends[seed]) if seed in ends else MISSING for seed in seeds]
    unsteadiness = f"{tried.unsteadiness:.2f}"
    return [f"{tried.learning_rate:g}", tried.judgement, tried.why, unsteadiness, *cells]


def _ends(curve: CurveOutput) -> str:
    """Return the first and the last cost of a curve as text."""
    costs = (MISSING if cost is None else number(cost) for cost in (curve.first, curve.last))
    return " to ".join(costs)


def cost_figure(rungs: Sequence[Rung]) -> Figure:
    """Return the ladder's cost curves."""
    several = len(seeds(rungs)) > 1
    curves = [
        curve(
            f"η = {rung.learning_rate:g}" + f", seed {rung.seed}" * several,
            range(1, len(rung.costs) + 1),
            rung.costs,
        )
        for rung in sorted(rungs, key=lambda rung: (rung.learning_rate, rung.seed))
    ]
    title = "Training cost of the first epochs"
    return picture(title, Axis("epoch", whole=True), Axis("training cost", scale="log"), curves)


def document(decision: Decision) -> Document:
    """Return the table of the rates, and the decision, for a terminal."""
    rates = Table(decision.header, decision.rows, decision.left, folds=True)
    return plain(rates, Sentences([decision.answer]))


class SeedOutput(Struct, frozen=True, kw_only=True):
    """The result of a single seed; null if no rate is steady with it."""

    seed: int
    threshold: float | None
    learning_rate: float | None


class FindRateOutput(Struct, frozen=True, kw_only=True):
    """The result of find-rate."""

    threshold: float | None
    learning_rate: float | None
    seeds: list[SeedOutput]
    rungs: list[RungOutput]


def output(rungs: Sequence[Rung]) -> FindRateOutput:
    """Return the rates and the threshold as a value for JSON."""
    threshold = ladder.threshold(rungs)
    return FindRateOutput(
        threshold=threshold,
        learning_rate=threshold and threshold / 2,
        seeds=[
            SeedOutput(seed=seed, threshold=own, learning_rate=own and own / 2)
            for seed, own in thresholds_by_seed(rungs)
        ],
        rungs=list(map(_output, ladder.judged(rungs))),
    )
