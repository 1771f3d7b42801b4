"""A sweep as text and as JSON values: its runs before, its ranking and failures after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.config import dump
from nnexp.errors import NnexpError
from nnexp.report import comparisons
from nnexp.report.outputs import spread_output
from nnexp.report.study_outputs import FailureOutput, PlannedOutput, RankedOutput, SweepOutput
from nnexp.report.text import as_json as json_line
from nnexp.report.text import percent, table
from nnexp.store import listing
from nnexp.store.run import Run
from nnexp.study import ranking as ranks
from nnexp.study.job import DAMAGED, failure_reason

if TYPE_CHECKING:
    from nnexp.analysis.verdicts import Verdict
    from nnexp.config.model import Config
    from nnexp.seeds import Spread
    from nnexp.study.job import Outcome
    from nnexp.study.plan import Plan, PlannedRun
    from nnexp.study.ranking import Ranking, Standing


def states(plan: Plan, runs: Path, *, as_json: bool) -> str:
    """Return the runs of a plan and how they stand, and what it leaves out."""
    found = [state(runs / trial.name, trial.config) for trial in plan.trials]
    if as_json:
        listed = [
            {"name": trial.name, "path": str(runs / trial.name), "state": each, **_values(plan, t)}
            for trial, each, t in zip(plan.trials, found, plan.trials, strict=True)
        ]
        return json_line(PlannedOutput(runs=listed, excluded=plan.excluded, repeated=plan.repeated))
    rows = [
        (trial.name, each, *_cells(trial.values))
        for trial, each in zip(plan.trials, found, strict=True)
    ]
    counts = [f"{found.count(each):,} {each}" for each in dict.fromkeys(found)]
    left_out = {"excluded": plan.excluded, "repeated": plan.repeated}
    counts += [f"{count:,} {what} left out" for what, count in left_out.items() if count]
    listed_table = table(("run", "state", *plan.keys), rows, left=2)
    noun = "run" if len(found) == 1 else "runs"
    return f"{listed_table}\n\n{len(found):,} {noun}: {', '.join(counts)}"


def state(path: Path, config: Config) -> str:
    """Return how a run stands: ``new`` where there is none yet, ``taken`` if it is another's."""
    entry = listing.entry(Run(path))
    if entry is None:
        return "new"
    try:
        return entry.status if Run(path).config == config else "taken"
    except NnexpError:
        return entry.status


def verdicts(
    plan: Plan, runs: Path, ranking: Ranking, outcomes: Sequence[Outcome | None]
) -> dict[int, Verdict]:
    """Return the verdict on each experiment but the best, by its place in the ranking.

    Raises: CorruptError if the best one's run, which says how many examples there are, is damaged.
    """
    if ranking.split is None:
        return {}
    best = plan.trials[ranking.standings[0].trials[0]]
    examples = getattr(Run(runs / best.name).record.data, ranking.split)
    return ranks.verdicts(plan, outcomes, ranking, examples)


def advice(verdicts: Mapping[int, Verdict]) -> str | None:
    """Return what to do where seeds are too few for any verdict; None where they are not."""
    if not verdicts or any(each.outcome != "too few" for each in verdicts.values()):
        return None
    reachable = [each.needed or 0 for each in verdicts.values() if not each.is_out_of_reach]
    if not reachable:
        return "no verdict: the differences are too small for a reasonable number of seeds to tell"
    return (
        "no verdict: too few seeds to tell a difference from noise; train more with "
        f"--seeds {min(reachable)}"
    )


def text(plan: Plan, ranking: Ranking, verdicts: Mapping[int, Verdict]) -> str:
    """Return the ranking as a table.

    Verdicts stand in it where there is one to speak of, or something diverged with some seeds.
    """
    if ranking.split is None:
        if any(each.trials for each in ranking.standings):
            return "no ranking: no accuracy was monitored that all runs share"
        return "no trial has a result"
    spoken = any(each.outcome != "too few" for each in verdicts.values())
    shown = spoken or any(each.diverged and each.accuracy for each in ranking.standings)
    rows = [
        [
            str(place + 1) if each.accuracy else "-",
            *_cells(each.values),
            _reached(each),
            *([_against(each, verdicts.get(place) if spoken else None)] if shown else []),
            measured(each.test),
            _runs(each),
        ]
        for place, each in enumerate(ranking.standings)
    ]
    against = ["to the best"] if shown else []
    header = ("rank", *plan.keys, ranking.split, *against, "test", "runs")
    return table(header, rows, left=1)


