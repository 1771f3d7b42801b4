"""A search on its way: its trials one after another, and what is found in the end.

The run directories are all that it leaves and all that it goes by. Started again, it asks for
the same trials, takes those that are trained from their runs, and goes on with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from nnexp.analysis import comparison, experiments
from nnexp.analysis.comparison import Comparison
from nnexp.config import canonical
from nnexp.datasets.shared import Data
from nnexp.errors import UsageError
from nnexp.runner import preconditions, recording
from nnexp.study import halving, trials
from nnexp.study.search_definition import Definition
from nnexp.study.trials import Outcome, Trial


class Began(NamedTuple):
    """A trial is to be trained, or trained further."""

    trial: Trial
    epoch: int


class Trained(NamedTuple):
    """Something happened in a trial's training."""

    trial: Trial
    event: recording.Event


class Ended(NamedTuple):
    """A trial is trained up to the epoch that was wanted."""

    outcome: Outcome
    was_done: bool
    """Nothing was left to train."""


Event: TypeAlias = Began | Trained | Ended


class Found(NamedTuple):
    """What a search came to."""

    definition: Definition
    baseline: Outcome | None
    """The config as given, if it was to be trained."""
    outcomes: list[Outcome]
    """The best first, those that diverged last."""

    @property
    def best(self) -> Outcome | None:
        """The best trial; None where all diverged."""
        return next((each for each in self.outcomes if each.score is not None), None)

    @property
    def ranked(self) -> list[Outcome]:
        """The trials and the config as given, the best first, those that diverged last.

        Of one config that was asked for twice there is the first.
        """
        given = [] if self.baseline is None else [self.baseline]
        by_number = sorted(self.outcomes, key=lambda each: each.trial.number)
        different = {each.trial.paths: each for each in [*given, *by_number][::-1]}
        return sorted(different.values(), key=self.order)

    def order(self, outcome: Outcome) -> tuple[bool, int, float, int]:
        """Return what outcomes are sorted by: halved ones by how far they came, then by score."""
        score = outcome.score
        rung = 0 if self.definition.factor is None else -outcome.epoch
        return (score is None, rung, -(score or 0.0), outcome.trial.number)

    def values(self, outcome: Outcome) -> tuple[Any, ...]:
        """Return an outcome's values of the space's keys; the config's own where it is as given."""
        if not outcome.trial.is_baseline:
            return outcome.trial.values
        settings = canonical.flat(outcome.trial.config)
        return tuple(settings.get(key) for key in self.definition.space.keys)

    @property
    def examples(self) -> int:
        """Training examples that the trials' runs have seen; a run that two share counts once."""
        return seen(self.outcomes)

    @property
    def sides(self) -> list[Outcome]:
        """What is compared: the config as given, the best trial, and the next best config.

        Only what was trained to its end is.
        """
        sides = [each for each in self.ranked if each.score is not None and each.is_whole]
        given = [each for each in sides if each is self.baseline]
        return [*given, *(each for each in sides if each not in given)][: 2 + len(given)]

    def compare(self) -> Comparison | None:
        """Return the sides' comparison, as ``nnexp compare`` has it; None if there is but one.

        Raises:
            CorruptError: a run is damaged.
        """
        sides = self.sides
        if len(sides) < 2:  # noqa: PLR2004 - one and another
            return None
        paths = [path for each in sides for path in each.trial.paths]
        return comparison.compare(experiments.gather(paths))


def search(
    definition: Definition, runs: Path, heartbeat: Callable[[], None] = lambda: None
) -> Found:
    """Train all that a search asks for, or what is left of it, and return what it came to.

    Raises: what ``runner.train`` raises, but for DivergedError: a trial that diverges is the
    worst.
    """
    searching = Searching(definition, runs, heartbeat)
    for _ in searching.events():
        pass
    return searching.found


