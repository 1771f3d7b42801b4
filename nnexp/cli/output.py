"""Write to stdout and stderr, so that training goes on if nobody reads them any more."""

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
    """Write a line to stdout; return False if its reader, such as ``head``, has gone.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError:  # write a path that is not text as its bytes
            click.echo(os.fsencode(text))
    except BrokenPipeError:
        return False
    except OSError as error:
        if error.errno == errno.EIO and _is_device(sys.stdout):
            return False  # a terminal that is no longer there
        raise DiskError(f"standard output: {(error.strerror or str(error)).lower()}") from error
    return True


def _is_device(stream: TextIO) -> bool:
    """Return whether a stream is a terminal, also if the terminal is gone."""
    return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)


class StandardError:
    """Standard error, whose methods raise nothing if the terminal has gone.

    A terminal can vanish between any two calls.
    """

    @property
    def encoding(self) -> str:
        """The encoding that the terminal reads."""
        return sys.stderr.encoding if sys.stderr else "ascii"

    def fileno(self) -> int:
        """Return the file descriptor, for the terminal's size."""
        return sys.stderr.fileno()

    def write(self, text: str) -> None:
        """Write text, if stderr is open."""
        with contextlib.suppress(OSError):
            if sys.stderr:  # it may have been closed before nnexp began
                sys.stderr.write(text)

    def flush(self) -> None:
        """Flush the buffer, if stderr is open."""
        with contextlib.suppress(OSError):
            if sys.stderr:
                sys.stderr.flush()

    def columns(self) -> int:
        """Return the terminal's width; 0 if there is no terminal, or its width is unknown."""
        try:
            return os.get_terminal_size(self.fileno()).columns
        except (AttributeError, OSError):  # closed, redirected, or gone a moment ago
            return 0


def say(line: str) -> None:
    """Write lines to stderr, with control characters made visible."""
    stream = StandardError()
    stream.write("".join(f"{one_line(part)}\n" for part in line.split("\n")))
    stream.flush()


def tell(text: str) -> None:
    """Write sentences to stderr, wrapped at the width of the terminal."""
    escaped = "\n".join(map(one_line, text.split("\n")))
    say(wrapped(escaped, StandardError().columns()))
