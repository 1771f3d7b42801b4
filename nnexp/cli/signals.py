"""Signals that ask a training to stop: they are noted, and acted on between two batches."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Noted:
    """The first signal that came, if any."""

    number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; a second one of any kind ends the process at once."""
        del frame
        self.number = number
        for stopping in STOPPING:
            if signal.getsignal(stopping) == self.note:
                signal.signal(stopping, signal.SIG_DFL)


@contextmanager
def noted() -> Iterator[Noted]:
    """Note stopping signals while the context lasts; one that was ignored stays ignored."""
    found = Noted()
    before = {number: signal.getsignal(number) for number in STOPPING}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, found.note)
    try:
        yield found
    finally:
        for number in taken:
            signal.signal(number, before[number])
