"""The dask engine checks its workers, moves jobs of lost workers, and notices a lost scheduler."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

import nnexp
from nnexp.errors import ClusterError, InterruptedRunError, UsageError
from nnexp.store.run import Run
from nnexp.study.dask import client
from nnexp.study.dask import executor as clusters
from nnexp.study.dask.client import Client
from nnexp.study.dask.executor import Cluster
from nnexp.study.dask.worker import JobReport
from nnexp.study.job import EpochCommitted, Job, Notice, Outcome
from tests.study.dask_jobs import TOKEN, Workers, linked, trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (Workers(version="0.0.1"), f"tcp://b:1 has nnexp 0.0.1, not {nnexp.__version__}"),
        (Workers(problem="sees nothing"), "tcp://b:1 on b sees nothing"),
    ],
)
def test_a_worker_that_is_not_fit_is_named(workers: Workers, said: str) -> None:
    assert client.check_workers(linked(Workers()), None, TOKEN).startswith("2 workers on 2 hosts")
    with pytest.raises(UsageError) as raised:
        client.check_workers(linked(workers), None, TOKEN)
    assert str(raised.value) == said


class Deaf(Workers):
    """Workers the second of which does not answer, or a scheduler that does not."""

    def __init__(self, *, scheduler: bool) -> None:
        super().__init__()
        self._is_mute = scheduler

    def run(self, *_: object, **__: object) -> dict[str, object]:
        time.sleep(1)
        raise AssertionError("nobody waits so long")

    def scheduler_info(self) -> dict[str, object]:
        if self._is_mute:
            time.sleep(1)
        heard = {"tcp://a:1": {"last_seen": 100.0}, "tcp://b:1": {"last_seen": 70.0}}
        return {"workers": heard}


@pytest.mark.parametrize(
    ("is_the_scheduler", "said"),
    [
        (False, "tcp://b:1: the worker does not answer"),
        (True, "tcp://s:1: the scheduler does not answer"),
    ],
)
def test_who_does_not_answer_is_waited_for_no_longer_than_that_and_named(
    monkeypatch: pytest.MonkeyPatch, said: str, *, is_the_scheduler: bool
) -> None:
    for limit in ("SECONDS", "CLOSING"):
        monkeypatch.setattr(client, limit, 0.3)
    waited: list[str] = []
    deaf = Client(Deaf(scheduler=is_the_scheduler), "tcp://s:1", waited.append)
    with pytest.raises(ClusterError) as raised:
        client.check_workers(deaf, None, TOKEN)
    assert str(raised.value) == said
    assert waited[0] == "all workers of the scheduler at tcp://s:1 to answer"

    def stop(_: str) -> None:
        raise InterruptedRunError(15, "stopped")

    deaf = Client(Deaf(scheduler=is_the_scheduler), "tcp://s:1", stop)
    with pytest.raises(InterruptedRunError):
        client.check_workers(deaf, None, TOKEN)


@pytest.fixture
def engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Workers]]:
    """The engine of a cluster that does nothing by itself."""
    workers = Workers()
    monkeypatch.setattr(client, "connect", lambda *_: linked(workers))
    made = Cluster("tcp://s:1", bench.folder / "runs")
    yield made, workers
    made.close()


LEFT = msgspec.msgpack.encode(
    JobReport(outcome=Outcome(code=143, reason="stopped", is_stopped=True), is_abandoned=True)
)


def job(bench: Bench) -> Job:
    return Job(trial().config, Run(bench.folder / "runs" / trial().run.name))


def test_a_trial_whose_worker_leaves_is_sent_anew_but_not_for_ever(
    bench: Bench, engine: tuple[Cluster, Workers]
) -> None:
    cluster, workers = engine
    future = cluster.submit(job(bench))
    for left in range(3):
        workers.sent[left].set_result(LEFT)
        cluster.wait(0.01)
    assert (len(workers.sent), future.done()) == (4, False)
    told = {"job": 0, **msgspec.to_builtins(EpochCommitted(1, 0.5))}
    for event in (None, {}, {"job": 0}, {"job": "x"}, {"job": 9}, told):
        workers.hear((0.0, event))
    assert cluster.wait(0.01) == [(future, EpochCommitted(1, 0.5))]
    workers.sent[3].cancel()  # by another client that restarts all workers
    cluster.wait(0.01)
    for left in range(4, 7):
        assert (len(workers.sent), future.done()) == (left + 1, False)
        workers.sent[left].set_result(LEFT)
        cluster.wait(0.01)
    outcome = future.result(0)
    assert (outcome.code, len(workers.sent)) == (143, 7)
    assert outcome.reason == "4 workers in a row left before committing an epoch of it"


def test_a_cluster_that_loses_its_last_worker_says_so_each_time(
    bench: Bench, engine: tuple[Cluster, Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, workers = engine
    monkeypatch.setattr(client, "COUNT_INTERVAL", 0.0)
    counted: dict[str, int] = {}
    monkeypatch.setattr(workers, "nthreads", lambda: counted)

    def notices() -> list[str]:
        """Return what is said at first, and within some counts more."""
        said: list[str] = []
        end, more = time.monotonic() + 10, 5
        while more and time.monotonic() < end:
            assert cluster.slots  # counts the workers in the background
            said += [each.message for _, each in cluster.wait(0.01) if isinstance(each, Notice)]
            more -= bool(said)
        return said

    future = cluster.submit(job(bench))
    for _ in range(2):
        counted.clear()
        assert notices() == ["the cluster at tcp://s:1 has no workers left; waiting for one"]
        counted["tcp://a:1"] = 1
        assert notices() == ["the cluster at tcp://s:1 has a worker again; resuming"]
    assert not future.done()


def test_trials_that_do_not_stop_are_waited_for_only_so_long(
    bench: Bench, engine: tuple[Cluster, Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, workers = engine
    futures = [cluster.submit(job(bench)) for _ in range(2)]
    cluster.stop()
    workers.sent[0].set_result(LEFT)
    cluster.wait(0.01)
    assert futures[0].result(0).is_stopped
    assert (len(workers.sent), futures[1].done()) == (2, False)
    monkeypatch.setattr(clusters, "STOP_TIMEOUT", 0)
    cluster.wait(0.01)
    assert futures[1].result(0).is_stopped


@pytest.mark.parametrize("status", ["running", "connecting"])
def test_a_scheduler_that_is_new_at_the_same_address_is_a_lost_one(
    bench: Bench, engine: tuple[Cluster, Workers], status: str
) -> None:
    cluster, workers = engine
    cluster.submit(job(bench))
    workers.sent[0].cancel()
    workers.status, workers.scheduler_comm = status, object()
    with pytest.raises(ClusterError, match="tcp://s:1 is lost; committed epochs are safe"):
        cluster.wait(0.01)
