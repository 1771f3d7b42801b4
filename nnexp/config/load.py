"""Load a config: parse YAML, apply ``--set``, convert and validate, with all problems at once."""

from __future__ import annotations

import copy
import functools
import os
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec import structs

from nnexp import paths
from nnexp.config import argument, overrides, problem, reader
from nnexp.config.document import YamlDocument
from nnexp.config.problem import Place, Problem
from nnexp.errors import ConfigError, NnexpError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nnexp.config.model import CheckedConfig, Config

T = TypeVar("T")


def read(path: str | os.PathLike[str], settings: Sequence[str] = ()) -> CheckedConfig:
    """Read a config from a YAML file and apply settings (``KEY=VALUE``) to it.

    The path can also be a run, ``-`` for standard input, or the name of a packaged example.

    Raises: ConfigError with every problem of the file and the settings;
    DiskError if the file exists but cannot be read.
    """
    located = argument.locate(path)
    return parse(argument.read(located), located, settings)


def document(path: str | os.PathLike[str]) -> YamlDocument:
    """Parse a YAML file without checking its keys and values.

    Raises: ConfigError if it is not a YAML mapping; DiskError if it cannot be read.
    """
    located = argument.locate(path)
    return reader.parse(argument.read(located), located)


def located(
    error: SettingError, path: str | os.PathLike[str], settings: Sequence[str]
) -> NnexpError:
    """Return an error about a setting with the place that gives its value, if it can be found.

    Args:
        error: about a key of the config that the path and settings gave.
        path: as for ``read``; a pipe cannot be read again.
        settings: as for ``read``.
    """
    located = argument.locate(path)
    if not paths.is_file(FilePath(located)):
        return error
    base = document(located)
    keys = tuple(error.key.split("."))
    overrides.apply(base, [overrides.parse(text) for text in settings], {})
    return problem.refusal(base.place(keys), error.message, keys)


def with_overrides(base: YamlDocument, given: Sequence[overrides.Override]) -> CheckedConfig:
    """Return the config of a document with overrides applied; the document is not changed.

    Raises: ConfigError with every problem.
    """
    if base.problems:  # a deep copy would lose the identity of INVALID
        raise problem.error(base.problems)
    return _config(copy.deepcopy(base), copy.deepcopy(given))


def parse(content: bytes | str, name: str, settings: Sequence[str] = ()) -> CheckedConfig:
    """Parse a config from YAML text and apply settings; name is the text's in messages.

    Raises: ConfigError with every problem of the text and the settings.
    """
    problems: list[str] = []
    base = _collect(problems, lambda: reader.parse(content, name))
    parsed = [_collect(problems, functools.partial(overrides.parse, text)) for text in settings]
    valid = [override for override in parsed if override is not None]
    problems += map(str, overrides.without_effect(valid))
    config = base and _collect(problems, lambda: _config(base, valid), first=True)
    if config is None or problems:
        raise ConfigError(problems)
    return config


def check(config: Config, source: str = "config") -> CheckedConfig:
    """Validate a config made in Python as if it had been read from a file.

    Raises: ConfigError with every problem.
    """
    from nnexp.config import canonical  # noqa: PLC0415 - NumPy, only for valid syntax

    try:
        tree = canonical.to_builtins(config)
    except TypeError as error:  # a value that msgspec cannot serialize
        raise ConfigError([f"{source}: {error}"]) from None
    return from_builtins(tree, source)


def changed(config: CheckedConfig, source: str = "config", **keys: Any) -> CheckedConfig:  # noqa: ANN401 - a config's values
    """Return a copy of a config with other values for some keys, validated.

    A smaller seed is not validated, since every rule about seeds sets an upper limit. For many
    seeds, change to the largest one first.

    Args:
        config: the config, which is not changed.
        source: the name of the result in messages.
        keys: the values, by field name of ``Config``.

    Raises: ConfigError with every problem.
    """
    copied = structs.replace(config, **keys)
    if keys.keys() == {"seed"} and type(copied.seed) is int and 0 <= copied.seed <= config.seed:
        return copied
    return check(copied, source)


def from_builtins(tree: dict[str, Any], source: str) -> CheckedConfig:
    """Convert and validate the plain values of a config, such as those in run.json.

    Raises: ConfigError with every problem.
    """
    return _config(YamlDocument(tree, {}, {}, [], Place(source)), [])


def _collect(problems: list[str], step: Callable[[], T], *, first: bool = False) -> T | None:
    """Call step; append the problems of its ConfigError, or put them first, and return None."""
    try:
        return step()
    except ConfigError as error:
        problems[:] = [*error.problems, *problems] if first else [*problems, *error.problems]
        return None


def check_is_config(base: YamlDocument) -> None:
    """Check that a document is not a sweep file. Raises: ConfigError."""
    if "config" in base.root:
        message = f"this is a sweep file: nnexp sweep {base.place(()).source}"
        place = base.keys.get(("config",), base.place(()))
        raise problem.refusal(place, message, ("config",))


def _config(base: YamlDocument, given: Sequence[overrides.Override]) -> CheckedConfig:
    from nnexp.config import canonical, convert, rules  # noqa: PLC0415 - NumPy, see check
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise

    check_is_config(base)
    overrides.apply(base, given, canonical.to_builtins(Config()))
    config, problems = convert.convert(base, Config)
    problems = [*base.problems, *problems]
    faulty = {fault.path[0] for fault in problems if fault.path}
    if config is None:  # report clashes of the valid keys, too: use defaults for the others
        valid = {key: value for key, value in base.root.items() if key not in faulty}
        config, _ = convert.convert(base._replace(root=valid), Config)
    config = config and rules.with_dependent_defaults(config, base.root)
    for clash in rules.problems(config) if config is not None else ():
        if not faulty & {path[0] for path in clash.paths}:
            path = next((path for path in clash.paths if path in base.values), clash.paths[0])
            problems.append(Problem(base.place(path), path, clash.message))
    if config is None or problems:
        raise problem.error(problems)
    return cast("CheckedConfig", config)
