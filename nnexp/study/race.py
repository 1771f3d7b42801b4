"""Race configs: train seed after seed until each differs from the first, or equals it.

The run directories are the only state. A race that is restarted proposes the same jobs, reads
those that are trained, and resumes the others. Neither runs nor verdicts depend on how many are
trained at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from nnexp.analysis import apart
from nnexp.analysis.comparison import examples, resolved
from nnexp.analysis.experiments import Experiment
from nnexp.analysis.metrics import Facts, RunApart
from nnexp.analysis.sequential import (
    SequentialVerdict,
    judge_looks,
    looks,
    seeds_expected,
    soonest_verdict,
)
from nnexp.analysis.verdicts import Unit
from nnexp.datasets.loading import Data
from nnexp.errors import DivergedError
from nnexp.runner import preconditions
from nnexp.seeds import Sample
from nnexp.store.run import Run
from nnexp.study.job import Job, Outcome
from nnexp.study.race_definition import Entrant, RaceDefinition


class Stop(NamedTuple):
    """Why a config left the race without a verdict: a run without a value has no mean."""

    seed: int
    why: str
    """Such as ``diverged in epoch 3``."""


class RaceResult(NamedTuple):
    """The results of a race, or of its first seeds."""

    definition: RaceDefinition
    seeds: int
    """Seeds that have been judged: 0 to this number, without it."""
    unit: Unit
    """Of the metric, with its resolution."""
    values: Mapping[str, Mapping[int, float]]
    """Values of the metric by letter and seed; a config that is decided gets no more."""
    stops: Mapping[str, Stop]
    """By letter."""
    verdicts: Mapping[str, SequentialVerdict]
    """On each config but the first, by letter."""

    @property
    def baseline(self) -> Entrant:
        """The config that the others are compared with."""
        return self.definition.entrants[0]

    @property
    def undecided(self) -> list[str]:
        """The letters of the configs without a verdict."""
        return [name for name, verdict in self.verdicts.items() if verdict.decision == "undecided"]

    @property
    def live(self) -> list[str]:
        """The letters of the configs that need another seed; none if the race is over."""
        others = [letter for letter in self.undecided if letter not in self.stops]
        is_over = self.seeds >= self.definition.at_most or self.baseline.letter in self.stops
        return [] if is_over or not others else [self.baseline.letter, *others]

    def stop_of(self, letter: str) -> tuple[str, Stop] | None:
        """Return whose run, its own or the baseline's, leaves a config without a verdict."""
        if letter not in self.undecided:
            return None
        stopped = [name for name in (self.baseline.letter, letter) if name in self.stops]
        return (stopped[0], self.stops[stopped[0]]) if stopped else None

    def expected(self, letter: str) -> int | None:
        """Return after how many seeds a verdict is expected; None if far more than is usual."""
        return seeds_expected(self.verdicts[letter], self.definition.smallest_effect)

    def sample(self, letter: str) -> Sample:
        """Return the metric over a config's seeds."""
        return Sample(tuple(self.values[letter].values()))

    def soonest(self) -> int:
        """Return after how many seeds, at the earliest, another config may be decided."""
        tested = sum(not verdict.differs for verdict in self.verdicts.values())
        first = self.values[self.baseline.letter]
        return min(
            soonest_verdict(
                [value - first[seed] for seed, value in self.values[letter].items()],
                tested,
                self.verdicts[letter].level,
                self.definition.smallest_effect,
            )
            for letter in self.live
            if letter != self.baseline.letter
        )

    @property
    def experiments(self) -> list[Experiment]:
        """The configs with the runs that were judged."""
        return [
            Experiment(entrant.letter, entrant.place, tuple(self._runs(entrant)))
            for entrant in self.definition.entrants
        ]

    def _runs(self, entrant: Entrant) -> Iterator[Run]:
        stop = self.stops.get(entrant.letter)
        for seed in [*self.values[entrant.letter], *([] if stop is None else [stop.seed])]:
            yield Run(entrant.job(seed).run.path)

    def far(self) -> dict[str, list[RunApart]]:
        """Return the runs that lie far from the others of their config; they count all the same."""
        metric, far = self.definition.measure, {}
        for experiment in self.experiments:
            facts = [Facts(run) for run in experiment.runs]
            if experiment.label not in self.stops:
                far[experiment.label] = apart.far(
                    facts, metric, examples(metric, experiment.runs[0])
                )
        return {letter: runs for letter, runs in far.items() if runs}


