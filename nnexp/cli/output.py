"""Write to stdout and stderr; training continues even if nobody reads them any more."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from typing import TextIO

import click

from nnexp.errors import DiskError, one_line
from nnexp.report.text import wrapped


def put(text: str) -> bool:
    """Write a line to stdout; return False if its reader, such as ``head``, has exited.

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
            return False  # the terminal was closed
        raise DiskError(f"standard output: {(error.strerror or str(error)).lower()}") from error
    return True


class ClosedOutput(io.TextIOBase):
    """A standard output that was closed before nnexp started."""

    encoding = "utf-8"

    def fileno(self) -> int:
        """Return the descriptor of standard output."""
        return 1

    def write(self, text: str) -> int:
        """Raise the OSError of a closed descriptor."""
        del text
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def reserve_standard_streams() -> None:
    """Open what was closed before nnexp started, so that no other file gets its descriptor.

    Writing to a closed standard output then fails, as it does for other programs; a closed
    standard error stays silent.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = ClosedOutput()


def flush() -> bool:
    """Write what both streams still hold; return False if standard output fails, as on a full disk.

    What cannot be written is discarded. Otherwise Python would try again as it exits, and replace
    the exit code by 120. A closed terminal, or a reader such as ``head`` that has exited, is no
    failure.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream]  # None: was closed before
    failures = {stream for stream in streams if not _flushed(stream)}
    return sys.stdout not in failures


def _flushed(stream: TextIO) -> bool:
    """Flush a stream, or discard what it holds; return whether nothing is lost to a reader."""
    try:
        stream.flush()
    except OSError as error:
        gone = isinstance(error, BrokenPipeError) or (
            error.errno == errno.EIO and _is_device(stream)
        )
        with contextlib.suppress(OSError):  # such as that of no file descriptor being free
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)
        return gone
    return True


def _is_device(stream: TextIO) -> bool:
    """Return whether a stream is a terminal, even a closed one."""
    return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)


class StandardError:
    """Standard error, whose methods do not raise if the terminal is closed, at any time."""

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
            if sys.stderr:  # closed before nnexp started
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
        except (AttributeError, OSError):  # closed or redirected
            return 0


def log(line: str) -> None:
    """Write lines to stderr, with control characters made visible."""
    stream = StandardError()
    stream.write("".join(f"{one_line(part)}\n" for part in line.split("\n")))
    stream.flush()


def log_sentences(text: str) -> None:
    """Write sentences to stderr, wrapped at the width of the terminal."""
    escaped = "\n".join(map(one_line, text.split("\n")))
    log(wrapped(escaped, StandardError().columns()))
