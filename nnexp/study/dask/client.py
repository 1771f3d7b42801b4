"""The client's side of a dask cluster: connecting, checking the workers, calls with timeouts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

import nnexp
from nnexp.config.messages import shown
from nnexp.errors import ClusterError, InterruptedRunError, NnexpError, UsageError
from nnexp.store import disk, lock
from nnexp.store.lock import Lock
from nnexp.study.dask import worker
from nnexp.study.dask.worker import WorkerInfo
from nnexp.study.local.process import LOGS

SECONDS = 30.0
"""Timeout in seconds for a reply of the scheduler, and for the first worker to appear."""

TICK = 0.1
"""Seconds between two calls of on_wait."""

COUNT_INTERVAL = 2.0
"""Seconds between two counts of the workers' threads."""

SILENT = 10.0
"""Seconds without a heartbeat after which a worker counts as unresponsive."""

CLOSING = 5.0
"""Timeout for disconnecting from a cluster, in seconds."""

INSTALL = "pip install 'nnexp[dask]'"
EXAMPLE = "tcp://127.0.0.1:8786"
CERTIFICATE = "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its companions (docs/sweeps.md)"
ENCRYPTED = {"tls", "wss"}
PORTS = 1 << 16
PREFIX = "token-"
"""How the name of a token file begins."""

OnWait: TypeAlias = Callable[[str], None]
"""Callback during waits, called every TICK with the wait's subject; it may raise to give up."""

T = TypeVar("T")


class BackgroundCall:
    """Runs one call at a time in a thread, so that a silent cluster blocks nothing else."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the last call is still running."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, call: Callable[[], object]) -> None:
        """Start a call, unless one is running; its exceptions are dropped."""
        if self.is_running:
            return

        def run() -> None:
            with contextlib.suppress(Exception):
                call()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the last call returns, or the timeout expires."""
        if self._thread is not None:
            self._thread.join(seconds)


def call_with_timeout(
    call: Callable[[], T], on_wait: OnWait, subject: str, seconds: float = SECONDS
) -> T:
    """Run a call in a thread and return its result.

    Args:
        call: keeps running in its thread if the timeout expires.
        on_wait: called with the subject while the call runs.
        subject: of the wait, for on_wait.
        seconds: the timeout.

    Raises: TimeoutError, and the exceptions of the call and of on_wait.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised in the calling thread
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    end = time.monotonic() + seconds
    while not future.done() and time.monotonic() < end:
        on_wait(subject)
        with contextlib.suppress(TimeoutError):
            future.exception(TICK)
    return future.result(0)


class Client:
    """A connection to a cluster, whose calls all have timeouts.

    Args:
        dask: distributed's client.
        scheduler: the address it is connected to.
        on_wait: called during waits.
    """

    def __init__(self, dask: Any, scheduler: str, on_wait: OnWait) -> None:  # noqa: ANN401 - distributed may not be installed
        self.dask = dask
        self.scheduler = scheduler
        self.on_wait = on_wait
        self._comm = dask.scheduler_comm
        self._count, self._broadcast = BackgroundCall(), BackgroundCall()
        self._counted = 0.0
        self._threads = 1
        self.has_workers = True
        """Whether there was a worker at the last count."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection broke; all tasks are lost then, even if dask has reconnected."""
        return self.dask.status != "running" or self.dask.scheduler_comm is not self._comm

    def lost(self) -> ClusterError:
        """Return the error to raise for a lost connection."""
        return ClusterError(
            f"the connection to the scheduler at {self.scheduler} is lost; committed epochs "
            "are safe; repeat the command to resume"
        )

    @property
    def threads(self) -> int:
        """The workers' threads at the last count; a new count starts in the background."""
        if time.monotonic() - self._counted > COUNT_INTERVAL:
            self._counted = time.monotonic()
            self._count.start(self.count_threads)
        return self._threads

    def count_threads(self) -> None:
        """Count the threads of all workers."""
        threads = self.dask.nthreads()
        self.has_workers = bool(threads)
        self._threads = max(1, sum(map(int, threads.values())))

    def ask(self, call: Callable[[], T], subject: str | None = None) -> T:
        """Return the cluster's answer to a call.

        Args:
            call: of distributed's client.
            subject: of the wait, for on_wait; by default all workers.

        Raises: ClusterError that names the process that does not answer.
        """
        default = f"all workers of the scheduler at {self.scheduler} to answer"
        try:
            return call_with_timeout(call, self.on_wait, subject or default, SECONDS)
        except TimeoutError:
            raise ClusterError(f"{self._silent()} does not answer") from None
        except NnexpError:
            raise
        except Exception:  # noqa: BLE001 - whatever dask raises when a connection breaks
            raise ClusterError(f"{self.scheduler}: the connection was lost") from None

    def broadcast(self, call: Callable[..., object], *arguments: object) -> None:
        """Call a function on all workers in the background, unless a broadcast is still running."""
        self._broadcast.start(partial(self.dask.run, call, *arguments, on_error="ignore"))

    def close(self) -> None:
        """Disconnect; the scheduler then cancels the tasks that still run."""
        closing = BackgroundCall()
        closing.start(partial(self.dask.close, timeout=CLOSING))
        closing.join(2 * CLOSING)

    def _silent(self) -> str:
        """Return which process does not answer, as the subject of a message."""
        subject = f"the scheduler at {self.scheduler}"
        try:
            info = call_with_timeout(self.dask.scheduler_info, self.on_wait, subject, CLOSING)
        except InterruptedRunError:
            raise
        except Exception:  # noqa: BLE001 - a timeout, or a broken connection
            return f"{self.scheduler}: the scheduler"
        seen = {name: float(entry["last_seen"]) for name, entry in info["workers"].items()}
        latest = max(seen.values(), default=0.0)
        silent = [f"{name}: the worker" for name in sorted(seen) if latest - seen[name] > SILENT]
        return summarized(silent) if silent else f"{self.scheduler}: a worker"


