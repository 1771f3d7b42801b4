"""Options that several commands share, and option types whose errors are one line.

Every type rejects a value with a UsageError that names the option, what it allows, and the value.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from nnexp.cli import candidates
from nnexp.cli.candidates import Candidates
from nnexp.config.messages import closest, shown
from nnexp.datasets.data_root import VARIABLE as DATA_ROOT_VARIABLE
from nnexp.errors import SettingError, UsageError
from nnexp.native.availability import CHOICES
from nnexp.native.availability import VARIABLE as BACKEND_VARIABLE


def rejection(option: str, allowed: str, value: object, known: Collection[str] = ()) -> UsageError:
    """Return the error for a value that an option does not allow.

    Args:
        option: its name, as on the command line.
        allowed: describes the values that it allows.
        value: the value given.
        known: names among which a suggestion is looked for.
    """
    near = closest(str(value), known)
    hint = f"; did you mean '{near}'?" if near else ""
    return UsageError(f"{option} must be {allowed}, got {shown(value)}{hint}")


def option_name(param: click.Parameter | None) -> str:
    """Return an option's name as it is written on the command line, or an argument's as in help."""
    if param is None:
        return "the value"
    return param.opts[0] if isinstance(param, click.Option) else param.human_readable_name


def either(names: Iterable[str]) -> str:
    """Return names as alternatives: ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


SECTIONS = {
    "Config and runs": ("--set", "--runs", "--backend", "--data-root"),
    "Processes": (
        *("--jobs", "--engine", "--scheduler", "--collect", "--timeout", "--max-memory"),
        "--keep-going",
    ),
    "Output": ("--curves", "--plot", "--json", "--quiet"),
}
"""Options that many commands share, by the section of the help that they are listed in."""


class TrainingCommand(click.Command):
    """A command that trains; its help lists the options that such commands share in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the sections."""
        names = ("Options", *SECTIONS)
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                shared = (name for name, own in SECTIONS.items() if {*own} & {*param.opts})
                sections[next(shared, "Options")].append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


class WholeNumber(click.ParamType[int]):
    """A whole number within limits.

    Args:
        low: the smallest number allowed.
        high: the largest; None for no limit.
        option: the option to name in errors; None for the one that has this type.
    """

    name = "number"

    def __init__(self, low: int, high: int | None = None, option: str | None = None) -> None:
        self._low, self._high = low, high
        self._option = option

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number. Raises: UsageError."""
        del ctx
        try:
            number = int(value)
        except ValueError:
            number = self._low - 1
        option = self._option or option_name(param)
        if self._high is not None and number > self._high:
            raise rejection(option, f"a whole number from {self._low} to {self._high}", value)
        if number < self._low:
            raise rejection(option, f"a whole number ≥ {self._low}", value)
        return number


class OneOf(click.Choice[str]):
    """One of several names."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name. Raises: UsageError."""
        del ctx
        if value not in self.choices:
            raise rejection(option_name(param), either(self.choices), value, self.choices)
        return value

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """Return the choices in one line, without the tabs of click's own message."""
        del param, ctx
        return f"Choose {either(self.choices)}."