class Race:
    """The sampler of a race: each seed of each undecided config, and of the baseline, is a job.

    Verdicts are given in the order of the seeds, on seeds that all live configs have, so that they
    do not depend on which job ends first. Jobs are proposed up to the seed that may decide next,
    whatever the values before it are: with values, no run is trained that the verdicts do not need,
    however many are trained at a time. What was proposed is always trained, even if a run of the
    config diverged, so that the runs of a race do not depend on when that one ends.

    Args:
        definition: the race.
        data: the cache of loaded datasets.
    """

    def __init__(self, definition: RaceDefinition, data: Data | None = None) -> None:
        self.definition = definition
        self._data = data or Data()
        self._waiting: deque[Job] = deque()
        self._proposed = 0
        """Seeds that were proposed for all live configs."""
        self._jobs: dict[Path, tuple[str, int]] = {}
        """Letter and seed by run."""
        self._ended: dict[tuple[str, int], float | Stop] = {}
        """Values of the jobs that have ended."""
        letters = [entrant.letter for entrant in definition.entrants]
        verdicts = judge_looks(dict.fromkeys(letters[1:], ()), larger_is_better=True)
        self.result = RaceResult(
            definition, 0, definition.measure.unit, {letter: {} for letter in letters}, {}, verdicts
        )
        """The results of the seeds that have been judged."""
        self._propose()

    def letter(self, job: Job) -> str:
        """Return the letter of the config that a job belongs to."""
        return self._jobs[job.run.path][0]

    def ask(self) -> Job | None:
        """Return the next job, seed by seed; None while the next seeds depend on results."""
        return self._waiting.popleft() if self._waiting else None

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Record that a job ended; its value is read from its run."""
        letter, seed = self._jobs[job.run.path]
        facts = Facts(Run(job.run.path))
        value = self.definition.measure.of(facts)
        if outcome.code == DivergedError.exit_code:
            self._ended[letter, seed] = Stop(seed, apart.ending(facts))
        elif value is None:
            label = self.definition.measure.label.strip()
            self._ended[letter, seed] = Stop(seed, f"has no value of {label}")
        else:
            self._ended[letter, seed] = value
        while (live := self.result.live) and self._have_ended(live):
            self._judge(live)
            self._propose()

    def check_data(self) -> None:
        """Check before any training that the data suits all configs.

        Raises: DataError, UsageError.
        """
        for entrant in self.definition.entrants:
            preconditions.check(entrant.config, self._data(entrant.config.data))

    def _have_ended(self, live: list[str]) -> bool:
        """Return whether the jobs of the next seed to judge have ended."""
        return all((letter, self.result.seeds) in self._ended for letter in live)

    def _judge(self, live: list[str]) -> None:
        """Judge the next seed, whose jobs have ended."""
        result, seed = self.result, self.result.seeds
        values = {letter: {**known} for letter, known in result.values.items()}
        stops = dict(result.stops)
        for letter in live:
            value = self._ended[letter, seed]
            if isinstance(value, Stop):
                stops[letter] = value
            else:
                values[letter][seed] = value
        first = result.baseline
        unit = resolved(self.definition.measure, Run(first.job(0).run.path))
        seen = {
            letter: looks(values[first.letter], values[letter], unit.resolution)
            if values[first.letter].keys() & values[letter].keys()
            else ()
            for letter in result.verdicts
        }
        verdicts = judge_looks(
            seen,
            larger_is_better=unit.larger_is_better,
            smallest_effect=self.definition.smallest_effect,
        )
        self.result = RaceResult(self.definition, seed + 1, unit, values, stops, verdicts)

    def _propose(self) -> None:
        """Propose jobs for the live configs up to the seed that may decide next."""
        live = self.result.live
        end = min(self.definition.at_most, self.result.soonest()) if live else 0
        for seed in range(self._proposed, end):
            for entrant in self.definition.entrants:
                if entrant.letter in live:
                    job = entrant.job(seed)
                    self._jobs[job.run.path] = entrant.letter, seed
                    self._waiting.append(job)
        self._proposed = max(self._proposed, end)
