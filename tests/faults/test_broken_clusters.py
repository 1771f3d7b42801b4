"""A sweep on a dask cluster produces the same runs when workers, scheduler or client die."""

from __future__ import annotations

import functools
import os
import random
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.clusters import LOOPBACK, Cluster
from tests.faults.conftest import lacking
from tests.faults.trees import epochs_trained, runs
from tests.waiting import SECONDS, catches, until

if TYPE_CHECKING:
    from tests.conftest import Bench

distributed = pytest.importorskip("distributed", reason="distributed is not installed")
pytestmark = pytest.mark.slow

GRID = ("--grid", "learning_rate=0.1,0.3", "--grid", "lambda=0,1", "--seeds", "2")


@pytest.fixture
def cluster(bench: Bench) -> Iterator[Cluster]:
    """A scheduler and two workers on loopback."""
    folder = bench.folder / "cluster"
    folder.mkdir()
    made = Cluster(folder)
    try:
        made.begin()
        yield made
    finally:
        made.end()


def starts(bench: Bench) -> int:
    """Return how many times a training of a run was begun."""
    logs = (bench.folder / "runs").glob("*/log.txt")
    return sum(path.read_text().count("training from epoch") for path in logs)


def begun(bench: Bench, cluster: Cluster, *arguments: str) -> subprocess.Popen[str]:
    return bench.start(
        *("sweep", "tiny.yaml", *GRID, "-q", *arguments),
        *("--engine", "dask", "--scheduler", cluster.address),
    )


def ended(process: subprocess.Popen[str], seconds: float = 5 * SECONDS) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, err


def sequential(bench: Bench, *grid: str) -> str:
    """Sweep locally, one trial after the other, into the folder "whole"; return the ranking."""
    arguments = ("sweep", "tiny.yaml", *(grid or GRID), "-q", "-j", "1", "--runs", "whole")
    code, out, err = ended(bench.start(*arguments))
    assert (code, err) == (0, "")
    return out


def is_under_way(bench: Bench, cluster: Cluster, trials: int = 2) -> bool:
    """Return whether trials run that have committed something."""
    done = {path.parent for path in bench.folder.glob("runs/[!.]*/result.json")}
    going = {path.parent.parent for path in bench.folder.glob("runs/[!.]*/checkpoints/*.npz")}
    return len(cluster.trials()) >= trials and len(going - done) >= trials


def test_64_trials_on_a_cluster_are_the_bytes_of_a_sequential_sweep(
    bench: Bench, cluster: Cluster
) -> None:
    grid = ("--grid", "learning_rate=0.1,0.3,1,3", "--grid", "lambda=0,1", "--seeds", "8")
    whole = sequential(bench, *grid)
    process = bench.start(
        *("sweep", "tiny.yaml", *grid, "-q", "--engine", "dask", "--scheduler", cluster.address)
    )
    assert ended(process) == (0, whole, "")
    assert len(runs(bench, "runs")) == 64
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") == epochs_trained(bench, "whole")
    assert starts(bench) == 64
    assert not cluster.trials()


def test_workers_killed_mid_trial_lose_nothing_and_nothing_is_trained_twice(
    bench: Bench, cluster: Cluster
) -> None:
    bench.config(epochs=800, patience=None)
    whole = sequential(bench)
    process = begun(bench, cluster)
    moments = random.Random(1)  # noqa: S311 - which moments does not matter
    kills = 0
    while kills < 3 and process.poll() is None:
        until(lambda: is_under_way(bench, cluster, 1) or process.poll() is not None)
        time.sleep(moments.uniform(0, 0.3))
        if victims := cluster.trials():
            os.kill(victims[0].parent, signal.SIGKILL)
            kills += 1
            gone = victims[0].pid
            until(lambda pid=gone: pid not in {each.pid for each in cluster.trials()})  # type: ignore[misc]
    assert ended(process) == (0, whole, "")
    assert kills == 3
    assert runs(bench, "runs") == runs(bench, "whole")
    # A kill costs a trial the epoch under way at most.
    assert epochs_trained(bench, "runs") <= epochs_trained(bench, "whole") + kills
    assert starts(bench) <= 8 + kills