class SeedList(click.ParamType[list[int]]):
    """``5`` is seeds 0 to 4; ``0-4,7`` is a list with ranges."""

    name = "seeds"

    def convert(
        self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the seeds in the order given. Raises: UsageError."""
        from nnexp import names

        del ctx
        if isinstance(value, list):
            return value
        try:
            return names.seeds(value)
        except ValueError as error:
            raise UsageError(f"{option_name(param)}: {error}") from None


class AnyPath(click.Path):
    """A path that is not checked; commands report disk errors that click would ignore.

    Args:
        complete: returns its candidates for shell completion; None for all files.
    """

    def __init__(self, complete: Candidates | None = None) -> None:
        super().__init__()
        self._complete = complete

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path."""
        del param, ctx
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the candidates that continue an incomplete path."""
        if self._complete is None:
            return super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(value) for value in self._complete(ctx, param, incomplete)]


CONFIG = AnyPath(candidates.configs)
RUN = AnyPath(candidates.runs)


class File(click.Path):
    """A file that exists or can be created."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path. Raises: UsageError if it is a directory; DiskError."""
        del ctx
        return _path(value, param, is_directory=False)


class NewFile(File):
    """A file to write, which replaces a regular one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path. Raises: UsageError if it is not a regular file; DiskError."""
        from nnexp.store import disk

        path = super().convert(value, param, ctx)
        if (mode := disk.mode(path, follow=False)) and not stat.S_ISREG(mode):
            allowed = "a file, not a link, a pipe or a device, since an existing file is replaced"
            raise rejection(option_name(param), allowed, value)
        return path


class Folder(click.Path):
    """A directory that exists or can be created."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path. Raises: UsageError if it is a file; DiskError."""
        del ctx
        return _path(value, param, is_directory=True)


def _path(value: Any, param: click.Parameter | None, *, is_directory: bool) -> Path:  # noqa: ANN401 - click's own
    """Return a path, which may not exist, but not as the other kind.

    Raises:
        UsageError: it is a file instead of a directory, or the other way round.
        DiskError: this cannot be determined.
    """
    from nnexp.store import disk

    path = Path(value)
    mode = disk.mode(path)
    if mode and stat.S_ISDIR(mode) is not is_directory:
        expected = "a directory, not a file" if is_directory else "a file, not a directory"
        raise rejection(option_name(param), expected, value)
    return path


def sets(settings: Iterable[str], key: str) -> bool:
    """Return whether ``--set`` sets a key."""
    return any(setting.partition("=")[0].strip() == key for setting in settings)


def settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--set`` to a command; errors about a setting say where its value was given."""

    @functools.wraps(command)
    def locating(**given: Any) -> None:  # noqa: ANN401 - the command's arguments
        try:
            command(**given)
        except SettingError as error:
            if "config" not in given:
                raise
            from nnexp.config import load

            raise load.located(error, given["config"], given["settings"]) from None

    return _set(locating)


_set = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=candidates.settings,
    help="Override a key of the config, such as learning_rate=0.1 or data.train=1000; repeatable.",
)
runs = click.option(
    "--runs",
    type=Folder(),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="The folder that contains the run directories.",
)


def _set_variable(
    variable: str,
) -> Callable[[click.Context, click.Parameter, str | Path | None], None]:
    """Return a callback that sets an environment variable until the command ends.

    Processes that the command starts inherit it.
    """

    def choose(ctx: click.Context, param: click.Parameter, value: str | Path | None) -> None:
        del param
        if value is None:
            return
        before = os.environ.get(variable)
        os.environ[variable] = str(value)

        def restore() -> None:
            del os.environ[variable]
            if before is not None:
                os.environ[variable] = before

        ctx.call_on_close(restore)

    return choose


backend = click.option(
    "--backend",
    type=OneOf(list(CHOICES)),
    expose_value=False,
    callback=_set_variable(BACKEND_VARIABLE),
    help="Train with the native kernels or with NumPy (default: NNEXP_BACKEND, or auto: native if "
    "possible, and a run is resumed by its own backend).",
)
data_root = click.option(
    "--data-root",
    type=Folder(),
    metavar="DIR",
    expose_value=False,
    callback=_set_variable(DATA_ROOT_VARIABLE),
    help="The folder that relative paths of data start from (default: NNEXP_DATA_ROOT, or the "
    "working directory).",
)


def confirm(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option ``--confirm`` with a default."""
    return click.option(
        "--confirm",
        type=WholeNumber(0, 1000),
        default=default,
        show_default=True,
        metavar="N",
        help="Train the best and CONFIG as given with N more seeds, which had no part in the "
        "choice, and report test accuracies and a verdict of these runs only; 0: confirm nothing.",
    )


metric = click.option(
    "--metric",
    metavar="KEY",
    shell_complete=candidates.metrics,
    help="Metric of the verdict (default: test_accuracy).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
quiet = click.option(
    "-q", "--quiet", is_flag=True, help="Print results, warnings and errors only; no progress."
)
