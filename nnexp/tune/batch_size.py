"""Choose the mini-batch size by accuracy against elapsed time, training one run at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import mean, median
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.report.figure import Axis, Figure, Line
from nnexp.report.text import MISSING, percent
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
from nnexp.tune.state import TimingSession, TuneState
from nnexp.tune.trials import JobGroup, JobResult, Steps, Update, train_one

HEADING = "Mini-batch size"
SIZES = (5, 10, 20, 50, 100)
SEEDS = (1, 2)
"""Added to the config's, whose own trials belong to other stages and were not timed."""
EPOCHS = 10
BEHIND = 0.01
"""Sizes whose best accuracy is further than this below the highest do not affect the level."""
TIME_TOLERANCE = 1.25
"""Ratios of times below this are within the accuracy of clocks."""

RULE = (
    "η is scaled with the size, λ is as chosen, with {seeds} seeds, one run at a time in one "
    "session. Only training is timed; an epoch takes its median with the faster seed. The level "
    "is the highest mean validation accuracy that all sizes reach, except those whose best is more "
    "than {behind:g} point below the highest. The size that is fastest to the level is chosen; the "
    "config's own size stays if it takes at most a quarter longer, which is hard to measure."
)


class AllDivergedError(NothingFoundError):
    """Training diverged with every mini-batch size."""


class SizeOutput(Struct, frozen=True, kw_only=True, tag_field="tried", tag="batch_size"):
    """A mini-batch size that was tried; null where training diverged."""

    batch_size: int
    learning_rate: float
    seconds_to_level: float | None
    """The training time until the level is reached; null also if it is not reached."""
    seconds_per_epoch: float | None
    best_validation_accuracy: float | None
    """The highest mean over the seeds."""


class TimedSize(NamedTuple):
    """A mini-batch size, with its mean accuracy over seeds and the elapsed seconds by epoch."""

    size: int
    learning_rate: float
    seconds: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def best(self) -> float:
        """The highest mean accuracy; 0 if training diverged."""
        return max(self.accuracies, default=0.0)

    def reaches(self, level: float) -> float | None:
        """Return the seconds until a level is reached, or None if it is not."""
        epochs = zip(self.seconds, self.accuracies, strict=True)
        return next((seconds for seconds, accuracy in epochs if accuracy >= level), None)


def level(timed: Sequence[TimedSize]) -> float:
    """Return the highest accuracy that all sizes close to the best reach."""
    top = max(size.best for size in timed)
    return min(size.best for size in timed if size.best >= top - BEHIND)


def fastest(timed: Sequence[TimedSize], own: int) -> TimedSize:
    """Return the size that reaches the level first, or the config's own if it is about as fast."""
    goal = level(timed)
    times = {size: seconds for size in timed if (seconds := size.reaches(goal)) is not None}
    first = min(times, key=lambda size: times[size])
    for candidate, seconds in times.items():
        if candidate.size == own and seconds <= TIME_TOLERANCE * times[first]:
            return candidate
    return first


