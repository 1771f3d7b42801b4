"""Whatever trains the jobs of a command, and however many at a time, the same is left of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.clusters import LOOPBACK, Cluster
from tests.studies import (
    SEARCHES,
    keep_timed_runs,
    keep_times,
    left,
    put_away,
    search,
    sequential,
    study,
)

if TYPE_CHECKING:
    from tests.conftest import Bench

TUNE = ("tune", "tiny.yaml", "-q")
FIND_RATE = ("find-rate", "tiny.yaml", "-q", "--json")
SMALL = ("--set", "data.train=60", "--set", "learning_rate=2")
TRAIN = ("train", "tiny.yaml", "--seeds", "5", "-q")


@pytest.fixture(autouse=True)
def _optuna(request: pytest.FixtureRequest) -> None:
    if "tpe" in request.node.name:
        pytest.importorskip("optuna", reason="Optuna is not installed")


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_of_four_jobs_at_a_time_is_that_of_one(bench: Bench, name: str) -> None:
    bench.config(epochs=9)
    assert study(bench, *search(name, "-j", "4")) == aside(bench, search(name))


def aside(bench: Bench, command: tuple[str, ...]) -> object:
    """Put away what is left of a command, and return what is left of it one job at a time."""
    put_away(bench, "parallel")
    return sequential(bench, *command)


@pytest.mark.parametrize("command", [FIND_RATE, TRAIN], ids=["find-rate", "train"])
def test_two_jobs_at_a_time_are_those_of_one(bench: Bench, command: tuple[str, ...]) -> None:
    found = study(bench, *command, "-j", "2")
    assert (bench.folder / "runs" / ".thresholds").exists() is (command is FIND_RATE)
    assert found == aside(bench, command)


def test_two_jobs_at_a_time_tune_as_one_whose_times_they_have(bench: Bench) -> None:
    """The runs are the same in any case; the decisions, once the times are."""
    command = (*TUNE, "--only", "batch-size", *SMALL)
    whole = sequential(bench, *command)
    assert study(bench, *command, "-j", "2").runs == whole.runs
    keep_times(bench)
    assert study(bench, *command, "-j", "2") == whole


@pytest.mark.slow
def test_two_jobs_at_a_time_decide_everything_as_one(bench: Bench) -> None:
    whole = sequential(bench, *TUNE)
    keep_timed_runs(bench)
    assert study(bench, *TUNE, "-j", "2") == whole


class Machines(NamedTuple):
    """A cluster, and the folders that its workers take for those of temporary files."""

    cluster: Cluster
    homes: list[Path]

    def engine(self, *more: str) -> tuple[str, ...]:
        """Return the options to train there."""
        return ("--engine", "dask", "--scheduler", self.cluster.address, *more)

    def copies(self) -> list[Path]:
        """Return the runs that the workers have."""
        return [path for home in self.homes for path in home.glob("nnexp-runs-*/*")]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler and two workers, which have no folder in common unless it is given to them."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    made = Machines(
        Cluster(tmp_path_factory.mktemp("cluster")),
        [tmp_path_factory.mktemp("machine") for _ in range(2)],
    )
    try:
        made.cluster.begin(workers=0)
        for home in made.homes:
            environment = {**os.environ, "TMPDIR": str(home)}
            made.cluster.worker(made.cluster.address, LOOPBACK, env=environment)
        yield made
    finally:
        made.cluster.end()


COLLECT = pytest.mark.parametrize("options", [(), ("--collect",)], ids=["shared", "collected"])


@COLLECT
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "halving" else pytest.mark.slow) for name in SEARCHES],
)
def test_a_search_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines, name: str, options: tuple[str, ...]
) -> None:
    """With halving, runs go back and forth: each rung goes on from where the last one ended."""
    bench.config(epochs=8, data={"name": "npz", "file": str(bench.folder / "tiny.npz")})
    whole = sequential(bench, *search(name))
    assert study(bench, *search(name), *machines.engine(*options)) == whole
    assert machines.copies() == []
    assert timed(bench, "runs") == timed(bench, "whole/runs")  # nothing was trained twice


def timed(bench: Bench, folder: str) -> dict[str, int]:
    """Return how many epochs were ever trained of each run."""
    files = (bench.folder / folder).glob("*/timing.jsonl")
    return {path.parent.name: len(path.read_text().splitlines()) for path in files}


@pytest.mark.slow
@COLLECT
def test_a_tuning_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines, options: tuple[str, ...]
) -> None:
    """The trials whose times are compared run here, alone; their times are kept from the first."""
    bench.config(data={"name": "npz", "file": str(bench.folder / "tiny.npz")})
    engine = machines.engine(*options)
    command = (*TUNE, "--only", "batch-size")
    whole = sequential(bench, *command)
    assert study(bench, *command, *engine).runs == whole.runs
    keep_times(bench)
    assert study(bench, *command, *engine) == whole
    put_away(bench, "batch-size")
    shutil.rmtree(bench.folder / "whole")
    whole = sequential(bench, *TUNE)
    keep_timed_runs(bench)
    assert study(bench, *TUNE, *engine) == whole
    assert machines.copies() == []


def test_what_is_left_of_a_command_is_compared(bench: Bench) -> None:
    """Or all of these could pass for nothing."""
    bench("train", "tiny.yaml", "-q")
    whole = left(bench, "")
    assert len(whole.runs) == 1
    (run,) = whole.runs.values()
    assert {"run.json", "result.json", "metrics.jsonl", "predictions.npz"} <= run.keys()
