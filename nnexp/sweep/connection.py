"""The way to a cluster: a client, and whether its workers are fit for a sweep."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

import nnexp
from nnexp.errors import ClusterError, InterruptedRunError, NnexpError, UsageError
from nnexp.store import directories, disk, lock
from nnexp.store.lock import Lock
from nnexp.sweep import worker
from nnexp.sweep.watched import LOGS
from nnexp.sweep.worker import Surroundings

INSTALL = "pip install 'nnexp[dask]'"
EXAMPLE = ", such as tcp://127.0.0.1:8786"
CERTIFICATE = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its like say which (docs/sweeps.md)"
ENCRYPTED = {"tls", "wss"}
PORTS = 1 << 16
SECONDS = 30.0
"""That the scheduler has to answer, and a first worker to be there."""

TICK = 0.1
"""Seconds from one call of what is told of a wait to the next."""

Waits: TypeAlias = Callable[[str], None]
"""Is called again and again with what is waited for; it may raise InterruptedRunError."""

PREFIX = "token-"
"""How a sweep's token begins."""


def is_open(scheduler: str) -> bool:
    """Return whether a scheduler's address lets anyone in who reaches it, from other machines."""
    protocol, _, place = scheduler.rpartition("://")
    host = place.rpartition(":")[0].strip("[]")
    safe = host in {"localhost", "::1"} or host.startswith("127.")
    return protocol not in ENCRYPTED and not safe


def check(scheduler: str) -> None:
    """Refuse an address that no scheduler can have, or that this process cannot call.

    Raises: UsageError, also where dask is not installed.
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
        told = scheduler or repr(scheduler)
        raise UsageError(f"{told}: is no scheduler's address{EXAMPLE}: {problem}")
    encrypted = scheduler.partition("://")[0] in ENCRYPTED
    if encrypted and not distributed.Security().get_connection_args("client")["ssl_context"]:
        raise UsageError(f"{scheduler}: needs a certificate; {CERTIFICATE}")


def connect(scheduler: str, waits: Waits) -> Any:  # noqa: ANN401 - distributed.Client, which may not be installed
    """Return a client of the scheduler.

    Raises: UsageError, ClusterError.
    """
    check(scheduler)
    import distributed  # noqa: PLC0415 - an extra, and half a second
    from distributed.comm import connect as call  # noqa: PLC0415 - likewise

    for name in [*logging.Logger.manager.loggerDict]:
        if name.partition(".")[0] in {"distributed", "tornado"}:  # what matters is told here
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    async def knock() -> None:
        arguments = distributed.Security().get_connection_args("client")
        calling = asyncio.ensure_future(call(scheduler, timeout=SECONDS, **arguments))
        while not calling.done():
            waits(f"the scheduler at {scheduler}")
            await asyncio.wait({calling}, timeout=TICK)
        calling.result().abort()

    try:
        asyncio.run(knock())  # a client that gets no answer would wait as long again for its end
        return distributed.Client(scheduler, timeout=SECONDS, set_as_default=False)
    except InterruptedRunError:
        raise
    except Exception as error:  # noqa: BLE001 - TimeoutError, OSError, and what TLS has to say
        said = str(error).partition("\n")[0] or type(error).__name__
        raise ClusterError(f"{scheduler}: the scheduler does not answer: {said}") from None


def await_workers(client: Any, scheduler: str, waits: Waits) -> None:  # noqa: ANN401 - as connect's
    """Wait until there is a worker.

    Raises: ClusterError.
    """
    end = time.monotonic() + SECONDS
    while True:
        waits(f"workers of the scheduler at {scheduler}")
        try:
            client.wait_for_workers(1, timeout=TICK)
        except TimeoutError:
            if time.monotonic() < end:
                continue
            raise ClusterError(f"{scheduler}: has no worker") from None
        except Exception:  # noqa: BLE001 - a connection's end, in dask's words
            raise ClusterError(f"{scheduler}: the connection is lost") from None
        return


def look_around(client: Any, runs: str | None, token: str) -> str:  # noqa: ANN401 - as connect's
    """Return what there is, in a line, once every worker has been found fit.

    Args:
        client: the way to the cluster.
        runs: the folder that all must see, with the sweep's token in it; None where none need.
        token: the sweep's.

    Raises: UsageError that names the first worker that is not fit.
    """
    have = client.run(find_spec, "nnexp", on_error="return")
    lacking = [f"{name} has no nnexp" for name, told in have.items() if _lacks(told)]
    if lacking:
        raise UsageError(f"{_few(lacking)}; install version {nnexp.__version__} there, too")
    problems, hosts = [], set()
    found = client.run(worker.look, runs, token, on_error="return")
    for name, told in sorted(found.items()):
        if _failed(told):
            problems.append(f"{name}: {told}")
            continue
        around = msgspec.convert(told, Surroundings)
        hosts.add(around.host)
        if around.version != nnexp.__version__:
            problems.append(f"{name} has nnexp {around.version}, not {nnexp.__version__}")
        elif around.problem is not None:
            problems.append(f"{name} on {around.host} {around.problem}")
    if problems:
        hint = "" if runs is None else "; --collect does without a common folder"
        raise UsageError(f"{_few(problems)}{hint}")
    what = f"{_some(len(found), 'worker')} on {_some(len(hosts), 'host')}"
    if runs is None:
        return f"{what}; finished runs are brought home"
    return f"{what}; all see {runs}, and its locks"


class Held:
    """A token in the folder of the runs, with a lock that every worker must see held.

    Raises: DiskError.
    """

    def __init__(self, runs: Path, token: str) -> None:
        self._folder = runs / LOGS
        directories.make_all(self._folder)
        for name in directories.names(self._folder):  # a sweep that was killed left its own
            if name.startswith(PREFIX) and not lock.is_held(self._folder / name):
                disk.remove(self._folder / name)
        self._lock = Lock(self._folder / token)
        self._lock.acquire()

    def release(self) -> None:
        """Remove the token, and what was made for it."""
        with contextlib.suppress(NnexpError):
            disk.remove(self._lock.path)
            self._lock.release()
            directories.remove(self._folder)


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _failed(told: object) -> bool:
    return isinstance(told, Exception)


def _lacks(told: object) -> bool:
    return told is None or _failed(told)


def _few(problems: Sequence[str]) -> str:
    """Return the first of several problems, and how many there are."""
    more = f" (and so for {len(problems) - 1:,} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"
