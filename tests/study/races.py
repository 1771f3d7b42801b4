"""Races whose results are planted: a metric whose values a test chooses by config and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nnexp.analysis.metrics import METRICS, Facts, Metric
from nnexp.analysis.verdicts import ACCURACY, Unit
from nnexp.datasets.loading import Data
from nnexp.study.job import Job, Outcome
from nnexp.study.race import Race
from nnexp.study.race_definition import define

if TYPE_CHECKING:
    import pytest

    from tests.conftest import Bench

Planted = Callable[[str, int], float | None]
"""The value of a config, by its file's name without suffix, and a seed."""

ROUND = Unit("points", 100.0, larger_is_better=True, decimals=2)
"""Points without a resolution, so that variances are as planted."""


def plant(monkeypatch: pytest.MonkeyPatch, value: Planted, unit: Unit = ROUND) -> None:
    """Make ``--metric planted`` a metric with these values."""

    def of(facts: Facts) -> float | None:
        name, _, seed = facts.run.path.name.rpartition("-s")
        return value(name.partition("-")[0], int(seed))

    metrics = cast("dict[str, Metric]", METRICS)
    split = "test" if unit is ACCURACY else None
    monkeypatch.setitem(metrics, "planted", Metric("planted value", unit, of, split))


def configs(bench: Bench, *names: str, **keys: object) -> list[str]:
    """Write configs that differ in the learning rate; return their names."""
    return [
        bench.config(f"{name}.yaml", **{"epochs": 1, "learning_rate": number / 10, **keys})
        for number, name in enumerate(names, 1)
    ]


def sampler(files: Sequence[str], at_most: int = 30, smallest_effect: float | None = None) -> Race:
    """Return the sampler of a race on the planted metric; the effect is in points."""
    data = Data()
    paths = [Path(file) for file in files]
    return Race(
        define(
            paths,
            Path("runs"),
            data=data,
            metric="planted",
            at_most=at_most,
            smallest_effect=smallest_effect,
        ),
        data,
    )


def run(
    race: Race, jobs: int = 1, choose: Callable[[list[Job]], int] = lambda _: 0
) -> list[tuple[str, int]]:
    """End a race's jobs without training them; return letter and seed of all that started.

    Args:
        race: the sampler.
        jobs: how many run at a time.
        choose: returns which of the running jobs ends next.
    """
    running: list[Job] = []
    started = []
    while True:
        while len(running) < jobs and (job := race.ask()) is not None:
            running.append(job)
            started.append((race.letter(job), job.config.seed))
        if not running:
            return started
        race.tell(running.pop(choose(running)), Outcome())
