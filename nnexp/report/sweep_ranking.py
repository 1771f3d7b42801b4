"""The results of sweep: its runs and their statuses before, its ranking and failures after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from nnexp.analysis.comparability import evaluated, examples_of
from nnexp.config import dump
from nnexp.config.messages import ranges
from nnexp.errors import NnexpError
from nnexp.report import confirmation as confirmations
from nnexp.report.comparison_output import VerdictOutput, verdict_output
from nnexp.report.confirmation import ConfirmationOutput
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.samples import SampleOutput, of_spread
from nnexp.report.text import MISSING, counts, percent_spread, resolution
from nnexp.store import listing
from nnexp.store.records import WEIGHTS
from nnexp.store.run import Run
from nnexp.study import ranking as ranks
from nnexp.study.job import DAMAGED, failure_reason

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison
    from nnexp.analysis.verdicts import Verdict
    from nnexp.study.confirmation import Confirmation
    from nnexp.study.job import Job, Outcome
    from nnexp.study.plan import Plan
    from nnexp.study.ranking import Ranking, Standing


class PlannedRunOutput(Struct, frozen=True, kw_only=True):
    """A run of a sweep that was not started."""

    name: str
    run: str
    """Its directory."""
    status: str
    """``new``, ``taken`` by a run of another config, or the status of the run that exists."""
    values: dict[str, Any]
    """By swept key."""
    seed: int
    problem: str | None = None
    """Why it is damaged, if it is."""


class PlannedOutput(Struct, frozen=True, kw_only=True):
    """The result of sweep --dry-run."""

    runs: list[PlannedRunOutput]
    excluded: int
    repeated: int
    confirming_seeds: list[int]
    """With which the best point and the config as given are trained after these runs."""


def planned(plan: Plan, jobs: Sequence[Job], seeds: Sequence[int] = ()) -> PlannedOutput:
    """Return the runs of a plan with their statuses, and the numbers of points left out.

    Args:
        plan: the sweep.
        jobs: of the plan.
        seeds: of the confirmation.
    """
    states = [status(job) for job in jobs]
    return PlannedOutput(
        runs=[
            PlannedRunOutput(
                name=job.run.name,
                run=str(job.run.path),
                status=state,
                values=dict(zip(plan.keys, trial.values, strict=True)),
                seed=trial.config.seed,
                problem=problem,
            )
            for trial, job, (state, problem) in zip(plan.trials, jobs, states, strict=True)
        ],
        excluded=plan.excluded,
        repeated=plan.repeated,
        confirming_seeds=list(seeds),
    )


def planned_document(result: PlannedOutput) -> Document:
    """Return a table of the runs, and the number of runs with each status."""
    rows = [[run.name, run.status, *map(dump.inline, run.values.values())] for run in result.runs]
    left_out = {"excluded left out": result.excluded, "repeated left out": result.repeated}
    known = {why: count for why, count in left_out.items() if count}
    statuses = counts(Counter(run.status for run in result.runs) | known)
    noun = "run" if len(rows) == 1 else "runs"
    sentences = [f"{len(rows):,} {noun}: {statuses}"]
    if seeds := result.confirming_seeds:
        sentences.append(
            f"then {2 * len(seeds):,} more to confirm the best point: it and the config as given, "
            f"with seeds {ranges(seeds)}"
        )
    return plain(
        Table(["run", "status", *result.runs[0].values], rows, left=2), Sentences(sentences)
    )


def status(job: Job) -> tuple[str, str | None]:
    """Return a run's status, and the problem if it is damaged or cannot be read.

    The status is ``new`` if there is no run yet, and ``taken`` if its config is another.
    """
    run = Run(job.run.path)
    entry = listing.entry(run)
    if entry is None:
        return "new", None
    if entry.problem is not None:
        return entry.status, entry.problem
    try:
        return (entry.status if run.config == job.config else "taken"), None
    except NnexpError as error:
        return "damaged", str(error)


def verdicts(
    plan: Plan, jobs: Sequence[Job], ranking: Ranking, outcomes: Sequence[Outcome | None]
) -> dict[int, Verdict]:
    """Return the verdict on each experiment but the best, by its index in the ranking.

    Raises: CorruptError if a run, which records its examples, is damaged.
    """
    if ranking.split is None:
        return {}
    best = jobs[ranking.standings[0].trials[0]]
    split = ranking.split
    examples = evaluated(Run(best.run.path), split)

    def has_same_data(standing: Standing) -> bool:
        run = Run(jobs[standing.trials[0]].run.path)
        is_same = examples_of(run) == examples_of(Run(best.run.path))
        return is_same and evaluated(run, split) == examples

    return ranks.verdicts(plan, outcomes, ranking, examples, has_same_data)


def data_content(job: Job) -> dict[str, str]:
    """Return the content hashes of a job's data, without that of another run's weights."""
    return {key: value for key, value in (job.content or {}).items() if key != WEIGHTS}


def _examples(job: Job) -> tuple[object, ...] | None:
    """Return what identifies the examples of a job's run; None if that cannot be read."""
    try:
        return examples_of(Run(job.run.path))
    except NnexpError:
        return None


