"""Record signals that ask training to stop; training checks for them between batches."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Noted:
    """The first signal that was received, if any."""

    number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Record a signal; a second one of any kind ends the process at once."""
        del frame
        self.number = number
        for stopping in STOPPING:
            if signal.getsignal(stopping) == self.note:
                signal.signal(stopping, signal.SIG_DFL)


@contextmanager
def noted() -> Iterator[Noted]:
    """Context manager that records stopping signals; ignored ones stay ignored."""
    received = Noted()
    before = {number: signal.getsignal(number) for number in STOPPING}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, received.note)
    try:
        yield received
    finally:
        for number in taken:
            signal.signal(number, before[number])
