"""Confirm a winner: train it and the config as given with fresh seeds, and compare these runs.

The best of many configs was partly lucky with the runs that chose it, on test data as well. Runs
with other seeds had no part in the choice: their accuracies are not optimistic, and the usual test
holds for them, since their number is fixed in advance.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import chain, count, filterfalse, islice
from pathlib import Path
from typing import NamedTuple

from nnexp.analysis import comparison, experiments
from nnexp.analysis.comparison import Comparison
from nnexp.config import load
from nnexp.config.model import CheckedConfig
from nnexp.datasets.loading import Data
from nnexp.errors import ConfigError, UsageError
from nnexp.runner.naming import RunNames
from nnexp.study.job import Job, Outcome
from nnexp.study.plan import Plan
from nnexp.study.ranking import Ranking


class Confirmation(NamedTuple):
    """The config as given and the winner of a search or sweep, each with the same fresh seeds."""

    given: tuple[Job, ...]
    winner: tuple[Job, ...]
    failures: tuple[tuple[Path, Outcome], ...] = ()
    """The runs that failed, and why; divergence is not a failure."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of both configs, which no other run of the search or sweep has."""
        return tuple(job.config.seed for job in self.given)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, seed by seed, the config as given first; none if it is the winner."""
        return () if self.is_needless else tuple(chain(*zip(self.given, self.winner, strict=True)))

    @property
    def is_needless(self) -> bool:
        """Whether the winner equals the config as given."""
        return self.given[0].run.path == self.winner[0].run.path

    def ended(self, outcomes: Mapping[Path, Outcome]) -> Confirmation:
        """Return the confirmation with the failures among outcomes, by run."""
        ended = ((job.run.path, outcomes.get(job.run.path)) for job in self.jobs)
        failures = tuple((path, o) for path, o in ended if o is not None and o.is_failure)
        return self._replace(failures=failures)

    def label(self, job: Job) -> str | None:
        """Return which of the two configs a job belongs to; None if it is not part of this."""
        if job in self.jobs:
            return "confirm given" if job in self.given else "confirm best"
        return None

    def compare(self) -> Comparison | None:
        """Compare the winner with the config as given; None if that is needless or a run failed.

        Raises:
            UsageError: a run was removed.
            CorruptError: a run is damaged.
        """
        if self.is_needless or self.failures:
            return None
        paths = [job.run.path for job in (*self.given, *self.winner)]
        return comparison.compare(experiments.gather(paths))


def fresh_seeds(used: Container[int], number: int) -> tuple[int, ...]:
    """Return the smallest seeds that are not used."""
    return tuple(islice(filterfalse(used.__contains__, count()), number))


class SweepConfirmation:
    """Plans the confirmation of a sweep's best point, before anything is trained.

    Args:
        plan: the sweep.
        number: of fresh seeds, at least 1.
        runs: the folder of the runs.
        data: the cache of loaded datasets.

    Raises:
        ConfigError: the config as given is not valid without the swept values.
        DataError: its data cannot be read.
        UsageError: the sweep does not choose by validation accuracy, or its name is too long.
    """

    def __init__(self, plan: Plan, number: int, runs: Path, data: Data) -> None:
        if any("validation" not in trial.config.monitor for trial in plan.trials):
            raise UsageError(
                "--confirm: the best point is chosen by validation accuracy; "
                "add validation to monitor"
            )
        self._plan = plan
        self._names = RunNames(runs, plan.definition.stem, data)
        self.seeds = fresh_seeds({trial.config.seed for trial in plan.trials}, number)
        self.given = self._jobs(_as_given(plan))
        """The jobs of the config as given, which has its own values of the swept keys."""

    def of(self, ranking: Ranking) -> Confirmation | None:
        """Return the confirmation of the best point; None if none has a result with each seed."""
        best = ranking.standings[0]
        if best.accuracy is None or best.diverged or best.missing:
            return None
        return Confirmation(self.given, self._jobs(self._plan.trials[best.trials[0]].config))

    def _jobs(self, config: CheckedConfig) -> tuple[Job, ...]:
        configs = [load.changed(config, seed=seed) for seed in self.seeds]
        return tuple(Job(c, self._names.run(c), content=self._names.content(c)) for c in configs)


def _as_given(plan: Plan) -> CheckedConfig:
    """Return the config that a sweep varies. Raises: ConfigError."""
    fixed = [choice.override for choice in plan.definition.fixed]
    try:
        return load.with_overrides(plan.definition.base, fixed)
    except ConfigError as error:
        hint = "--confirm trains the config as given, without the swept values"
        raise ConfigError([f"{text}; {hint}" for text in error.problems]) from None
