"""From a file and the command line's settings to a config: all steps, all problems at once."""

from __future__ import annotations

import copy
import functools
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec import structs

from nnexp.config import overrides, problem, reader
from nnexp.config.document import YamlDocument
from nnexp.config.problem import Place, Problem
from nnexp.errors import ConfigError, DiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nnexp.config.model import CheckedConfig, Config

T = TypeVar("T")


def read(path: str | os.PathLike[str], settings: Sequence[str] = ()) -> CheckedConfig:
    """Return the config of a YAML file, with settings (``KEY=VALUE``) put over it.

    Raises: ConfigError with every problem of the file and the settings;
    DiskError when the file is there and cannot be read.
    """
    return parse(_content(Path(path), os.fspath(path)), os.fspath(path), settings)


def document(path: str | os.PathLike[str]) -> YamlDocument:
    """Return what a YAML file says, its keys and values not looked at yet.

    Raises: ConfigError where it is no YAML mapping; DiskError when it cannot be read.
    """
    return reader.parse(_content(Path(path), os.fspath(path)), os.fspath(path))


def overridden(base: YamlDocument, given: Sequence[overrides.Override]) -> CheckedConfig:
    """Return the config of a document with overrides put over it; the document stays as it is.

    Raises: ConfigError with every problem.
    """
    if base.problems:  # what could not be read is marked by its identity, which no copy keeps
        raise problem.error(base.problems)
    return _config(copy.deepcopy(base), copy.deepcopy(given))


def parse(content: bytes | str, source: str, settings: Sequence[str] = ()) -> CheckedConfig:
    """Return the config of a YAML text; messages call the text source.

    Raises: ConfigError with every problem of the text and the settings.
    """
    problems: list[str] = []
    base = _kept(problems, lambda: reader.parse(content, source))
    given = [_kept(problems, functools.partial(overrides.parse, each)) for each in settings]
    wanted = [override for override in given if override is not None]
    config = base and _kept(problems, lambda: _config(base, wanted), first=True)
    if config is None or problems:
        raise ConfigError(problems)
    return config


def check(config: Config, source: str = "config") -> CheckedConfig:
    """Return a config made in Python, converted and checked as a file's would be.

    Raises: ConfigError with every problem.
    """
    from nnexp.config import canonical  # noqa: PLC0415 - NumPy, only after the syntax is fine

    try:
        tree = canonical.to_builtins(config)
    except TypeError as error:  # a value of a type that no config holds
        raise ConfigError([f"{source}: {error}"]) from None
    return recorded(tree, source)


def changed(config: CheckedConfig, source: str = "config", **keys: Any) -> CheckedConfig:  # noqa: ANN401 - a config's values
    """Return a config with other values for some of its keys, checked again.

    A smaller seed needs no check, since every rule about seeds sets an upper limit. For many
    seeds, change to the largest one first.

    Args:
        config: the config, which stays as it is.
        source: what messages call the result.
        keys: the values, by the names that ``Config`` gives the keys.

    Raises: ConfigError with every problem.
    """
    made = structs.replace(config, **keys)
    if keys.keys() == {"seed"} and type(made.seed) is int and 0 <= made.seed <= config.seed:
        return made
    return check(made, source)


def recorded(tree: dict[str, Any], source: str) -> CheckedConfig:
    """Return the config that plain values describe, as they stand in a run's record.

    Raises: ConfigError with every problem.
    """
    return _config(YamlDocument(tree, {}, {}, [], Place(source)), [])


def _kept(problems: list[str], step: Callable[[], T], *, first: bool = False) -> T | None:
    """Return what a step returns; note the problems it raises, at the end or first of all."""
    try:
        return step()
    except ConfigError as error:
        problems[:] = [*error.problems, *problems] if first else [*problems, *error.problems]
        return None


def _config(base: YamlDocument, given: Sequence[overrides.Override]) -> CheckedConfig:
    from nnexp.config import canonical, convert, rules  # noqa: PLC0415 - NumPy, see check
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise

    overrides.apply(base, given, canonical.to_builtins(Config()))
    config, found = convert.convert(base, Config)
    found = [*base.problems, *found]
    faulty = {fault.path[0] for fault in found if fault.path}
    if config is None:  # what is right can still clash: the rest stands at its defaults
        right = {key: value for key, value in base.root.items() if key not in faulty}
        config, _ = convert.convert(base._replace(root=right), Config)
    config = config and rules.settled(config, base.root)
    for clash in rules.problems(config) if config is not None else ():
        if not faulty & {path[0] for path in clash.paths}:
            path = next((path for path in clash.paths if path in base.values), clash.paths[0])
            found.append(Problem(base.place(path), path, clash.message))
    if config is None or found:
        raise problem.error(found)
    return cast("CheckedConfig", config)


def _content(path: Path, source: str) -> bytes:
    """Return a regular file's bytes, one more than allowed at most, without ever waiting."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"{source}: is not a regular file; a config is one"])
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(reader.MAX_BYTES + 1) or b""  # None where waiting would begin
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise ConfigError([f"{source}: there is no such file"]) from None
    except OSError as error:
        raise DiskError(
            f"{source}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
