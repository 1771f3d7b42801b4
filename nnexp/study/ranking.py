"""Which experiment of a sweep did best, by the mean over its seeds, and by how much for sure.

What is a difference and what is noise is judged by ``analysis``, as ``nnexp compare`` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnexp.analysis.verdicts import ACCURACY, Verdict, between, judge
from nnexp.errors import DivergedError
from nnexp.seeds import Spread, spread
from nnexp.study.job import SPLITS, Outcome
from nnexp.study.plan import Plan


class Standing(NamedTuple):
    """An experiment's place."""

    values: tuple[Any, ...]
    """Of the plan's keys."""
    trials: list[int]
    """Those that are finished, as places in the plan."""
    missing: int
    """Trials that are not."""
    accuracy: Spread | None
    """What counts; None where no trial is finished."""
    test: Spread | None
    diverged: int
    """Trials that did: where one has, the mean over the others is too good by their luck."""


class Ranking(NamedTuple):
    """All experiments of a sweep: the best first, then what lacks a trial, then what diverged.

    Those without a result come last.
    """

    split: str | None
    """Whose accuracy at the best epoch counts: the first of ``SPLITS`` that all runs have."""
    standings: list[Standing]


def ranked(plan: Plan, outcomes: Sequence[Outcome | None]) -> Ranking:
    """Return how the experiments stand.

    Args:
        plan: what was to be trained.
        outcomes: what came of each of its trials; None where nothing did.
    """
    done = [o if o is not None and not o.code else None for o in outcomes]
    finished = [o for o in done if o is not None]
    shared = [split for split in SPLITS if all(split in o.accuracies for o in finished)]
    split = shared[0] if finished and shared else None
    groups: dict[int, list[int]] = {}
    for place, trial in enumerate(plan.trials):
        groups.setdefault(trial.experiment, []).append(place)
    standings = []
    for places in groups.values():
        kept = [place for place in places if done[place] is not None]
        results = [o.accuracies for place in kept if (o := done[place]) is not None]
        accuracy = spread([each[split] for each in results]) if split is not None else None
        test = spread([each["test"] for each in results if "test" in each])
        values = plan.trials[places[0]].values
        ended = [o for place in places if (o := outcomes[place]) is not None]
        diverged = sum(o.code == DivergedError.exit_code for o in ended)
        missing = len(places) - len(kept)
        standings.append(Standing(values, kept, missing, accuracy, test, diverged))
    standings.sort(key=_order)
    return Ranking(split, standings)


def _order(standing: Standing) -> tuple[bool, bool, bool, float]:
    """Return what experiments are sorted by."""
    found = standing.accuracy
    return found is None, *_flaws(standing), -found.mean if found else 0.0


def _flaws(standing: Standing) -> tuple[bool, bool]:
    """Return what makes a mean no fair one: the seeds that are left may be the lucky ones."""
    return standing.diverged > 0, standing.missing > 0


def verdicts(
    plan: Plan, outcomes: Sequence[Outcome | None], ranking: Ranking, examples: int
) -> dict[int, Verdict]:
    """Return the verdict on each experiment but the best, compared with that, by its place.

    Those without a result have none, nor those whose seeds are not the best one's: over the
    seeds that both have it might contradict the ranking. All are compared with the one that came
    out best, so p is adjusted for their number; that this one was not chosen beforehand no test
    makes up for.

    Args:
        plan: what was to be trained.
        outcomes: what came of each of its trials.
        ranking: how the experiments stand.
        examples: how many the ranking's split has: an accuracy is a multiple of one of them.
    """
    found = ranking.standings
    by_seed = [_by_seed(plan, outcomes, each, ranking.split) for each in found]
    unit = ACCURACY._replace(resolution=1 / max(1, examples))
    differences = {
        str(place): between(by_seed[0], values, unit)
        for place, values in enumerate(by_seed)
        if place
        and values
        and values.keys() == by_seed[0].keys()
        and _flaws(found[place]) == _flaws(found[0])
    }
    return {int(name): each for name, each in judge(differences, unit, "the best").items()}


def _by_seed(
    plan: Plan, outcomes: Sequence[Outcome | None], standing: Standing, split: str | None
) -> dict[int, float]:
    """Return the accuracies of an experiment by the seeds that they were reached with."""
    if split is None:
        return {}
    finished = ((plan.trials[place].config.seed, outcomes[place]) for place in standing.trials)
    return {seed: found.accuracies[split] for seed, found in finished if found is not None}
