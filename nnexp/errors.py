"""Errors meant for people: one tree, each class with the exit code of its kind.

The command line turns any of them into one line on stderr. Whatever is not an
``NnexpError`` is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class NnexpError(Exception):
    """Something failed that a user can understand and act on.

    Its text is one line that steers no terminal, whatever names and values it quotes.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(NnexpError):
    """The command line asks for something impossible; nothing was created."""

    exit_code = 2


class ConfigError(UsageError):
    """A config has one or more problems, all of them listed, a line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("; ".join(self.problems))

    def __str__(self) -> str:
        """Return the problems, a line each."""
        return "\n".join(self.problems)


class DataError(UsageError):
    """A data file is missing, malformed, or does not fit the config."""


class DivergedError(NnexpError):
    """Training met a cost or a parameter that is not finite."""

    exit_code = 3


class LockedError(NnexpError):
    """Another process is writing to the run."""

    exit_code = 4


class NameTakenError(NnexpError):
    """The run's name belongs to a run of another config."""

    exit_code = 4


class CorruptError(NnexpError):
    """A run or checkpoint is damaged, or was written by a newer nnexp."""

    exit_code = 5


class NewerError(CorruptError):
    """A run or checkpoint was written by a newer nnexp, which can go on with it."""


class MismatchError(NnexpError):
    """The data or the machine's numerics differ from what the run recorded."""

    exit_code = 6


class CheckFailedError(NnexpError):
    """Something that was asked to hold did not."""

    exit_code = 7


class DiskError(NnexpError):
    """Reading or writing failed: disk full, no permission, and so on."""

    exit_code = 74


class ClusterError(NnexpError):
    """The cluster that was to train does not answer, or does so no more."""

    exit_code = 74


class InterruptedRunError(NnexpError):
    """A signal stopped the training; what was committed is safe."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


LONGEST = 1000
"""Characters of a line: enough for any message about any path that is not made to annoy."""


def one_line(text: str) -> str:
    """Return text as a line that is harmless and not endless: the middle of a long one goes."""
    line = printable(text)
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def printable(text: str) -> str:
    """Return text as one line, all escaped that could steer a terminal or reorder a line.

    What Python calls printable is neither control character, nor bidi override, nor line
    or paragraph separator, nor half a surrogate pair.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