def test_the_scheduler_killed_ends_the_sweep_and_the_next_goes_on(
    bench: Bench, cluster: Cluster
) -> None:
    bench.config(epochs=800, patience=None)
    whole = sequential(bench)
    process = begun(bench, cluster)
    until(lambda: is_under_way(bench, cluster))
    cluster.scheduler.kill()
    code, out, err = ended(process, SECONDS)
    assert (code, out) == (74, "")
    assert err == (
        f"the connection to the scheduler at {cluster.address} is lost; committed epochs are "
        "safe; repeat the command to resume\n"
    )
    until(lambda: not cluster.trials())
    cluster.end()
    cluster.begin()
    assert ended(begun(bench, cluster)) == (0, whole, "")
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") <= epochs_trained(bench, "whole") + 2


def test_the_sweep_killed_stops_its_trials_and_the_next_goes_on(
    bench: Bench, cluster: Cluster
) -> None:
    bench.config(epochs=800, patience=None)
    whole = sequential(bench)
    for _ in range(2):
        process = begun(bench, cluster)
        until(lambda: is_under_way(bench, cluster))
        process.kill()
        process.communicate(timeout=SECONDS)
        until(lambda: not cluster.trials())
    process = begun(bench, cluster)
    until(lambda: is_under_way(bench, cluster, 1))
    process.kill()
    process.communicate(timeout=SECONDS)
    assert ended(begun(bench, cluster)) == (0, whole, "")  # while the old ones may still stop
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") <= epochs_trained(bench, "whole") + 6


def test_a_sweep_that_is_killed_leaves_no_trial_behind(bench: Bench, cluster: Cluster) -> None:
    process = begun(bench, cluster, "--set", "epochs=100000", "--set", "patience=null")
    until(lambda: is_under_way(bench, cluster))
    process.kill()
    process.communicate(timeout=SECONDS)
    until(lambda: not cluster.trials())
    assert bench("runs", "--each").out.count("interrupted") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_trials_wherever_they_run(
    bench: Bench, cluster: Cluster, number: signal.Signals
) -> None:
    process = begun(bench, cluster, "--set", "epochs=100000", "--set", "patience=null")
    until(lambda: is_under_way(bench, cluster))
    process.send_signal(number)
    code, out, err = ended(process, SECONDS)
    assert (code, out) == (128 + number, "")
    assert err.startswith("stopped with 0 of 8 trials done; committed epochs are safe")
    assert not cluster.trials()
    assert bench("runs", "--each").out.count("interrupted") == 2
    assert not (bench.folder / "runs" / ".sweep").exists()


def test_limits_and_failures_are_a_trial_s_own(bench: Bench, cluster: Cluster) -> None:
    def swept(*arguments: str) -> tuple[int, str, str]:
        engine = ("--engine", "dask", "--scheduler", cluster.address)
        return ended(bench.start("sweep", "tiny.yaml", *engine, *arguments))

    code, _, err = swept("--max-memory", "5M", "-q")
    assert code == 137
    assert "of memory, more than 5 MB" in err
    code, _, err = swept(
        *("--set", "epochs=100000", "--set", "patience=null", "--timeout", "10", "-q")
    )
    assert (code, "took more than 10 s; committed epochs are safe" in err) == (143, True)
    assert bench("runs").out.count("interrupted") == 1
    code, out, err = swept("--grid", "learning_rate=1e30,0.1", "--json")
    assert code == 3
    assert ": diverged in epoch" in err
    assert "2 workers on 1 host; all see " in err
    assert "start-up of a trial: " in err
    assert '"exit": 3' in out


