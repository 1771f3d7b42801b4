"""What dask costs a sweep: a trial that does nothing, on a scheduler with more and more workers.

The scheduler is a process, the workers are another one (they do nothing, so that hundreds fit),
the client is this one. Trials go through the executor as ``sweep --engine dask`` sends them: as
many at a time as there are workers, each with an order as long as a real one, and a report.
What is printed are seconds of the processor, which a busy machine does not change, but for
``by the clock``. From the measured costs follows a table for up to 1,000 workers.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from nnexp.config import canonical
from nnexp.config.model import Config
from nnexp.study.dask.worker import JobReport, JobRequest
from nnexp.study.job import EpochCommitted, Outcome

SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKERS = """
import asyncio, sys
from distributed import Worker
async def work(address, count):
    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # else it listens everywhere
    workers = [Worker(address, nthreads=1, host="127.0.0.1", **quiet) for _ in range(count)]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))
asyncio.run(work(sys.argv[1], int(sys.argv[2])))
"""
MODELLED = (10, 100, 300, 600, 1000, 2000)
TRAINED = (1.0, 10.0, 60.0)
IDLE = 4.0
"""Seconds that the cluster is watched while it has nothing to do."""


class Cost(NamedTuple):
    """Seconds a trial."""

    scheduler: float
    client: float
    worker: float
    clock: float


class Measurement(NamedTuple):
    """What was found with so many workers."""

    cost: Cost
    """Beyond what the processes take while nothing is to do."""
    event: float
    """Seconds of scheduler and client for an epoch that is told."""
    idle: float
    """The scheduler's share of a processor for each worker that merely is there."""


def nothing(order: bytes) -> bytes:
    """Do what a worker does with a trial, but for the trial."""
    report = JobReport(outcome=Outcome(epochs=30, accuracies={"validation": 0.95, "test": 0.94}))
    msgspec.msgpack.decode(order, type=JobRequest)
    return msgspec.msgpack.encode(report)


def told(times: int) -> None:
    """Tell an epoch so many times, as a trial does once a second."""
    from distributed import get_worker  # noqa: PLC0415 - in a worker

    for epoch in range(times):
        row = msgspec.to_builtins(EpochCommitted(epoch, 0.95))
        get_worker().log_event("benchmark", {"job": 0, **row})


def processor(pid: int) -> float:
    """Return the seconds of the processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[tuple[Any, int, int]]:
    """Have a client of a scheduler with so many workers, and their processes' ids."""
    from distributed import Client  # noqa: PLC0415 - an extra

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        options += ["--dashboard-address", "127.0.0.1:0"]
        commands = [["-c", SCHEDULER, *options], ["-c", WORKERS, address, str(workers)]]
        processes = [
            subprocess.Popen([sys.executable, *command], cwd=folder, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
            for command in commands
        ]
        try:
            with Client(address, timeout=60, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=120)
                yield client, processes[0].pid, processes[1].pid
        finally:
            for process in processes:
                process.kill()
                process.wait()


def sent(executor: Executor, order: JobRequest, slots: int, trials: int) -> None:
    """Have so many trials done, so many at a time, and drop each future once it is."""
    running: set[Future[Any]] = set()
    for _ in range(trials):
        if len(running) >= slots:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                msgspec.msgpack.decode(each.result(), type=JobReport)
        running.add(executor.submit(nothing, msgspec.msgpack.encode(order)))
    wait(running)


def measured(workers: int, trials: int) -> Measurement:
    """Return what a trial costs with so many workers."""
    order = JobRequest(
        number=0,
        config=canonical.to_builtins(Config()),
        name="quickstart-0123456789ab-s0",
        version="",
        runs="/home/someone/runs",
        folder="/home/someone",
        content=None,
        token="token",  # noqa: S106 - a name
        seconds=None,
        memory=None,
        backend="auto",
    )
    with cluster(workers) as (client, scheduler, worker):
        executor = client.get_executor(pure=False)
        sent(executor, order, workers, 2 * workers + 50)  # what happens but once

        def now() -> Cost:
            own = time.process_time()
            return Cost(processor(scheduler), own, processor(worker), time.perf_counter())

        begun = now()
        time.sleep(IDLE)
        start_of_work = now()
        sent(executor, order, workers, trials)
        ended = now()
        clock = ended.clock - start_of_work.clock
        rest = [(b - a) / IDLE for a, b in zip(begun, start_of_work, strict=True)]
        spent = [b - a for a, b in zip(start_of_work, ended, strict=True)]
        shares = (max(0.0, s - r * clock) / trials for s, r in zip(spent, rest, strict=True))
        found = Cost(*shares)._replace(clock=clock / trials)
        heard, events = threading.Event(), 2000
        count = [0]

        def hear(_: object) -> None:
            count[0] += 1
            if count[0] == events:
                heard.set()

        client.subscribe_topic("benchmark", hear)
        start = processor(scheduler) + time.process_time()
        client.submit(told, events, pure=False).result()
        heard.wait(30)
        event = (processor(scheduler) + time.process_time() - start) / events
        return Measurement(found, event, rest[0] / workers)


def modelled(found: Measurement, startup: float, workers: int, trained: float) -> float:
    """Return the seconds that a trial costs beyond its training, with so many workers.

    A worker is done with a trial after its start-up and training. But the scheduler is one
    thread, and the client another: what a round of a trial on each worker takes them is the
    least that a trial takes, and epochs told, one a second of each worker, and heartbeats leave
    them less than all of their time.
    """
    cost = found.cost
    alone = startup + trained + cost.scheduler + cost.client + cost.worker
    free = 1 - workers * (found.event + found.idle)
    if free <= 0:
        return math.inf
    return max(alone, workers * max(cost.scheduler, cost.client) / free) - trained


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 10, 50, 100, 200])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--startup", type=float, default=0.9, help="as a sweep on dask says it")
    arguments = parser.parse_args()
    each = []
    print("workers  scheduler  client  worker     sum  by the clock  (ms a trial)")
    for workers in arguments.workers:
        found = measured(workers, arguments.trials)
        each.append(found)
        shown = (*found.cost[:3], sum(found.cost[:3]), found.cost.clock)
        print(f"{workers:7} {' '.join(f'{1e3 * value:8.2f}' for value in shown)}", flush=True)
    event = median(m.event for m in each)
    print(f"an epoch that is told: {1e3 * event:.3f} ms of scheduler and client")
    idle = ", ".join(f"{1e3 * m.idle:.2f}" for m in each)
    print(f"a worker that is idle: {idle} ms of the scheduler a second")
    worst = Cost(*(max(values) for values in zip(*(m.cost for m in each[1:]), strict=True)))
    model = Measurement(worst, event, each[-1].idle)  # the more workers, the rarer heartbeats
    print(f"seconds a trial costs beyond its training, start-up {arguments.startup} s:")
    print("workers  " + "  ".join(f"{trained:>4.0f} s trials" for trained in TRAINED))
    for workers in MODELLED:
        cells = [modelled(model, arguments.startup, workers, trained) for trained in TRAINED]
        print(f"{workers:7}  " + "  ".join(f"{cell:12.2f}" for cell in cells))


if __name__ == "__main__":
    main()