def sizes(own: int, examples: int) -> list[int]:
    """Return the sizes to try for a number of examples, including the config's own."""
    return sorted({size for size in (*SIZES, own) if size <= max(1, examples // 2)} | {own})


def decide(state: TuneState) -> Steps[None]:
    """Choose the mini-batch size on the quick problem, and η with it.

    Raises:
        AllDivergedError: every size diverged with at least one seed.
        NnexpError: training failed.
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
        size: [replace(config, seed=config.seed + seed) for seed in SEEDS]
        for size, config in candidates.items()
    }
    argument = _argument_configs(state, eta / own, EPOCHS)
    load = yield from _measure(state, [*chain.from_iterable(trials.values()), *argument])
    timed = []
    for size, configs in trials.items():
        timed.append(_timed(state, size, (yield JobGroup(configs))))
    if not any(size.accuracies for size in timed):
        message = (
            f"with η = {eta:g} for mini-batches of {own}, and in proportion for others, training "
            "diverges with every mini-batch size: tune eta as well, or set a smaller one"
        )
        results = yield JobGroup([configs[0] for configs in trials.values()])
        firsts = dict(zip(trials, results, strict=True))
        raise AllDivergedError(message, _failure(timed, firsts, f"No size: {message}."))
    chosen = fastest(timed, own)
    state.threshold = state.threshold * chosen.size / own
    state.has_new_size = chosen.size != own
    notes = [(yield from _argument(state, argument)), *load]
    state.settle(
        _decision(timed, chosen, notes),
        batch_size=chosen.size,
        learning_rate=chosen.learning_rate,
    )


def _measure(state: TuneState, configs: Sequence[Config]) -> Steps[list[str]]:
    """Measure the times of all configs in one session; return notes on it."""
    trials = state.trials
    if not (yield from _has_times(state, configs)):
        trials.tell(Update("to compare times, these trials run one at a time"))
        busy, seconds, best = 0.0, {}, 0.0
        for config in configs:
            trial = yield from train_one(config, timed=True)
            name = trial.run.name
            seconds[name] = trial.seconds or []
            busy, best = max(busy, os.getloadavg()[0]), max(best, trial.accuracy)
            text = (
                f"batch_size = {config.batch_size}, η = {config.learning_rate:g}, seed "
                f"{config.seed}: {100 * trial.accuracy:.2f} % in {duration(sum(seconds[name]))}"
            )
            trials.tell(Update(text, f"best {100 * best:.2f} %"))
        state.session = TimingSession(load=busy, cores=os.cpu_count() or 1, seconds=seconds)
        state.keep(state.session)
    load, cores = round(state.session.load, 1), state.session.cores  # as shown
    if load <= cores:
        return []
    return [f"The machine was busy (load {load:.1f} on {cores} cores): times are inaccurate."]


def _has_times(state: TuneState, configs: Sequence[Config]) -> Steps[bool]:
    """Return whether an earlier session has the time of every epoch of all these trials.

    Runs that this command has trained are not those of the session. Missing runs are not trained
    here, so that they are timed together with the others.
    """
    times = state.session.seconds
    if not {state.trials.job(config).run.name for config in configs} <= times.keys():
        return False
    if not all(map(state.trials.has_run, configs)):
        return False
    trials = yield JobGroup(configs)
    if any(trial.run.name in state.trials.new for trial in trials):
        return False
    return all(len(times[trial.run.name]) == len(trial.rows) for trial in trials)


def _timed(state: TuneState, size: int, trials: Sequence[JobResult]) -> TimedSize:
    rate = trials[0].config.learning_rate or 0.0
    if any(trial.diverged for trial in trials):
        return TimedSize(size, rate, (), ())
    epoch = min(median(state.session.seconds[trial.run.name]) for trial in trials)
    means = [mean(values) for values in zip(*(trial.accuracies for trial in trials), strict=True)]
    return TimedSize(size, rate, tuple(epoch * (i + 1) for i in range(len(means))), tuple(means))


def _section(timed: Sequence[TimedSize], goal: float, answer: str, picture: Figure) -> Decision:
    tried = [_output(size, goal) for size in timed]
    return Decision(
        stage=5,
        name="batch-size",
        heading=HEADING,
        answer=answer,
        rule=RULE.format(seeds=len(SEEDS), behind=100 * BEHIND),
        alternatives=tried,
        header=("batch_size", "learning_rate", "to the level", "an epoch", "best validation"),
        rows=list(map(_row, tried)),
        picture=picture,
    )


def _failure(timed: Sequence[TimedSize], firsts: Mapping[int, JobResult], answer: str) -> Decision:
    """Return the section for sizes that all diverged, without times."""
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


def _decision(timed: Sequence[TimedSize], chosen: TimedSize, notes: Sequence[str]) -> Decision:
    goal = level(timed)
    seconds = chosen.reaches(goal)
    return _section(
        timed,
        goal,
        f"Mini-batches of {chosen.size}, with η = {chosen.learning_rate:g}: they reach "
        f"{100 * goal:.2f} % validation accuracy after {duration(seconds or 0.0)} of training.",
        picture(
            "Validation accuracy against elapsed time",
            Axis("seconds of training", scale="log"),
            ACCURACY,
            [*_curves(timed, chosen), _level_line(timed, goal)],
        ),
    )._replace(
        notes=notes,
        chose=(("batch_size", chosen.size), ("learning_rate", chosen.learning_rate)),
    )


def _curves(timed: Sequence[TimedSize], chosen: TimedSize) -> list[Line]:
    return [
        curve(
            f"{size.size}, η = {size.learning_rate:g}",
            size.seconds,
            size.accuracies,
            "chosen" if size is chosen else "",
        )
        for size in timed
        if size.accuracies
    ]


def _level_line(timed: Sequence[TimedSize], goal: float) -> Line:
    seconds = [seconds for size in timed for seconds in size.seconds]
    ends = [min(seconds), max(seconds)]
    return curve(f"the level, {100 * goal:.2f} %", ends, [goal] * 2)


def _output(timed: TimedSize, goal: float) -> SizeOutput:
    is_known = bool(timed.accuracies)
    return SizeOutput(
        batch_size=timed.size,
        learning_rate=timed.learning_rate,
        seconds_to_level=timed.reaches(goal) if is_known else None,
        seconds_per_epoch=timed.seconds[-1] / len(timed.seconds) if is_known else None,
        best_validation_accuracy=timed.best if is_known else None,
    )


def _row(tried: SizeOutput) -> list[str]:
    cells = [str(tried.batch_size), f"{tried.learning_rate:g}"]
    if tried.seconds_per_epoch is None:
        return [*cells, "diverged", MISSING, MISSING]
    seconds = tried.seconds_to_level
    return [
        *cells,
        "not reached" if seconds is None else duration(seconds),
        duration(tried.seconds_per_epoch),
        percent(tried.best_validation_accuracy),
    ]


UPDATES = 100
"""Number of updates with one example, compared with one update with as many examples."""


def _argument_configs(state: TuneState, rate: float, epochs: int) -> list[Config]:
    """Return configs whose epoch is 100 updates with one example, and one update with 100.

    Args:
        state: the tuning.
        rate: η for mini-batches of one.
        epochs: of each config.
    """
    plain = replace(state.quick.data, expand=None)
    dataset = state.trials.dataset(replace(state.quick, data=plain))
    n = min(UPDATES, len(dataset.train.labels))
    base = replace(state.quick, data=replace(plain, train=n), epochs=epochs)
    return [replace(base, batch_size=size, learning_rate=rounded(rate * size)) for size in (1, n)]


def _argument(state: TuneState, configs: Sequence[Config]) -> Steps[str]:
    """Return the chapter's argument for mini-batches, with measured numbers."""
    single, full = yield JobGroup(configs)
    n = full.config.batch_size
    slow, fast = (_epoch_seconds(state.session.seconds, trial) for trial in (single, full))
    ratio = f"{slow / fast:.1f} times as long" if fast else "longer"
    return (
        f"The chapter's argument, on {n} images in {single.config.epochs} epochs: {n} updates "
        f"with one example (η = {single.config.learning_rate:g}) take {1000 * slow:.2f} ms, one "
        f"update with {n} (η = {full.config.learning_rate:g}) {1000 * fast:.2f} ms, so they take "
        f"{ratio}, for a training cost of {_cost(single, 0)} instead of {_cost(full, 0)} after "
        f"the first epoch, and {_cost(single, -1)} instead of {_cost(full, -1)} after the last."
    )


def _epoch_seconds(times: Mapping[str, list[float]], trial: JobResult) -> float:
    return median(times.get(trial.run.name) or [0.0])


def _cost(trial: JobResult, index: int) -> str:
    return number(trial.costs[index]) if trial.costs else "-"
