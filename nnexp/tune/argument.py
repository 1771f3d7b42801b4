"""The chapter's argument for mini-batches: many updates of one example against one of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from msgspec.structs import replace

from nnexp.config.model import Config
from nnexp.tune.choice import rounded
from nnexp.tune.decision import number
from nnexp.tune.state import State
from nnexp.tune.trials import Batch, JobResult, Steps

UPDATES = 100
"""Of one example, against one update of as many."""


def configs(state: State, rate: float, epochs: int) -> list[Config]:
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


def words(state: State, configs: Sequence[Config]) -> Steps[str]:
    """Return the chapter's argument in numbers."""
    single, whole = yield Batch(configs)
    n = whole.config.batch_size
    one, other = (_epoch(state.sitting.seconds, trial) for trial in (single, whole))
    faster = f"{one / other:.0f} times the time" if other else "more time"
    return (
        f"The chapter's argument, on {n} images, seen {single.config.epochs} times: {n} updates "
        f"of one example (η = {single.config.learning_rate:g}) take {1000 * one:.2f} ms, one "
        f"update of {n} (η = {whole.config.learning_rate:g}) {1000 * other:.2f} ms, so "
        f"{faster}; what they get for it is a training cost of {_cost(single, 0)} against "
        f"{_cost(whole, 0)} after the first time through, and {_cost(single, -1)} against "
        f"{_cost(whole, -1)} after the last."
    )


def _epoch(times: Mapping[str, list[float]], trial: JobResult) -> float:
    return median(times.get(trial.run.name) or [0.0])


def _cost(trial: JobResult, place: int) -> str:
    return number(trial.costs[place]) if trial.costs else "-"