def scattered(client: Any, worker: str) -> list[Any]:  # noqa: ANN401 - distributed's
    """Give a worker data that it must hand to another before it may leave, which takes a while."""
    data = [secrets.token_bytes(300_000) for _ in range(400)]
    return client.scatter(data, workers=[worker], direct=True)  # type: ignore[no-any-return]


def test_a_worker_that_is_retired_has_its_trial_moved(bench: Bench, cluster: Cluster) -> None:
    """The data is what takes time: the trial's report comes before the worker is gone."""
    bench.config(epochs=1600, patience=None)
    grid = ("--seeds", "2")
    whole = sequential(bench, *grid)
    engine = ("--engine", "dask", "--scheduler", cluster.address)
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2)
        leaving = next(iter(client.nthreads()))
        kept = scattered(client, leaving)
        process = bench.start("sweep", "tiny.yaml", *grid, "-q", *engine)
        until(lambda: is_under_way(bench, cluster))
        client.retire_workers([leaving])
        assert ended(process) == (0, whole, "")
        assert len(kept) == 400
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") <= epochs_trained(bench, "whole") + 1


def test_all_workers_restarted_by_another_client_move_the_trials(
    bench: Bench, cluster: Cluster
) -> None:
    bench.config(epochs=1600, patience=None)
    grid = ("--seeds", "2")
    whole = sequential(bench, *grid)
    engine = ("--engine", "dask", "--scheduler", cluster.address)
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2)
        process = bench.start("sweep", "tiny.yaml", *grid, "-q", *engine)
        until(lambda: is_under_way(bench, cluster))
        client.restart()
        assert ended(process) == (0, whole, "")
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") <= epochs_trained(bench, "whole") + 2


