"""Find what a CONFIG argument names: a file, a run, standard input, or an example of the package.

A run stands for its resolved config, in ``config.yaml``. An existing path wins over an example.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import zlib
from pathlib import Path

from nnexp import paths
from nnexp.config import reader
from nnexp.config.examples import examples
from nnexp.config.messages import closest, hint
from nnexp.errors import ConfigError, DiskError, UsageError
from nnexp.names import is_derived, without_seed

STANDARD_INPUT = "-"
RUN, CONFIG = "run.json", "config.yaml"
ADVICE = "nnexp examples lists the examples, nnexp runs the runs, and nnexp init writes a config"
"""The next step if a config is not found."""
ENDINGS = (".yaml", ".yml")
"""Usual suffixes of config files."""
TABLES = (".csv", ".tsv", ".tab")
DATA = {
    b"PK\x03\x04": ("an archive", "npz", "file"),
    b"\x89PNG": ("a picture", "images", "directory"),
    b"\xff\xd8\xff": ("a picture", "images", "directory"),
    b"\0\0\x08": ("an IDX file", "idx", "directory"),
}
"""By a data file's first bytes: its format, the source that reads it, and the source's key."""
GZIP = b"\x1f\x8b"
WAIT = 10.0
"""Seconds to wait for the first bytes of a pipe."""


def locate(argument: str | os.PathLike[str]) -> str:
    """Return the file that an argument names, or the argument itself if there is none.

    Raises:
        DiskError: this cannot be determined.
    """
    name = os.fspath(argument)
    if paths.is_file(Path(name, RUN)):
        return str(Path(name, CONFIG))
    if name == STANDARD_INPUT or paths.mode(Path(name)):
        return name
    example = examples().get(name)
    return name if example is None else str(example)


def stem(argument: str | os.PathLike[str]) -> str | None:
    """Return the beginning of the names of runs made from an argument; None if it has no name.

    A run keeps its own stem: runs made from ``quickstart-b76005d11616-s0`` begin with quickstart.

    Raises:
        DiskError: it cannot be determined what the argument names.
    """
    path = Path(argument)
    mode = paths.mode(path)
    if os.fspath(argument) == STANDARD_INPUT or stat.S_ISFIFO(mode):
        return None
    folder = path.parent if path.name == CONFIG else path
    if paths.is_file(folder / RUN):
        with paths.errors(folder):
            return _stem_of_run(folder.resolve(strict=True).name)
    return path.stem if mode or os.fspath(argument) not in examples() else path.name


def required_stem(argument: str | os.PathLike[str], advice: str = "write it to a file") -> str:
    """Return the stem of an argument.

    Raises: UsageError with the advice, if the config has no name.
    """
    name = stem(argument)
    if name is None:
        raise UsageError(f"{argument}: a config from a pipe has no name for its runs; {advice}")
    return name


def read(path: str) -> bytes:
    """Read a config's bytes from a located path, at most one more than is allowed.

    Raises:
        ConfigError: there is no such file, it is no file and no pipe, or it is a file of data.
        DiskError: it cannot be read.
    """
    if path == STANDARD_INPUT:
        return _not_empty(path, sys.stdin.buffer.read(reader.MAX_BYTES + 1))
    try:
        mode = paths.mode(Path(path))
        if mode and not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise ConfigError([f"{path}: is neither a file nor a run"])
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            content = _read_all(descriptor)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise ConfigError([f"{path}: there is no such file{_missing_hint(path)}"]) from None
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    if not stat.S_ISREG(mode):
        return _not_empty(path, content)
    _check_not_data(path, content)
    return content


def _missing_hint(path: str) -> str:
    """Return the next step for a config that is missing: a config beside it, or an example."""
    beside: dict[str, Path] = {}
    with contextlib.suppress(OSError, ValueError):  # ValueError: a NUL in the name
        files = sorted(Path(path).parent.iterdir())
        beside = {file.stem: file for file in files if file.suffix in ENDINGS}
    near = closest(_bare(Path(path).name), beside)
    if near is not None:
        return f"; did you mean {beside[near]}?"
    return hint(_bare(path.removeprefix("configs/")), examples(), ADVICE, "the example ")


def _bare(name: str) -> str:
    """Return a config's name without its ending."""
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def _check_not_data(path: str, content: bytes) -> None:
    """Raise ConfigError if a file in the place of a config is one of data."""
    beginning = content
    if content.startswith(GZIP):
        with contextlib.suppress(zlib.error):
            beginning = zlib.decompressobj(wbits=31).decompress(content, 4)
    kinds = [kind for first, kind in DATA.items() if beginning.startswith(first)]
    if path.lower().endswith(TABLES):
        kinds = [("a table", "csv", "train_file")]
    for kind, source, key in kinds:
        named, it = (path, "it") if key.endswith("file") else (Path(path).parent, "its folder")
        message = (
            f"{path}: is {kind}, not a config; write a config with nnexp init, and name {it} "
            f"there by data.name: {source} and data.{key}: {named}"
        )
        raise ConfigError([message])


def _read_all(descriptor: int) -> bytes:
    """Read to the end, or one byte more than is allowed; a silent pipe is given up."""
    content = b""
    while len(content) <= reader.MAX_BYTES:
        if not select.select([descriptor], [], [], WAIT)[0]:
            break
        part = os.read(descriptor, reader.MAX_BYTES + 1 - len(content))
        if not part:
            break
        content += part
    return content


def _not_empty(path: str, content: bytes) -> bytes:
    """Return what a pipe has delivered: nothing is no config, unlike an empty file."""
    if not content:
        raise ConfigError([f"{path}: nothing was written to this pipe"])
    return content


def _stem_of_run(name: str) -> str:
    """Return a run's name without its digest and seed."""
    unseeded = without_seed(name)
    return unseeded.rpartition("-")[0] if is_derived(name) else unseeded
