"""The link to a cluster: calls that cannot hold up the sweep, whoever does not answer them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias, TypeVar

from nnexp.errors import ClusterError, InterruptedRunError, NnexpError

SECONDS = 30.0
"""That the scheduler has to answer, and a first worker to be there."""

TICK = 0.1
"""Seconds from one call of what is told of a wait to the next."""

AGAIN = 2.0
"""Seconds from one look at how many workers there are to the next."""

SILENT = 10.0
"""Seconds without a worker's heartbeat, of which there is one every few, that make it silent."""

CLOSING = 5.0
"""Seconds that dask is given to take leave of a cluster."""

Waits: TypeAlias = Callable[[str], None]
"""Is called again and again with what is waited for; it may raise InterruptedRunError."""

T = TypeVar("T")


class Aside:
    """Makes calls in a thread, one at a time: a cluster that is silent shall hold up nobody."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the last call has not ended."""
        return self._thread is not None and self._thread.is_alive()

    def __call__(self, call: Callable[[], object]) -> None:
        """Begin a call unless one is under way; what it raises shows elsewhere."""
        if self.is_busy:
            return

        def make() -> None:
            with contextlib.suppress(Exception):
                call()

        self._thread = threading.Thread(target=make, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the last call's end, for so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)


def answer(call: Callable[[], T], waits: Waits, what: str, seconds: float = SECONDS) -> T:
    """Return what a call comes to that is made in a thread, so that it cannot hold up the sweep.

    Args:
        call: what to do; it goes on where its time is up.
        waits: is called meanwhile.
        what: is waited for.
        seconds: that it may take.

    Raises: TimeoutError, and what the call and waits raise.
    """
    made: Future[T] = Future()

    def make() -> None:
        try:
            made.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            made.set_exception(error)

    threading.Thread(target=make, daemon=True).start()
    end = time.monotonic() + seconds
    while not made.done() and time.monotonic() < end:
        waits(what)
        with contextlib.suppress(TimeoutError):
            made.exception(TICK)
    return made.result(0)


class Link:
    """A client of a cluster.

    Args:
        client: distributed's.
        scheduler: its address.
        waits: is told what is waited for.
    """

    def __init__(self, client: Any, scheduler: str, waits: Waits) -> None:  # noqa: ANN401 - distributed may not be installed
        self.client = client
        self.scheduler = scheduler
        self.waits = waits
        self._comm = client.scheduler_comm
        self._counting, self._calling = Aside(), Aside()
        self._looked = 0.0
        self._threads = 1

    @property
    def is_lost(self) -> bool:
        """Whether the connection was lost, and with it all tasks, be there a new one or not."""
        return self.client.status != "running" or self.client.scheduler_comm is not self._comm

    def lost(self) -> ClusterError:
        """Return the error of that."""
        return ClusterError(
            f"the connection to the scheduler at {self.scheduler} is lost; what is committed "
            "is safe; the same command goes on from there"
        )

    @property
    def threads(self) -> int:
        """How many threads the workers had when they were last counted."""
        if time.monotonic() - self._looked > AGAIN:
            self._looked = time.monotonic()
            self._counting(self.count)
        return self._threads

    def count(self) -> None:
        """Count the threads of all workers."""
        self._threads = max(1, sum(map(int, self.client.nthreads().values())))

    def ask(self, call: Callable[[], T], what: str | None = None) -> T:
        """Return what the cluster answers to a call.

        Args:
            call: what to do.
            what: is waited for; by default the workers.

        Raises: ClusterError that names who does not answer.
        """
        default = f"all workers of the scheduler at {self.scheduler} to answer"
        try:
            return answer(call, self.waits, what or default, SECONDS)
        except TimeoutError:
            raise ClusterError(f"{self._silent()} does not answer") from None
        except NnexpError:
            raise
        except Exception:  # noqa: BLE001 - a connection's end, in dask's words
            raise ClusterError(f"{self.scheduler}: the connection is lost") from None

    def tell(self, call: Callable[..., object], *arguments: object) -> None:
        """Have all workers call something, meanwhile, unless they still do the last such thing."""
        self._calling(partial(self.client.run, call, *arguments, on_error="ignore"))

    def close(self) -> None:
        """Take leave, which ends what still runs."""
        closing = Aside()
        closing(partial(self.client.close, timeout=CLOSING))
        closing.wait(2 * CLOSING)

    def _silent(self) -> str:
        """Return who does not answer."""
        what = f"the scheduler at {self.scheduler}"
        try:
            workers = answer(self.client.scheduler_info, self.waits, what, CLOSING)["workers"]
        except InterruptedRunError:
            raise
        except Exception:  # noqa: BLE001 - it does not answer, or the connection is gone
            return f"{self.scheduler}: the scheduler"
        heard = {name: float(each["last_seen"]) for name, each in workers.items()}
        last = max(heard.values(), default=0.0)
        silent = [f"{name}: the worker" for name in sorted(heard) if last - heard[name] > SILENT]
        return few(silent) if silent else f"{self.scheduler}: a worker"


def few(problems: Sequence[str]) -> str:
    """Return the first of several problems, and how many there are."""
    more = f" (and so for {len(problems) - 1:,} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"