class TokenFile:
    """A locked file with which workers check that they see the runs folder and its locks.

    Raises: DiskError.
    """

    def __init__(self, runs: Path, token: str) -> None:
        self._folder = runs / LOGS
        disk.make_subfolder(self._folder)
        for name in disk.directory_names(self._folder):  # left by commands that were killed
            if name.startswith(PREFIX) and not lock.is_held(self._folder / name):
                disk.remove(self._folder / name)
        self._lock = Lock(self._folder / token)
        self._lock.acquire()

    def release(self) -> None:
        """Unlock and remove the file, and its folder if that is empty."""
        with contextlib.suppress(NnexpError):
            disk.remove(self._lock.path)
            self._lock.release()
            disk.remove_directory(self._folder)


def is_exposed(scheduler: str) -> bool:
    """Return whether other machines can reach the scheduler without a certificate."""
    protocol, _, location = scheduler.rpartition("://")
    host = location.rpartition(":")[0].strip("[]")
    is_loopback = host in {"localhost", "::1"} or host.startswith("127.")
    return protocol not in ENCRYPTED and not is_loopback


def check(scheduler: str) -> None:
    """Check that dask is installed and a scheduler's address is valid.

    Raises: UsageError, also if dask is not installed.
    """
    try:
        import distributed  # noqa: PLC0415 - an extra, and half a second
        from distributed.comm.addressing import get_address_host_port  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise UsageError(f"--engine dask needs dask ({error}): {INSTALL}") from None
    try:
        host, port = get_address_host_port(scheduler)
        problem = "" if host and 0 < port < PORTS else f"no host, or no port below {PORTS:,}"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise UsageError(
            f"--scheduler must be an address such as {EXAMPLE}, got {shown(scheduler)}: {problem}"
        )
    encrypted = scheduler.partition("://")[0] in ENCRYPTED
    if encrypted and not distributed.Security().get_connection_args("client")["ssl_context"]:
        raise UsageError(f"{scheduler}: needs a certificate; {CERTIFICATE}")


