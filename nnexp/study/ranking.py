"""Rank the experiments of a sweep by their mean accuracy, and test each against the best.

The statistical tests are those of ``nnexp compare``, in ``analysis.verdicts``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nnexp.analysis.verdicts import ACCURACY, Verdict, between, judge
from nnexp.errors import DivergedError
from nnexp.seeds import Spread, spread
from nnexp.study.job import SPLITS, Outcome
from nnexp.study.plan import Plan


class Standing(NamedTuple):
    """An experiment in a ranking."""

    values: tuple[Any, ...]
    """Values of the plan's keys."""
    trials: list[int]
    """Indices in the plan of the finished runs."""
    missing: int
    """Number of unfinished runs."""
    accuracy: Spread | None
    """The accuracy that ranks it; None if no run is finished."""
    test: Spread | None
    diverged: int
    """Number of diverged runs; with any, the mean over the others is biased upwards."""


class Ranking(NamedTuple):
    """All experiments of a sweep, best first.

    Complete ones come first, then those with missing runs, with diverged runs, without a result.
    """

    split: str | None
    """The split whose accuracy ranks them: the first of ``SPLITS`` that all runs have."""
    standings: list[Standing]


def rank(plan: Plan, outcomes: Sequence[Outcome | None]) -> Ranking:
    """Return the ranking of a sweep's experiments.

    Args:
        plan: the sweep.
        outcomes: of each planned run; None for one that was not trained.
    """
    done = [o if o is not None and not o.code else None for o in outcomes]
    finished = [o for o in done if o is not None]
    shared = [split for split in SPLITS if all(split in o.accuracies for o in finished)]
    split = shared[0] if finished and shared else None
    groups: dict[int, list[int]] = {}
    for index, trial in enumerate(plan.trials):
        groups.setdefault(trial.experiment, []).append(index)
    standings = []
    for indices in groups.values():
        kept = [index for index in indices if done[index] is not None]
        results = [o.accuracies for index in kept if (o := done[index]) is not None]
        accuracy = spread([result[split] for result in results]) if split is not None else None
        test = spread([result["test"] for result in results if "test" in result])
        values = plan.trials[indices[0]].values
        ended = [o for index in indices if (o := outcomes[index]) is not None]
        diverged = sum(o.code == DivergedError.exit_code for o in ended)
        missing = len(indices) - len(kept)
        standings.append(Standing(values, kept, missing, accuracy, test, diverged))
    standings.sort(key=_order)
    return Ranking(split, standings)


def _order(standing: Standing) -> tuple[bool, bool, bool, float]:
    """Return the sort key of an experiment."""
    accuracy = standing.accuracy
    return accuracy is None, *_flaws(standing), -accuracy.mean if accuracy else 0.0


def _flaws(standing: Standing) -> tuple[bool, bool]:
    """Return whether the mean is biased by diverged runs, and by missing ones."""
    return standing.diverged > 0, standing.missing > 0


def is_tie(accuracy: float | None, best: float) -> bool:
    """Return whether an accuracy equals the best one; sums over seeds are in any order."""
    return accuracy is not None and math.isclose(accuracy, best, abs_tol=1e-12)


def tied(ranking: Ranking) -> int:
    """Return how many experiments are as good as the best, it included; 0 without a result."""
    best = ranking.standings[0]
    return sum(
        best.accuracy is not None
        and standing.accuracy is not None
        and _flaws(standing) == _flaws(best)
        and is_tie(standing.accuracy.mean, best.accuracy.mean)
        for standing in ranking.standings
    )


def verdicts(
    plan: Plan,
    outcomes: Sequence[Outcome | None],
    ranking: Ranking,
    examples: int,
    has_same_data: Callable[[Standing], bool] = lambda _: True,
) -> dict[int, Verdict]:
    """Return the verdict on each experiment compared with the best, by its index in the ranking.

    An experiment has none without a result, if it was trained on other data, or if its seeds are
    not those of the best: on the common seeds, a verdict could contradict the ranking. p is
    adjusted for the number of comparisons, but not for the fact that the best was chosen after the
    fact.

    Args:
        plan: the sweep.
        outcomes: of each planned run.
        ranking: of the experiments.
        examples: size of the ranking's split; accuracies are multiples of 1/examples.
        has_same_data: whether an experiment's data is that of the best.
    """
    standings = ranking.standings
    by_seed = [_by_seed(plan, outcomes, standing, ranking.split) for standing in standings]
    unit = ACCURACY._replace(resolution=1 / max(1, examples))
    differences = {
        str(index): between(by_seed[0], values, unit)
        for index, values in enumerate(by_seed)
        if index
        and values
        and values.keys() == by_seed[0].keys()
        and _flaws(standings[index]) == _flaws(standings[0])
        and has_same_data(standings[index])
    }
    return {int(name): verdict for name, verdict in judge(differences, unit, "the best").items()}


def _by_seed(
    plan: Plan, outcomes: Sequence[Outcome | None], standing: Standing, split: str | None
) -> dict[int, float]:
    """Return the accuracies of an experiment's finished runs by seed."""
    if split is None:
        return {}
    finished = ((plan.trials[index].config.seed, outcomes[index]) for index in standing.trials)
    return {seed: o.accuracies[split] for seed, o in finished if o is not None}
