"""A dask cluster of real processes: a scheduler and workers that tests can kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.waiting import SECONDS, until

LOOPBACK = "127.0.0.1"


class Process(NamedTuple):
    """A line of the output of ps."""

    pid: int
    parent: int
    group: int
    command: str


def quiet(host: str) -> tuple[str, ...]:
    """Return the options that disable the dashboard, whose server would listen on all addresses."""
    return ("--no-dashboard", "--dashboard-address", f"{host}:0")


class Cluster:
    """A scheduler on loopback, and the process groups of its workers."""

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        self._folder = folder
        self._host = host
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self._port = free.getsockname()[1]
        self._started: list[subprocess.Popen[bytes]] = []
        self.address = f"tcp://{LOOPBACK if host != LOOPBACK else host}:{self._port}"

    def at(self, host: str) -> str:
        """Return the scheduler's address as seen from another host."""
        return f"tcp://{host}:{self._port}"

    def begin(self, workers: int = 2) -> None:
        """Start the scheduler, and workers that are restarted when they die."""
        self.scheduler = self.start(
            *("-m", "distributed.cli.dask_scheduler", "--host", f"tcp://{self._host}"),
            *("--port", str(self._port), *quiet(self._host)),
        )
        if workers:
            self.workers(workers)

    def workers(self, count: int) -> subprocess.Popen[bytes]:
        """Start workers on this host."""
        return self.worker(self.address, LOOPBACK, "--nworkers", str(count))

    def worker(
        self,
        scheduler: str,
        host: str,
        *options: str,
        before: Sequence[str] = (),
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker; a prefix of its command may place it on another host."""
        return self.start(
            *("-m", "distributed.cli.dask_worker", scheduler, "--host", host, "--nthreads", "1"),
            *(*quiet(host), "--local-directory", str(self._folder / "scratch"), *options),
            before=before,
            cwd=cwd,
            env=env,
        )

    def start(
        self,
        *command: str,
        before: Sequence[str] = (),
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in a new process group."""
        with (self._folder / f"process-{len(self._started)}.log").open("wb") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [*before, sys.executable, *command],
                cwd=self._folder if cwd is None else cwd,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def processes(self) -> list[Process]:
        """Return all living processes of the started groups."""
        told = subprocess.run(
            ["ps", "-ww", "-e", "-o", "pid=,ppid=,pgid=,stat=,args="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = (line.split(None, 4) for line in told.splitlines())
        ours = {process.pid for process in self._started}
        return [
            Process(int(pid), int(parent), int(group), command[0])
            for pid, parent, group, state, *command in rows
            if int(group) in ours and state[0] != "Z" and command
        ]

    def trials(self) -> list[Process]:
        """Return the processes that are training."""
        return [each for each in self.processes() if "nnexp.study.local.fresh" in each.command]

    def end(self) -> None:
        """Kill all started processes, and check that they are gone."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)
        until(lambda: not self.processes())
        self._started.clear()
