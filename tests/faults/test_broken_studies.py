"""Searches and tunings whose processes are killed end with the same results when repeated."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.faults.clusters import LOOPBACK, Cluster
from tests.faults.test_broken_sweeps import wait_for_jobs
from tests.study.studies import Results, keep_timed_runs, results, search, sequential, wait
from tests.waiting import SECONDS, members, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

pytestmark = pytest.mark.slow

KILLS = 8
SEARCHES = ("grid", "random", "tpe", "halving")
LOCAL = {
    **{name: (*search(name), "-j", "4") for name in SEARCHES},
    "find-rate": ("find-rate", "tiny.yaml", "--epochs", "100", "-q", "--json", "-j", "2"),
    "train": ("train", "tiny.yaml", "--seeds", "5", "-q", "-j", "2"),
    "tune": ("tune", "tiny.yaml", "-q", "-j", "2"),
    "times": ("tune", "tiny.yaml", "-q", "--only", "batch-size", "-j", "2"),
}


@pytest.fixture(autouse=True)
def _optuna(request: pytest.FixtureRequest) -> None:
    if "tpe" in request.node.name:
        pytest.importorskip("optuna", reason="Optuna is not installed")


def expect(bench: Bench, command: tuple[str, ...]) -> Results:
    """Return a command's results with one job at a time; a full tune keeps its times."""
    found = sequential(bench, *command)
    if command[0] == "tune" and "--only" not in command:
        keep_timed_runs(bench)
    return found


@pytest.mark.parametrize("name", LOCAL)
def test_killed_with_its_whole_group_at_random_times_it_ends_as_if_it_had_not_been(
    bench: Bench, count: Callable[[str, int], None], name: str
) -> None:
    """A command that ends before it was killed often enough starts again in a new folder."""
    bench.config(epochs=100, patience=None)
    command = LOCAL[name]
    expected = expect(bench, command[: command.index("-j")])
    runs, kept = bench.folder / "runs", bench.folder / "kept"
    runs.mkdir(exist_ok=True)
    shutil.copytree(runs, kept)
    moments = random.Random(name)  # noqa: S311 - which moments does not matter
    kills, beside_jobs = 0, 0
    while kills < KILLS:
        shutil.rmtree(runs)
        shutil.copytree(kept, runs)
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            process = bench.start(*command, start_new_session=True)
            amid_jobs = kills % 2 == 1
            if amid_jobs:
                wait_for_jobs(process)
            try:
                process.wait(moments.uniform(0.2, 1.5) if kills < KILLS else 2 * SECONDS)
            except subprocess.TimeoutExpired:
                if amid_jobs:  # they may have ended meanwhile
                    wait_for_jobs(process)
                beside_jobs += len(members(process.pid)) > 1
                with contextlib.suppress(ProcessLookupError):  # it is over
                    os.killpg(process.pid, signal.SIGKILL)
            code, out, err = wait(process)
            kills += code == -signal.SIGKILL
        assert (code, err) == (0, "")
        found = results(bench, out)
        assert found.runs == expected.runs
        assert found == expected or name == "times"  # which it measures itself
    assert beside_jobs > KILLS / 4  # the others came while it was starting
    count("kills of a study's whole group:", kills)
    count("kills of a study's whole group, those beside jobs:", beside_jobs)


class Machines:
    """A cluster of two workers, each with its own folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.cluster = Cluster(folder)
        self._homes = [folder / f"machine{number}" for number in range(2)]
        for home in self._homes:
            home.mkdir()

    def begin(self) -> None:
        """Start the scheduler and the workers."""
        self.cluster.begin(workers=0)
        for home in self._homes:
            environment = {**os.environ, "TMPDIR": str(home)}
            self.cluster.worker(self.cluster.address, LOOPBACK, env=environment)

    def copies(self) -> list[Path]:
        """Return the runs in the workers' private folders."""
        return [path for home in self._homes for path in home.glob("nnexp-runs-*/*")]

    def kill_worker(self) -> None:
        """Kill the worker of a running job; its nanny starts another one."""
        job = until(self.cluster.trials)[0]
        os.kill(job.parent, signal.SIGKILL)
        until(lambda: job.pid not in {each.pid for each in self.cluster.trials()})


@pytest.fixture
def machines(bench: Bench) -> Iterator[Machines]:
    """A cluster, and a config with an absolute path of its data."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    bench.config(
        epochs=800, patience=None, data={"name": "npz", "file": str(bench.folder / "tiny.npz")}
    )
    made = Machines(bench.folder / "cluster")
    try:
        made.begin()
        yield made
    finally:
        made.cluster.end()


def is_under_way(bench: Bench, machines: Machines) -> bool:
    """Return whether a job is running, and a run has a checkpoint and no result."""
    found = [*(bench.folder / "runs").glob("tiny-*"), *machines.copies()]
    begun = [run for run in found if list(run.glob("checkpoints/*.npz"))]
    return bool(machines.cluster.trials()) and any(
        not (run / "result.json").exists() for run in begun
    )


def slow_config(bench: Bench) -> None:
    """Write a config whose full problem is trained for seconds, so that tune can be killed."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=30_000)
    features = rng.normal(size=(30_000, 40)) + np.eye(3, 40)[labels]
    held = {"x_validation": features[:400], "y_validation": labels[:400]}
    path = bench.folder / "large.npz"
    np.savez(path, x_train=features, y_train=labels, **held)  # type: ignore[arg-type]
    bench.config(hidden=[100], patience=None, data={"name": "npz", "file": str(path), "scale": 1})


@pytest.mark.parametrize("options", [(), ("--collect",)], ids=["shared", "collected"])
@pytest.mark.parametrize("name", [*SEARCHES, "tune"])
def test_on_a_cluster_whose_parts_are_killed_in_turn_it_ends_as_one_job_at_a_time(
    bench: Bench,
    machines: Machines,
    count: Callable[[str, int], None],
    name: str,
    options: tuple[str, ...],
) -> None:
    """Two workers, the client with its process group, the scheduler, and the client alone."""
    moments = random.Random(name)  # noqa: S311 - which moments does not matter
    if name == "tune":
        slow_config(bench)
    command = ("tune", "tiny.yaml", "-q") if name == "tune" else search(name)
    expected = expect(bench, command)
    engine = ("--engine", "dask", "--scheduler", machines.cluster.address, *options)

    def start() -> subprocess.Popen[str]:
        process = bench.start(*command, *engine, start_new_session=True)
        let_it_train(process)
        return process

    def let_it_train(process: subprocess.Popen[str]) -> None:
        until(lambda: is_under_way(bench, machines) or process.poll() is not None)
        time.sleep(moments.uniform(0, 0.8))
        assert process.poll() is None, process.communicate()

    process = start()
    for _ in range(2):
        machines.kill_worker()
        let_it_train(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not machines.cluster.trials())
    process = start()
    machines.cluster.scheduler.kill()
    code, out, err = wait(process, SECONDS)
    assert (code, out) == (74, "")
    assert "repeat the command to resume\n" in err
    machines.cluster.end()
    machines.begin()
    process = start()
    process.kill()
    process.communicate()
    code, out, err = wait(bench.start(*command, *engine))  # while the old jobs may still stop
    assert (code, err) == (0, "")
    assert results(bench, out) == expected
    until(lambda: not machines.copies())  # which old jobs that still stop may have
    count("parts of a study on a cluster that were killed:", 5)