def advice(verdicts: Mapping[int, Verdict]) -> str | None:
    """Return what to do if there are too few seeds for every verdict; otherwise None."""
    if not verdicts or any(verdict.outcome != "too few" for verdict in verdicts.values()):
        return None
    reachable = [
        verdict.needed or 0 for verdict in verdicts.values() if not verdict.is_out_of_reach
    ]
    if not reachable:
        return "no verdict: the differences are too small for a reasonable number of seeds to tell"
    return (
        "no verdict: too few seeds to tell a difference from noise; train more with "
        f"--seeds {min(reachable)}"
    )


def legend(verdicts: Mapping[int, Verdict]) -> str | None:
    """Return what the signs of a ranking mean, and how it is judged; None if it has none."""
    tested = sum(verdict.is_judged for verdict in verdicts.values())
    if not tested:
        return None
    over = f", over {tested} comparisons by Bonferroni's method" if tested > 1 else ""
    return (
        "to the best: the difference in points ± the half-width of its interval; worse or better "
        f"at 5 %{over}; ~: inside the noise; identical: equal with every seed; -: not judged"
    )


def notes(ranking: Ranking, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield notes on a ranking by test accuracy, and on one of different data."""
    is_same_data = all(data_content(job) == data_content(jobs[0]) for job in jobs)
    if not is_same_data:
        yield "note: the points have different data; those of other data have no verdict"
    ranked = [jobs[standing.trials[0]] for standing in ranking.standings if standing.trials]
    examples = [own for job in ranked if (own := _examples(job)) is not None]
    if is_same_data and any(own != examples[0] for own in examples):
        yield "note: the points have different splits or classes; those of others have no verdict"
    if is_same_data and ranking.split is not None and (tied := ranks.tied(ranking)) > 1:
        count = evaluated(Run(jobs[ranking.standings[0].trials[0]].run.path), ranking.split)
        yield f"note: {tied} points tie at the best {resolution(ranking.split, count)}"
    if ranking.split != "test":
        return
    yield (
        "note: ranked by test accuracy, since not every run has a validation accuracy; the best "
        "one's test accuracy is then an optimistic estimate. Set data.validation and monitor to "
        "rank by validation accuracy"
    )


def document(
    plan: Plan, ranking: Ranking, verdicts: Mapping[int, Verdict], *, has_test: bool = True
) -> Document:
    """Return the ranking as a table.

    It has a column for verdicts if there are any, or if an experiment diverged with some seeds,
    and one for the test accuracy unless that ranks.

    Args:
        plan: the sweep.
        ranking: of its experiments.
        verdicts: by index in the ranking.
        has_test: whether to show test accuracies.
    """
    has_test = has_test and ranking.split != "test"
    if ranking.split is None:
        has_result = any(standing.trials for standing in ranking.standings)
        why = "no ranking: no accuracy was monitored that all runs share"
        return plain(Sentences([why if has_result else "no trial has a result"]))
    has_verdicts = any(verdict.outcome != "too few" for verdict in verdicts.values())
    is_mixed = any(standing.diverged and standing.accuracy for standing in ranking.standings)
    is_compared = has_verdicts or is_mixed
    rows = [
        [
            str(index + 1) if standing.accuracy else MISSING,
            *map(dump.inline, standing.values),
            _accuracy(standing),
            *(
                [_against(standing, verdicts.get(index) if has_verdicts else None)]
                if is_compared
                else []
            ),
            *([percent_spread(standing.test)] if has_test else []),
            _runs(standing),
        ]
        for index, standing in enumerate(ranking.standings)
    ]
    against = ["to the best"] if is_compared else []
    test = ["test"] if has_test else []
    return plain(Table(["rank", *plan.keys, ranking.split, *against, *test, "runs"], rows))


def _accuracy(standing: Standing) -> str:
    if standing.diverged and not standing.trials:
        return "diverged"
    return percent_spread(standing.accuracy)


def _against(standing: Standing, verdict: Verdict | None) -> str:
    if standing.diverged:
        seeds = len(standing.trials) + standing.missing
        return f"diverged with {standing.diverged} of {seeds} seeds" if seeds > 1 else "diverged"
    if verdict is None:
        return MISSING
    sign = "~" if verdict.outcome == "noise" else verdict.outcome
    return sign if verdict.outcome == "identical" else f"{sign} {verdict.amount}"


def _runs(standing: Standing) -> str:
    done = len(standing.trials)
    return f"{done} of {done + standing.missing}" if standing.missing else str(done)


def failures(jobs: Sequence[Job], outcomes: Sequence[Outcome | None]) -> Iterator[str]:
    """Yield a line for each failed trial, with the reason and its log.

    The last line counts trials that were not run because another one failed.
    """
    for job, outcome in zip(jobs, outcomes, strict=True):
        if outcome is not None and outcome.code:
            yield failure(job.run.path, outcome)
    if not_run := outcomes.count(None):
        yield f"not run: {not_run:,} of {len(outcomes):,} trials, since another one failed"


def failure(run: Path, outcome: Outcome) -> str:
    """Return why a trial failed, with its log and advice."""
    advice = f"; {DAMAGED}" if outcome.is_damaged else ""
    return f"failed (exit {outcome.code}): {failure_reason(run, outcome)}{advice}"


class FailureOutput(Struct, frozen=True, kw_only=True):
    """A run that failed."""

    run: str
    exit: int
    reason: str
    log: str | None


def failure_output(run: Path, outcome: Outcome) -> FailureOutput:
    """Return why a trial failed as a value for JSON."""
    return FailureOutput(run=str(run), exit=outcome.code, reason=outcome.reason, log=outcome.log)


METRICS = {
    "validation": "best_validation_accuracy",
    "test": "test_accuracy",
    "train": "train_accuracy",
}
"""The accuracy that ranks, by split; those of test and train are at the best epoch."""


class RankedOutput(Struct, frozen=True, kw_only=True):
    """A point of a sweep in its ranking."""

    values: dict[str, Any]
    best_validation_accuracy: SampleOutput | UnsetType | None = UNSET
    """If it ranks."""
    train_accuracy: SampleOutput | UnsetType | None = UNSET
    """If it ranks; at the best epoch."""
    test_accuracy: SampleOutput | None
    """At the best epoch; null with --confirm, which reports those of confirming runs only."""
    runs: list[str]
    missing: int
    """The number of runs without a result."""
    diverged: int
    """The number of these that diverged."""
    against_best: VerdictOutput | None
    """Null with --confirm."""


class SweepOutput(Struct, frozen=True, kw_only=True):
    """The result of sweep."""

    config: str
    keys: list[str]
    judged: str | None
    """The accuracy that ranks: a key of the ranking's points."""
    ranking: list[RankedOutput]
    failures: list[FailureOutput]
    not_run: list[str]
    excluded: int
    repeated: int
    confirmation: ConfirmationOutput | None = None
    """Of the best point; null without --confirm, or if no point has a result with every seed."""


def output(
    plan: Plan,
    jobs: Sequence[Job],
    ranking: Ranking,
    outcomes: Sequence[Outcome | None],
    verdicts: Mapping[int, Verdict],
) -> SweepOutput:
    """Return a sweep's ranking and failures as a value for JSON."""
    paths = [job.run.path for job in jobs]
    judged = None if ranking.split is None else METRICS[ranking.split]
    ranked = [
        RankedOutput(
            values=dict(zip(plan.keys, standing.values, strict=True)),
            runs=[str(paths[trial]) for trial in standing.trials],
            missing=standing.missing,
            diverged=standing.diverged,
            against_best=None if index not in verdicts else verdict_output(verdicts[index]),
            **_accuracies(standing, judged),
        )
        for index, standing in enumerate(ranking.standings)
    ]
    return SweepOutput(
        config=plan.definition.config,
        keys=plan.keys,
        judged=judged,
        ranking=ranked,
        failures=[
            failure_output(path, outcome)
            for path, outcome in zip(paths, outcomes, strict=True)
            if outcome is not None and outcome.code
        ],
        not_run=[str(path) for path, o in zip(paths, outcomes, strict=True) if o is None],
        excluded=plan.excluded,
        repeated=plan.repeated,
    )


def confirmed(
    output: SweepOutput, confirmation: Confirmation | None, compared: Comparison | None
) -> SweepOutput:
    """Return the result of a sweep with its confirmation, which alone has test accuracies."""
    ranked = [msgspec.structs.replace(point, test_accuracy=None) for point in output.ranking]
    own = confirmations.output(confirmation, compared)
    return msgspec.structs.replace(output, ranking=ranked, confirmation=own)


def _accuracies(standing: Standing, judged: str | None) -> dict[str, SampleOutput | None]:
    ranking = {} if judged is None else {judged: of_spread(standing.accuracy)}
    return {**ranking, "test_accuracy": of_spread(standing.test)}
