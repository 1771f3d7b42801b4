"""The stage of the mini-batch: accuracy against elapsed time, one run at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from statistics import mean, median
from typing import NamedTuple

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.report.figure import Axis, Figure, Line
from nnexp.tune.choice import rounded
from nnexp.tune.decision import (
    ACCURACY,
    BY_EPOCH,
    Decision,
    NothingFoundError,
    curve,
    duration,
    number,
    picture,
)
from nnexp.tune.state import Sitting, TuneState
from nnexp.tune.trials import JobGroup, JobResult, Steps, Update, trained

HEADING = "Mini-batch size"
SIZES = (1, 5, 10, 20, 50, 100)
SEEDS = 3
EPOCHS = 20
BEHIND = 0.01
"""A size whose best accuracy is so far below the highest does not set the level."""
HARDLY = 1.25
"""Times the shortest time: no later, as clocks go."""

RULE = (
    "η scaled with the size, λ as chosen, {seeds} seeds, one run at a time in one sitting; the "
    "clock counts training alone, and of the seeds' times for an epoch the median. The level is "
    "the highest mean validation accuracy that all sizes reach, those left out that end more than "
    "{behind:g} point below the best. The fastest to the level is taken; "
    "the config's own size stays if it is no more than a quarter later, which clocks hardly tell."
)


class AllDivergedError(NothingFoundError):
    """No mini-batch size can be trained with."""


class Timed(NamedTuple):
    """A mini-batch size: mean accuracy over seeds by epoch, and the seconds since the start."""

    size: int
    learning_rate: float
    seconds: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def best(self) -> float:
        """The highest mean accuracy; 0 where it diverged."""
        return max(self.accuracies, default=0.0)

    def reaches(self, level: float) -> float | None:
        """Return after how many seconds a level is reached, or None."""
        passed = zip(self.seconds, self.accuracies, strict=True)
        return next((seconds for seconds, accuracy in passed if accuracy >= level), None)


def level(timed: Sequence[Timed]) -> float:
    """Return the accuracy that all sizes reach which come near the best."""
    top = max(each.best for each in timed)
    return min(each.best for each in timed if each.best >= top - BEHIND)


def fastest(timed: Sequence[Timed], own: int) -> Timed:
    """Return the size that is first at the level; the config's own, if it is hardly later."""
    goal = level(timed)
    reached = {each: seconds for each in timed if (seconds := each.reaches(goal)) is not None}
    first = min(reached, key=lambda each: reached[each])
    for each, seconds in reached.items():
        if each.size == own and seconds <= HARDLY * reached[first]:
            return each
    return first


