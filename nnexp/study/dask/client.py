"""The way to a cluster: a client, and whether its workers are fit for a sweep."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import msgspec

import nnexp
from nnexp.errors import ClusterError, InterruptedRunError, NnexpError, UsageError
from nnexp.store import directories, disk, lock
from nnexp.store.lock import Lock
from nnexp.study.dask import worker
from nnexp.study.dask.link import SECONDS, TICK, Link, Waits, answer, few
from nnexp.study.dask.messages import Surroundings
from nnexp.study.local.process import LOGS

INSTALL = "pip install 'nnexp[dask]'"
EXAMPLE = ", such as tcp://127.0.0.1:8786"
CERTIFICATE = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its like say which (docs/sweeps.md)"
ENCRYPTED = {"tls", "wss"}
PORTS = 1 << 16
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


def connect(scheduler: str, waits: Waits) -> Link:
    """Return a link to the scheduler.

    Raises: UsageError, ClusterError.
    """
    check(scheduler)
    import distributed  # noqa: PLC0415 - an extra, and half a second
    from distributed.comm import connect as call  # noqa: PLC0415 - likewise

    for name in [*logging.Logger.manager.loggerDict]:
        if name.partition(".")[0] in {"distributed", "tornado"}:  # what matters is told here
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    options = {"timeout": SECONDS, "set_as_default": False}

    async def knock() -> None:
        arguments = distributed.Security().get_connection_args("client")
        calling = asyncio.ensure_future(call(scheduler, timeout=SECONDS, **arguments))
        end = time.monotonic() + SECONDS + 1  # dask keeps no limit once the call is taken
        while not calling.done():
            waits(f"the scheduler at {scheduler}")
            await asyncio.wait({calling}, timeout=TICK)
            if time.monotonic() > end:
                raise TimeoutError(f"it says nothing in {SECONDS:g} s")
        calling.result().abort()

    try:
        asyncio.run(knock())  # a client that gets no answer would wait as long again for its end
        what = f"the scheduler at {scheduler}"
        client = answer(partial(distributed.Client, scheduler, **options), waits, what)
    except InterruptedRunError:
        raise
    except Exception as error:  # noqa: BLE001 - TimeoutError, OSError, and what TLS has to say
        said = str(error).partition("\n")[0] or type(error).__name__
        raise ClusterError(f"{scheduler}: the scheduler does not answer: {said}") from None
    return Link(client, scheduler, waits)


def await_workers(link: Link) -> None:
    """Wait until there is a worker.

    Raises: ClusterError.
    """
    end, what = time.monotonic() + SECONDS, f"workers of the scheduler at {link.scheduler}"
    while not link.ask(link.client.nthreads, what):
        if time.monotonic() > end:
            raise ClusterError(
                f"{link.scheduler}: has no worker; dask worker {link.scheduler} starts one"
            )
        link.waits(what)
        time.sleep(TICK)


def look_around(link: Link, runs: str | None, token: str) -> str:
    """Return what there is, in a line, once every worker has been found fit.

    Args:
        link: to the cluster.
        runs: the folder that all must see, with the sweep's token in it; None where none need.
        token: the sweep's.

    Raises:
        UsageError: a worker is not fit; the first one is named.
        ClusterError: one does not answer.
    """
    everywhere = partial(link.client.run, on_error="return")
    have = link.ask(partial(everywhere, find_spec, "nnexp"))
    lacking = [f"{name} has no nnexp" for name, told in have.items() if _lacks(told)]
    if lacking:
        raise UsageError(f"{few(lacking)}; install version {nnexp.__version__} there, too")
    problems, hosts = [], set()
    found = link.ask(partial(everywhere, worker.look, runs, token))
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
        raise UsageError(f"{few(problems)}{hint}")
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
