"""Results depend neither on the engine nor on the number of parallel jobs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.clusters import LOOPBACK, Cluster
from tests.study.studies import (
    SEARCHES,
    keep_timed_runs,
    keep_times,
    move_results,
    results,
    search,
    sequential,
    study,
)

if TYPE_CHECKING:
    from tests.conftest import Bench

TUNE = ("tune", "tiny.yaml", "-q")
FIND_RATE = ("find-rate", "tiny.yaml", "-q", "--json")
SMALL = ("--set", "data.train=60", "--set", "learning_rate=2")
RACE = ("race", "tiny.yaml", "slow.yaml", "--metric", "last_train_cost", "-q")
TRAIN = ("train", "tiny.yaml", "--seeds", "5", "-q")


@pytest.fixture(autouse=True)
def _optuna(request: pytest.FixtureRequest) -> None:
    if "tpe" in request.node.name:
        pytest.importorskip("optuna", reason="Optuna is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_of_four_jobs_at_a_time_is_that_of_one(bench: Bench, name: str) -> None:
    bench.config(epochs=9)
    expected = sequential(bench, *search(name))
    assert study(bench, *search(name), "-j", "4") == expected


@pytest.mark.slow
@pytest.mark.parametrize("command", [FIND_RATE, TRAIN], ids=["find-rate", "train"])
def test_two_jobs_at_a_time_are_those_of_one(bench: Bench, command: tuple[str, ...]) -> None:
    expected = sequential(bench, *command)
    assert study(bench, *command, "-j", "2") == expected
    assert (".thresholds" in expected.runs) is (command is FIND_RATE)


@pytest.mark.slow
def test_two_jobs_at_a_time_tune_as_one_whose_times_they_have(bench: Bench) -> None:
    """The runs are always the same; the decisions are, given the same times."""
    command = (*TUNE, "--only", "batch-size", *SMALL)
    expected = sequential(bench, *command)
    assert study(bench, *command, "-j", "2").runs == expected.runs
    keep_times(bench)
    assert study(bench, *command, "-j", "2") == expected


@pytest.mark.slow
def test_two_jobs_at_a_time_decide_everything_as_one(bench: Bench) -> None:
    expected = sequential(bench, *TUNE)
    keep_timed_runs(bench)
    assert study(bench, *TUNE, "-j", "2") == expected


@pytest.mark.slow
def test_a_race_of_four_jobs_at_a_time_is_that_of_one(bench: Bench) -> None:
    bench.config("slow.yaml", learning_rate=0.4)
    expected = sequential(bench, *RACE)
    assert study(bench, *RACE, "-j", "4") == expected


class Machines(NamedTuple):
    """A cluster and its workers' folders for temporary files."""

    cluster: Cluster
    homes: list[Path]

    def engine(self, *more: str) -> tuple[str, ...]:
        """Return the options that train on the cluster."""
        return ("--engine", "dask", "--scheduler", self.cluster.address, *more)

    def copies(self) -> list[Path]:
        """Return the runs in the workers' private folders."""
        return [path for home in self.homes for path in home.glob("nnexp-runs-*/*")]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler and two workers, whose private folders are two."""
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


@pytest.mark.slow
def test_halving_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines
) -> None:
    """A run travels to and fro: each rung continues where the last one ended."""
    check_study(bench, machines, (*search("halving"), "--seeds", "1"), "--collect")


@pytest.mark.slow
@COLLECT
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines, name: str, options: tuple[str, ...]
) -> None:
    check_study(bench, machines, search(name), *options)


def check_study(bench: Bench, machines: Machines, command: tuple[str, ...], *options: str) -> None:
    bench.config(epochs=8, data={"name": "npz", "file": str(bench.folder / "tiny.npz")})
    expected = sequential(bench, *command)
    assert study(bench, *command, *machines.engine(*options)) == expected
    assert epochs_trained(bench, "runs") == epochs_trained(bench, "sequential/runs")
    assert machines.copies() == []


def epochs_trained(bench: Bench, folder: str) -> dict[str, int]:
    """Return how many epochs of each run were ever trained."""
    files = (bench.folder / folder).glob("*/timing.jsonl")
    return {path.parent.name: len(path.read_text().splitlines()) for path in files}


@pytest.mark.slow
@COLLECT
def test_a_race_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines, options: tuple[str, ...]
) -> None:
    data = {"name": "npz", "file": str(bench.folder / "tiny.npz")}
    bench.config("slow.yaml", epochs=8, learning_rate=0.4, data=data)
    check_study(bench, machines, RACE, *options)


@pytest.mark.slow
@COLLECT
def test_a_tuning_on_a_cluster_is_that_of_one_job_at_a_time(
    bench: Bench, machines: Machines, options: tuple[str, ...]
) -> None:
    """The trials whose times are compared run on this machine, alone."""
    bench.config(data={"name": "npz", "file": str(bench.folder / "tiny.npz")})
    engine = machines.engine(*options)
    command = (*TUNE, "--only", "batch-size")
    expected = sequential(bench, *command)
    assert study(bench, *command, *engine).runs == expected.runs
    keep_times(bench)
    assert study(bench, *command, *engine) == expected
    move_results(bench, "batch-size")
    shutil.rmtree(bench.folder / "sequential")
    expected = sequential(bench, *TUNE)
    keep_timed_runs(bench)
    assert study(bench, *TUNE, *engine) == expected
    assert machines.copies() == []


def test_results_hold_a_run_s_files(bench: Bench) -> None:
    """Otherwise the tests above would compare nothing."""
    bench("train", "tiny.yaml", "-q")
    (run,) = results(bench, "").runs.values()
    assert {"run.json", "result.json", "metrics.jsonl", "predictions.npz"} <= run.keys()