def sizes(own: int, examples: int) -> list[int]:
    """Return the sizes to try for so many examples, the config's own among them."""
    return sorted({size for size in (*SIZES, own) if size <= max(1, examples // 2)} | {own})


def decide(state: TuneState) -> Steps[None]:
    """Choose the mini-batch size on the quick problem, and η with it.

    Raises:
        AllDivergedError: each size diverged with one of the seeds.
        NnexpError: what training raises.
    """
    own, eta = state.quick.batch_size, state.quick.learning_rate
    if own == "all" or eta is None:
        raise ValueError("there is no mini-batch size to choose")
    candidates = {
        size: replace(
            state.quick,
            batch_size=size,
            learning_rate=rounded(eta * size / own),
            epochs=EPOCHS,
        )
        for size in sizes(own, state.examples)
    }
    trials = {
        size: [replace(config, seed=config.seed + seed) for seed in range(SEEDS)]
        for size, config in candidates.items()
    }
    shown = _argument_configs(state, eta / own, EPOCHS)
    load = yield from _measure(state, [*chain.from_iterable(trials.values()), *shown])
    timed = []
    for size, configs in trials.items():
        timed.append(_timed(state, size, (yield JobGroup(configs))))
    if not any(each.accuracies for each in timed):
        said = (
            f"with η = {eta:g} for mini-batches of {own}, and in proportion for others, training "
            "diverges with every mini-batch size: decide eta as well, or set a smaller one"
        )
        tried = yield JobGroup([configs[0] for configs in trials.values()])
        firsts = dict(zip(trials, tried, strict=True))
        raise AllDivergedError(said, _failure(timed, firsts, f"No size: {said}."))
    found = fastest(timed, own)
    state.threshold = state.threshold * found.size / own
    notes = [(yield from _argument(state, shown)), *load]
    state.settle(
        _decision(timed, found, notes), batch_size=found.size, learning_rate=found.learning_rate
    )


def _measure(state: TuneState, configs: Sequence[Config]) -> Steps[list[str]]:
    """Have the times of all configs from one sitting; return what is to be known of it."""
    trials = state.trials
    if not (yield from _fits(state, configs)):
        trials.tell(Update("times are compared: these trials run alone, one after another"))
        busy, seconds, best = 0.0, {}, 0.0
        for config in configs:
            trial = yield from trained(config, timed=True)
            name = trial.run.name
            seconds[name] = trial.seconds or []
            busy, best = max(busy, os.getloadavg()[0]), max(best, trial.accuracy)
            text = (
                f"batch_size = {config.batch_size}, η = {config.learning_rate:g}, seed "
                f"{config.seed}: {100 * trial.accuracy:.2f} % in {duration(sum(seconds[name]))}"
            )
            trials.tell(Update(text, f"best {100 * best:.2f} %"))
        state.sitting = Sitting(load=busy, cores=os.cpu_count() or 1, seconds=seconds)
        state.keep(state.sitting)
    load, cores = state.sitting.load, state.sitting.cores
    if load <= cores:
        return []
    return [f"The machine was busy (load {load:.1f} on {cores} cores): the times are rough."]


def _fits(state: TuneState, configs: Sequence[Config]) -> Steps[bool]:
    """Return whether an earlier sitting has a time for each epoch of all these trials.

    One that was trained only now is another run than the sitting's; one that is not there is
    left to be trained with the others' times.
    """
    times = state.sitting.seconds
    if not set(map(state.trials.name, configs)) <= times.keys():
        return False
    if not all(map(state.trials.has_begun, configs)):
        return False
    trials = yield JobGroup(configs)
    if any(trial.run.name in state.trials.new for trial in trials):
        return False
    return all(len(times[trial.run.name]) == len(trial.rows) for trial in trials)


def _timed(state: TuneState, size: int, trials: Sequence[JobResult]) -> Timed:
    rate = trials[0].config.learning_rate or 0.0
    if any(trial.diverged for trial in trials):
        return Timed(size, rate, (), ())
    times = [state.sitting.seconds[trial.run.name] for trial in trials]
    epochs = [median(several) for several in zip(*times, strict=True)]
    curves = zip(*(trial.accuracies for trial in trials), strict=True)
    return Timed(size, rate, tuple(accumulate(epochs)), tuple(map(mean, curves)))


def _section(timed: Sequence[Timed], goal: float, answer: str, picture: Figure) -> Decision:
    return Decision(
        stage=5,
        name="batch-size",
        heading=HEADING,
        answer=answer,
        rule=RULE.format(seeds=SEEDS, behind=100 * BEHIND),
        header=("batch_size", "learning_rate", "to the level", "an epoch", "best validation"),
        rows=[_row(each, goal) for each in timed],
        picture=picture,
    )


def _failure(timed: Sequence[Timed], firsts: Mapping[int, JobResult], answer: str) -> Decision:
    """Return the section of sizes that all diverged; no clock is of interest there."""
    curves = [
        curve(
            f"{size}, η = {trial.config.learning_rate:g}",
            [row.epoch for row in trial.rows],
            trial.accuracies,
        )
        for size, trial in firsts.items()
    ]
    title = "Validation accuracy, first seed, until it diverged"
    return _section(timed, 0.0, answer, picture(title, BY_EPOCH, ACCURACY, curves))


def _decision(timed: Sequence[Timed], found: Timed, notes: Sequence[str]) -> Decision:
    goal = level(timed)
    seconds = found.reaches(goal)
    return _section(
        timed,
        goal,
        f"Mini-batches of {found.size}, with η = {found.learning_rate:g}: at "
        f"{100 * goal:.2f} % validation accuracy after {duration(seconds or 0.0)} of training.",
        picture(
            "Validation accuracy against elapsed time",
            Axis("seconds of training", scale="log"),
            ACCURACY,
            [*_curves(timed, found), _level_line(timed, goal)],
        ),
    )._replace(
        notes=notes,
        chose=(("batch_size", found.size), ("learning_rate", found.learning_rate)),
    )


def _curves(timed: Sequence[Timed], found: Timed) -> list[Line]:
    return [
        curve(
            f"{each.size}, η = {each.learning_rate:g}",
            each.seconds,
            each.accuracies,
            "chosen" if each is found else "",
        )
        for each in timed
        if each.accuracies
    ]


def _level_line(timed: Sequence[Timed], goal: float) -> Line:
    seconds = [seconds for each in timed for seconds in each.seconds]
    ends = [min(seconds), max(seconds)]
    return curve(f"the level, {100 * goal:.2f} %", ends, [goal] * 2)


def _row(each: Timed, goal: float) -> list[str]:
    rate = f"{each.learning_rate:g}"
    if not each.accuracies:
        return [str(each.size), rate, "diverged", "-", "-"]
    seconds = each.reaches(goal)
    return [
        str(each.size),
        rate,
        "not reached" if seconds is None else duration(seconds),
        duration(each.seconds[-1] / len(each.seconds)),
        f"{100 * each.best:.2f} %",
    ]


UPDATES = 100
"""Of one example, against one update of as many."""


def _argument_configs(state: TuneState, rate: float, epochs: int) -> list[Config]:
    """Return trials whose epoch is 100 updates of one example, and one of 100.

    Args:
        state: the tuning.
        rate: η for mini-batches of one.
        epochs: of a trial.
    """
    plain = replace(state.quick.data, expand=None)
    whole = state.trials.dataset(replace(state.quick, data=plain))
    n = min(UPDATES, len(whole.train.labels))
    base = replace(state.quick, data=replace(plain, train=n), epochs=epochs)
    return [replace(base, batch_size=size, learning_rate=rounded(rate * size)) for size in (1, n)]


def _argument(state: TuneState, configs: Sequence[Config]) -> Steps[str]:
    """Return the chapter's argument in numbers."""
    single, whole = yield JobGroup(configs)
    n = whole.config.batch_size
    one, other = (_epoch_seconds(state.sitting.seconds, trial) for trial in (single, whole))
    faster = f"{one / other:.0f} times the time" if other else "more time"
    return (
        f"The chapter's argument, on {n} images, seen {single.config.epochs} times: {n} updates "
        f"of one example (η = {single.config.learning_rate:g}) take {1000 * one:.2f} ms, one "
        f"update of {n} (η = {whole.config.learning_rate:g}) {1000 * other:.2f} ms, so "
        f"{faster}; what they get for it is a training cost of {_cost(single, 0)} against "
        f"{_cost(whole, 0)} after the first time through, and {_cost(single, -1)} against "
        f"{_cost(whole, -1)} after the last."
    )


def _epoch_seconds(times: Mapping[str, list[float]], trial: JobResult) -> float:
    return median(times.get(trial.run.name) or [0.0])


def _cost(trial: JobResult, place: int) -> str:
    return number(trial.costs[place]) if trial.costs else "-"
