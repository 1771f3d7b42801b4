"""Record signals that stop training; training checks for them between batches."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP, and --help works there


class ReceivedSignal:
    """The first signal that was received, if any."""

    number: int | None = None

    def record(self, number: int, frame: FrameType | None) -> None:
        """Record a signal; a second one of any kind ends the process at once."""
        del frame
        self.number = number
        for stopping in STOPPING:
            if signal.getsignal(stopping) == self.record:
                signal.signal(stopping, signal.SIG_DFL)


@contextmanager
def recorded() -> Iterator[ReceivedSignal]:
    """Context manager that records stopping signals; ignored ones stay ignored."""
    received = ReceivedSignal()
    before = {number: signal.getsignal(number) for number in STOPPING}
    handled = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in handled:
        signal.signal(number, received.record)
    try:
        yield received
    finally:
        for number in handled:
            signal.signal(number, before[number])