class Searching:
    """A search on its way.

    Args:
        definition: what is searched.
        runs: the folder of the runs.
        heartbeat: is called within long steps; it may raise to end the search.
    """

    def __init__(
        self, definition: Definition, runs: Path, heartbeat: Callable[[], None] = lambda: None
    ) -> None:
        self._definition = definition
        self._runs = runs
        self._heartbeat = heartbeat
        self._data = Data()
        self._is_checked = False
        self._baseline: Outcome | None = None
        self._outcomes: dict[int, Outcome] = {}
        self.trials = definition.trials
        """Points that are asked for, at most."""
        if definition.method == "grid":
            self.trials = sum(1 for _ in iter(definition.asked().ask, None))

    @property
    def steps(self) -> int:
        """How often a trial is trained, at most."""
        count = self.trials
        if self._definition.factor is not None:
            epochs = self._definition.configs(None)[0].epochs
            count = sum(e.trials for e in halving.rungs(count, epochs, self._definition.factor))
        return count + self._definition.has_baseline

    @property
    def found(self) -> Found:
        """What it has come to so far."""
        found = Found(self._definition, self._baseline, list(self._outcomes.values()))
        return found._replace(outcomes=sorted(found.outcomes, key=found.order))

    def events(self) -> Iterator[Event]:
        """Train what there is to train and yield what happens. Raises what ``search`` raises."""
        if self._definition.has_baseline:
            baseline = self._definition.trial(0, None, self._runs)
            yield from self._to(baseline, baseline.config.epochs)
        if self._definition.factor is None:
            yield from self._one_by_one()
        else:
            yield from self._halved(self._definition.factor)

    def _one_by_one(self) -> Iterator[Event]:
        """Train each trial to its end before the next one is asked for."""
        method, most = self._definition.asked(), self._definition.examples
        while most is None or seen(self._outcomes.values()) < most:
            values = method.ask()
            if values is None:
                return
            trial = self._definition.trial(len(self._outcomes) + 1, values, self._runs)
            yield from self._to(trial, trial.config.epochs)
            method.tell(self._outcomes[trial.number].score)

    def _halved(self, factor: int) -> Iterator[Event]:
        """Train all trials to the first rung, the best of those to the next, and so on."""
        points = list(iter(self._definition.asked().ask, None))
        trials = (
            self._definition.trial(number, values, self._runs)
            for number, values in enumerate(points, 1)
        )
        left = list({trial.paths: trial for trial in trials}.values())
        for rung in halving.rungs(len(left), left[0].config.epochs, factor):
            left = left[: rung.trials]
            for trial in left:
                yield from self._to(trial, rung.epoch)
            left = self._survivors(rung.epoch)

    def _survivors(self, epoch: int) -> list[Trial]:
        """Return the trials that reached a rung and did not diverge, the best first."""
        reached = [each for each in self.found.outcomes if each.epoch == epoch]
        return [each.trial for each in reached if each.score is not None]

    def _check_data(self) -> None:
        """Refuse trials that the data does not suit, before the first of them is trained.

        Raises: DataError, UsageError.
        """
        for config in [] if self._is_checked else self._definition.suited():
            preconditions.check(config, self._data(config.data))
        self._is_checked = True

    def _to(self, trial: Trial, epoch: int) -> Iterator[Event]:
        """Train a trial up to an epoch, as far as it is not."""
        outcome = trials.outcome(trial, epoch)
        was_done = outcome is not None
        if outcome is None:
            self._check_data()
            yield Began(trial, epoch)
            for event in trials.train(trial, epoch, self._heartbeat, self._data):
                yield Trained(trial, event)
            outcome = trials.outcome(trial, epoch)
        if outcome is None:
            raise UsageError(f"trial {trial.number}: its runs went away while it was trained")
        if trial.is_baseline:
            self._baseline = outcome
        else:
            self._outcomes[trial.number] = outcome
        yield Ended(outcome, was_done)


def seen(outcomes: Iterable[Outcome]) -> int:
    """Return how many training examples outcomes' runs have seen, each run counted once."""
    by_run: dict[Path, int] = {}
    for outcome in outcomes:
        for path, standing in zip(outcome.trial.paths, outcome.standings, strict=False):
            by_run[path] = max(standing.examples, by_run.get(path, 0))
    return sum(by_run.values())