def test_a_run_that_was_interrupted_here_goes_on_where_it_is_collected_from(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing is trained twice, and nothing stays on a worker, also of sweeps that were killed."""
    bench.config(
        epochs=60, patience=None, data={"name": "npz", "file": str(bench.folder / "tiny.npz")}
    )
    whole = sequential(bench)
    folder = bench.folder / "cluster"
    folder.mkdir()
    home = tmp_path_factory.mktemp("host")
    cluster = Cluster(folder)
    left = (bench.folder / "whole").glob("[!.]*")
    done, begun_here = next(left), next(left)
    for path in (done, begun_here):
        shutil.copytree(path, bench.folder / "runs" / path.name)
    (bench.folder / "runs" / begun_here.name / "result.json").unlink()  # as a kill would leave it
    own = home / f"nnexp-runs-{os.getuid()}"
    own.mkdir(0o700)
    shutil.copytree(done, own / done.name)  # as a client that was killed after it was home
    try:
        cluster.begin(workers=0)
        cluster.worker(cluster.address, LOOPBACK, env={**os.environ, "TMPDIR": str(home)})
        assert ended(begun(bench, cluster, "--collect")) == (0, whole, "")
    finally:
        cluster.end()
    assert runs(bench, "runs") == runs(bench, "whole")
    assert epochs_trained(bench, "runs") == epochs_trained(bench, "whole")
    assert not list(own.iterdir())


@pytest.mark.parametrize("frozen", ["worker", "scheduler"])
def test_what_is_frozen_holds_up_neither_a_start_nor_a_signal(
    bench: Bench, cluster: Cluster, frozen: str
) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2)
        pids = client.run(os.getpid)
        victim = cluster.scheduler.pid if frozen == "scheduler" else next(iter(pids.values()))
    engine = ("--engine", "dask", "--scheduler", cluster.address)
    endless = (
        "sweep",
        "tiny.yaml",
        "--seeds",
        "2",
        "--set",
        "epochs=100000",
        "--set",
        "patience=null",
    )
    running = bench.start(*endless, "-q", *engine)
    until(lambda: is_under_way(bench, cluster))
    os.kill(victim, signal.SIGSTOP)
    try:
        starting = bench.start("sweep", "tiny.yaml", *engine, "--runs", "others")
        giving_up = bench.start("sweep", "tiny.yaml", *engine, "--runs", "others")
        time.sleep(5)
        for process, done in ((starting, "0 of 1"), (running, "0 of 2")):
            until(functools.partial(catches, process, signal.SIGTERM))
            process.send_signal(signal.SIGTERM)
            code, out, err = ended(process, 120)
            assert (code, out) == (143, "")
            assert f"stopped with {done} trials done; committed epochs are safe" in err
        code, _, err = ended(giving_up, 160)
        assert (code, f"the {frozen} does not answer" in err) == (74, True)
    finally:
        os.kill(victim, signal.SIGCONT)
    until(lambda: not cluster.trials())
    for folder in ("runs", "others"):
        assert not (bench.folder / folder / ".sweep").exists()


def test_hosts_without_a_common_disk_send_their_runs_home(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two network namespaces, each with a worker and a disk of its own, are two machines."""
    made: list[str] = []
    folder = bench.folder / "cluster"
    folder.mkdir()
    cluster = Cluster(folder, host="0.0.0.0")  # noqa: S104 - of namespaces that end with the test
    number = os.getpid() % 200 + 20
    whole = sequential(bench)
    try:
        cluster.begin(workers=0)
        for host in range(2):
            name, ours = f"nnexp-{os.getpid()}-{host}", f"nx{os.getpid() % 99999}h{host}"
            subnet = f"10.{number}.{host}"
            commands = [
                f"ip netns add {name}",
                f"ip link add {ours} type veth peer name eth0 netns {name}",
                f"ip address add {subnet}.1/24 dev {ours}",
                f"ip link set {ours} up",
                f"ip -n {name} address add {subnet}.2/24 dev eth0",
                f"ip -n {name} link set eth0 up",
                f"ip -n {name} link set lo up",
            ]
            for command in commands:
                try:
                    subprocess.run(command.split(), check=True, capture_output=True)
                except (OSError, subprocess.CalledProcessError) as error:
                    lacking(f"network namespaces cannot be made: {error}")
                if command.startswith("ip netns add"):
                    made.append(name)
            home = tmp_path_factory.mktemp(f"host{host}")
            (home / "tiny.npz").write_bytes((bench.folder / "tiny.npz").read_bytes())
            cluster.worker(
                cluster.at(f"{subnet}.1"),
                f"{subnet}.2",
                before=("ip", "netns", "exec", name),
                cwd=home,
                env={**os.environ, "TMPDIR": str(home)},
            )
        process = begun(bench, cluster, "--collect")
        code, out, err = ended(process)
        assert (code, out, err) == (0, whole, "")
        assert runs(bench, "runs") == runs(bench, "whole")
        assert not list(tmp_path_factory.getbasetemp().glob("host*/nnexp-runs-*/*"))
    finally:
        cluster.end()
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def test_a_worker_that_does_not_see_the_folder_is_named(bench: Bench, cluster: Cluster) -> None:
    """A mount namespace hides the folder of the runs from one worker."""
    (bench.folder / "runs").mkdir()
    hide = f"mount -t tmpfs none {bench.folder / 'runs'}"
    hidden = ("unshare", "-m", "sh", "-c", f'{hide} && exec "$@"', "sh")
    if subprocess.run(["unshare", "-m", "sh", "-c", hide], check=False).returncode:
        lacking("mount namespaces cannot be made")
    worker = cluster.worker(cluster.address, LOOPBACK, before=hidden)
    command = ("sweep", "tiny.yaml", "--engine", "dask", "--scheduler", cluster.address)
    code, err = 0, ""
    end = time.monotonic() + SECONDS
    while code != 2 and time.monotonic() < end:  # the worker may be late
        code, _, err = ended(bench.start(*command))
        assert worker.poll() is None
    assert code == 2
    assert f" does not see {bench.folder / 'runs'}; --collect needs no" in err
    assert not Path(bench.folder / "runs" / ".sweep").exists()