def _reached(standing: Standing) -> str:
    return measured(standing.accuracy) if standing.trials or not standing.diverged else "diverged"


def _against(standing: Standing, verdict: Verdict | None) -> str:
    if standing.diverged:
        seeds = len(standing.trials) + standing.missing
        return f"diverged with {standing.diverged} of {seeds} seeds" if seeds > 1 else "diverged"
    if verdict is None:
        return "-"
    sign = "~" if verdict.outcome == "noise" else verdict.outcome
    return sign if verdict.outcome == "identical" else f"{sign} {verdict.amount}"


def _runs(standing: Standing) -> str:
    done = len(standing.trials)
    return f"{done} of {done + standing.missing}" if standing.missing else str(done)


def measured(spread: Spread | None) -> str:
    """Return a mean with its standard deviation, in per cent."""
    if spread is None or spread.sd is None:
        return percent(spread.mean if spread else None)
    return f"{100 * spread.mean:.2f} ± {100 * spread.sd:.2f} %"


def failures(plan: Plan, runs: Path, outcomes: Sequence[Outcome | None]) -> Iterator[str]:
    """Generate a line for each trial that failed: why, and where more is said.

    Last comes how many were not run at all, which they are not once one has failed fast.
    """
    for trial, outcome in zip(plan.trials, outcomes, strict=True):
        if outcome is not None and outcome.code:
            yield failure(runs / trial.name, outcome)
    if not_run := outcomes.count(None):
        yield f"not run: {not_run:,} of {len(outcomes):,} trials, since another one failed"


def failure(run: Path, outcome: Outcome) -> str:
    """Return why a trial failed, and where more is said."""
    advice = f"; {DAMAGED}" if outcome.is_damaged else ""
    return f"failed (exit {outcome.code}): {failure_reason(run, outcome)}{advice}"


def output(
    plan: Plan,
    runs: Path,
    ranking: Ranking,
    outcomes: Sequence[Outcome | None],
    verdicts: Mapping[int, Verdict],
) -> SweepOutput:
    """Return a sweep's ranking and failures as a value for JSON."""
    names = [trial.name for trial in plan.trials]
    ranked = [
        RankedOutput(
            values=dict(zip(plan.keys, standing.values, strict=True)),
            accuracy=spread_output(standing.accuracy),
            test=spread_output(standing.test),
            runs=[str(runs / names[trial]) for trial in standing.trials],
            missing=standing.missing,
            diverged=standing.diverged,
            against_best=comparisons.verdict_fields(verdicts.get(place)) or None,
        )
        for place, standing in enumerate(ranking.standings)
    ]
    return SweepOutput(
        config=plan.definition.config,
        keys=plan.keys,
        split=ranking.split,
        ranking=ranked,
        failures=[
            failure_output(runs / name, outcome)
            for name, outcome in zip(names, outcomes, strict=True)
            if outcome is not None and outcome.code
        ],
        not_run=[str(runs / n) for n, o in zip(names, outcomes, strict=True) if o is None],
        excluded=plan.excluded,
        repeated=plan.repeated,
    )


def failure_output(run: Path, outcome: Outcome) -> FailureOutput:
    """Return why a trial failed as a value for JSON."""
    return FailureOutput(run=str(run), exit=outcome.code, reason=outcome.reason, log=outcome.log)


def _values(plan: Plan, trial: PlannedRun) -> dict[str, Any]:
    values = dict(zip(plan.keys, trial.values, strict=True))
    return {"values": values, "seed": trial.config.seed}


def _cells(values: Sequence[Any]) -> list[str]:

    return [dump.inline(value) for value in values]