def connect(scheduler: str, on_wait: OnWait) -> Client:
    """Return a client of the scheduler at an address.

    Raises: UsageError, ClusterError.
    """
    check(scheduler)
    import distributed  # noqa: PLC0415 - an extra, and half a second
    from distributed.comm import connect as dial  # noqa: PLC0415 - likewise

    for name in [*logging.Logger.manager.loggerDict]:
        if name.partition(".")[0] in {"distributed", "tornado"}:  # nnexp reports what matters
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    subject = f"the scheduler at {scheduler}"
    options = {"timeout": SECONDS, "set_as_default": False}

    async def ping() -> None:
        arguments = distributed.Security().get_connection_args("client")
        dialling = asyncio.ensure_future(dial(scheduler, timeout=SECONDS, **arguments))
        end = time.monotonic() + SECONDS + 1  # dask's timeout does not cover the handshake
        while not dialling.done():
            on_wait(subject)
            await asyncio.wait({dialling}, timeout=TICK)
            if time.monotonic() > end:
                raise TimeoutError(f"no reply within {SECONDS:g} s")
        dialling.result().abort()

    try:
        asyncio.run(ping())  # first, as closing a client without a reply takes another timeout
        dask = call_with_timeout(
            partial(distributed.Client, scheduler, **options), on_wait, subject
        )
    except InterruptedRunError:
        raise
    except Exception as error:  # noqa: BLE001 - TimeoutError, OSError and TLS errors
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ClusterError(f"{scheduler}: the scheduler does not answer: {reason}") from None
    return Client(dask, scheduler, on_wait)


def await_workers(client: Client) -> None:
    """Wait until the cluster has a worker.

    Raises: ClusterError.
    """
    end, subject = time.monotonic() + SECONDS, f"workers of the scheduler at {client.scheduler}"
    while not client.ask(client.dask.nthreads, subject):
        if time.monotonic() > end:
            raise ClusterError(
                f"{client.scheduler}: has no worker; dask worker {client.scheduler} starts one"
            )
        client.on_wait(subject)
        time.sleep(TICK)


def check_workers(client: Client, runs: str | None, token: str) -> str:
    """Check that every worker can train, and return a one-line summary of the cluster.

    Args:
        client: the connection to the cluster.
        runs: the folder with the token file that all workers must see; None if none needs to.
        token: the file's name.

    Raises:
        UsageError: a worker cannot train; the message names the first one.
        ClusterError: a worker does not answer.
    """
    call = partial(client.dask.run, on_error="return")
    specs = client.ask(partial(call, find_spec, "nnexp"))
    lacking = [
        f"{name} has no nnexp"
        for name, spec in specs.items()
        if spec is None or isinstance(spec, Exception)
    ]
    if lacking:
        raise UsageError(f"{summarized(lacking)}; install version {nnexp.__version__} there")
    problems, hosts = [], set()
    answers = client.ask(partial(call, worker.probe, runs, token))
    for name, answer in sorted(answers.items()):
        if isinstance(answer, Exception):
            problems.append(f"{name}: {answer}")
            continue
        info = msgspec.convert(answer, WorkerInfo)
        hosts.add(info.host)
        if info.version != nnexp.__version__:
            problems.append(f"{name} has nnexp {info.version}, not {nnexp.__version__}")
        elif info.problem is not None:
            problems.append(f"{name} on {info.host} {info.problem}")
    if problems:
        hint = "" if runs is None else "; --collect needs no shared folder"
        raise UsageError(f"{summarized(problems)}{hint}")
    cluster = f"{_count(len(answers), 'worker')} on {_count(len(hosts), 'host')}"
    if runs is None:
        return f"{cluster}; finished runs are collected"
    return f"{cluster}; all see {runs} and its locks"


def summarized(problems: Sequence[str]) -> str:
    """Return the first of several problems, and the number of the others."""
    more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
