"""Write to stdout and stderr: what nobody reads any more stops no training."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TextIO

import click

from nnexp.errors import DiskError, one_line
from nnexp.report.text import wrapped


def put(text: str) -> bool:
    """Write a line to stdout and return whether it is still read.

    That its reader has gone, as ``head`` or a terminal, is no error.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError:  # a path that is no text goes out as the bytes that it is
            click.echo(os.fsencode(text))
    except BrokenPipeError:
        return False
    except OSError as error:
        if error.errno == errno.EIO and _is_device(sys.stdout):
            return False  # a terminal that is no longer there
        raise DiskError(f"standard output: {(error.strerror or str(error)).lower()}") from error
    return True


def _is_device(stream: TextIO) -> bool:
    """Return whether a stream leads to a terminal; one that is gone no longer says so itself."""
    return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)


class Told:
    """Standard error for what stops no training when nobody reads it any more.

    A terminal can vanish between any two calls; so each of them may fail, and none raises.
    """

    @property
    def encoding(self) -> str:
        """The encoding that the terminal reads."""
        return sys.stderr.encoding if sys.stderr else "ascii"

    def fileno(self) -> int:
        """Return the descriptor, for questions about the terminal's size."""
        return sys.stderr.fileno()

    def write(self, text: str) -> None:
        """Write text, if somebody is there."""
        with contextlib.suppress(OSError):
            if sys.stderr:  # it may have been closed before nnexp began
                sys.stderr.write(text)

    def flush(self) -> None:
        """Send what was written, if somebody is there."""
        with contextlib.suppress(OSError):
            if sys.stderr:
                sys.stderr.flush()

    def columns(self) -> int:
        """Return the terminal's width; 0 where there is no terminal, or one without columns."""
        try:
            return os.get_terminal_size(self.fileno()).columns
        except (AttributeError, OSError):  # closed, redirected, or gone a moment ago
            return 0


def say(line: str) -> None:
    """Write lines to stderr, harmless ones; that nobody reads it stops no training."""
    told = Told()
    told.write("".join(f"{one_line(each)}\n" for each in line.split("\n")))
    told.flush()


def tell(text: str) -> None:
    """Write sentences to stderr, broken between words where a terminal ends."""
    harmless = "\n".join(map(one_line, text.split("\n")))
    say(wrapped(harmless, Told().columns()))
