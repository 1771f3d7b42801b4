"""Errors meant for users: one class tree, in which each class has an exit code.

The command line prints any of them as one line on stderr. Other exceptions are bugs and keep
their traceback. The classes of this module are public: ``except nnexp.errors.DataError``.
"""

from __future__ import annotations

from typing import ClassVar


class NnexpError(Exception):
    """An error that a user can understand and act on.

    Its text is one line without control characters, whatever names and values it quotes.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(NnexpError):
    """The command line asks for something impossible; nothing was created."""

    exit_code = 2


class ConfigError(UsageError):
    """A config has problems; the text lists all of them, one per line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("; ".join(self.problems))

    def __str__(self) -> str:
        """Return the problems, one per line."""
        return "\n".join(self.problems)


class SettingError(UsageError):
    """A setting of the config does not suit the data, or another run that it names."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key, self.message = key, message


class DataError(UsageError):
    """A data file is missing, malformed, or does not match the config."""


class DivergedError(NnexpError):
    """A cost or a parameter became infinite or NaN during training."""

    exit_code = 3


class LockedError(NnexpError):
    """Another process is writing to the run."""

    exit_code = 4


class NameTakenError(NnexpError):
    """The run's name belongs to a run of another config."""

    exit_code = 4


class RemovedError(NnexpError):
    """A run was removed, moved or replaced while it was trained."""

    exit_code = 4


class CorruptError(NnexpError):
    """A run or checkpoint is damaged, or was written by a newer nnexp."""

    exit_code = 5


class NewerError(CorruptError):
    """A run or checkpoint was written by a newer nnexp, which can continue it."""


class MismatchError(NnexpError):
    """The data or the machine's numerics differ from what the run recorded."""

    exit_code = 6


class CheckFailedError(NnexpError):
    """A check that the user requested failed, or a race is undecided."""

    exit_code = 7


class DiskError(NnexpError):
    """Reading or writing failed: disk full, no permission, and so on."""

    exit_code = 74


class DrawingError(NnexpError):
    """A picture could not be drawn; the result that it shows has been printed."""


class ClusterError(NnexpError):
    """The cluster does not respond."""

    exit_code = 74


class JobError(NnexpError):
    """A run failed whose result is needed; the exit code is that of its failure."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # set on the instance, not the class


class InterruptedRunError(NnexpError):
    """A signal stopped the training; committed epochs are kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


MAX_LINE = 1000
"""Maximum characters of a message; enough for any reasonable path."""


def one_line(text: str) -> str:
    """Return text as one printable line; the middle of a long one is left out."""
    line = printable(text)
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"


def printable(text: str) -> str:
    """Return text as one line, with escapes for characters that could control a terminal.

    Characters that Python calls printable include no control characters, bidi overrides, line or
    paragraph separators, and surrogates.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
