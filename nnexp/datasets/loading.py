"""Load the Dataset of any source, and share examples between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nnexp.datasets import classes
from nnexp.datasets.data_root import located, naming_root
from nnexp.datasets.dataset import Dataset, Factors
from nnexp.datasets.idx import MNIST_SHA256, locate, read_idx, read_mnist
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Csv, Idx, Images, Mnist, Npz, Source
from nnexp.errors import NnexpError

CACHE_SIZE = 4
"""Sources cached in memory; few are enough, since studies rarely vary the data."""


def load(source: Source, factors: Factors | None = None) -> Dataset:
    """Load a source's examples as its settings describe them.

    Args:
        source: the settings.
        factors: to standardize with, such as another run's; None for those of the data.

    Raises: DataError if a file is missing or malformed, or has fewer examples than requested.
    """
    return select(source, _read(source), factors)


def known_content(source: Source) -> Mapping[str, str] | None:
    """Return the content hashes of the built-in data, or None for the user's files."""
    return MNIST_SHA256 if isinstance(source, Mnist) else None


class Data:
    """A cache of datasets; those of the same files share one array of examples."""

    def __init__(self) -> None:
        self._read: Callable[[Source], Parts] = lru_cache(CACHE_SIZE)(_read)
        self._load: Callable[[Source, Factors | None], Dataset] = lru_cache(CACHE_SIZE)(
            self._select
        )
        self._content: dict[Source, Mapping[str, str]] = {}
        """Content hashes as first read, by source without its selection."""
        self._stamps: dict[Path, tuple[Stamp | None, Source]] = {}
        """The user's files and folders as first read, and for which source."""

    def __call__(self, source: Source, factors: Factors | None = None) -> Dataset:
        """Load the dataset of a source; see ``load``.

        Raises: DataError if a file is missing or malformed, or has fewer examples than requested.
        """
        return self._load(source, factors)

    def content(self, source: Source) -> Mapping[str, str]:
        """Return the content hashes of a source's files, as run.json records them.

        The files are read once; later answers are the first one, even if they have changed.

        Raises: DataError if a file is missing or malformed.
        """
        known, files = known_content(source), _without_selection(source)
        if known is not None:
            return known
        if files not in self._content:
            for path in _files(source):
                self._stamps.setdefault(path, (_stamp(path), source))
            self._content[files] = self._read(files).sha256
        return self._content[files]

    def changed_files(self) -> list[Path]:
        """Return the user's files and folders that have changed since they were first read.

        Sources with another stamp are read again, since they may only have been touched, or files
        that do not matter may have been added to a folder.
        """
        return [
            path
            for path, (stamp, source) in self._stamps.items()
            if _stamp(path) not in {stamp, UNKNOWN} and not self._is_unchanged(source)
        ]

    def _is_unchanged(self, source: Source) -> bool:
        try:
            return _read(source).sha256 == self._content[_without_selection(source)]
        except NnexpError:
            return False

    def check(self, sources: Iterable[Source]) -> None:
        """Load all sources, so that missing data is reported before training begins.

        The data is not expanded, which takes long and cannot fail for missing data.

        Raises: DataError.
        """
        unexpanded = (msgspec.structs.replace(source, expand=None) for source in sources)
        for source in dict.fromkeys(unexpanded):
            self._load(source, None)

    def _select(self, source: Source, factors: Factors | None) -> Dataset:
        return select(source, self._read(_without_selection(source)), factors)


class Stamp(NamedTuple):
    """The status of a file or folder, which changes when its content does."""

    inode: int
    size: int
    modified: int
    """In nanoseconds, like the next."""
    changed: int
    """When the file's status changed; no program can set this time."""


UNKNOWN = Stamp(0, 0, 0, 0)
"""The stamp of a file whose status cannot be read: nothing is known of it."""


def _stamp(path: Path) -> Stamp | None:
    """Return a file's stamp, or None if there is no such file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return UNKNOWN
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _files(source: Source) -> list[Path]:
    """Return the paths of ``_paths`` as they start from the chosen folder. Raises: DataError."""
    with naming_root(source):
        return _paths(located(source))


def _paths(source: Source) -> list[Path]:
    """Return the files of a source, and the folders that are searched for them.

    Raises: DataError if a file of an idx source, or a folder of images, is missing.
    """
    if isinstance(source, Idx):
        folders = [] if source.directory is None else [Path(source.directory)]
        return [*folders, *locate(source).values()]
    if isinstance(source, Images):
        return _image_paths(source)
    named = [getattr(source, field) for field in source.path_fields]
    return [Path(path) for path in named if path is not None]


def _image_paths(source: Images) -> list[Path]:
    from nnexp.datasets import image_folder  # noqa: PLC0415 - Pillow, which only this source needs

    return image_folder.paths(source)


def _read_images(source: Images) -> Parts:
    from nnexp.datasets import image_folder  # noqa: PLC0415 - likewise

    return image_folder.read_images(source)


def _read_npz(source: Npz) -> Parts:
    from nnexp.datasets import npz_file  # noqa: PLC0415 - zipfile

    return npz_file.read_npz(source)


def _read_csv(source: Csv) -> Parts:
    from nnexp.datasets import csv_file  # noqa: PLC0415 - five modules, which only this source needs

    return csv_file.read_csv(source)


def _read(source: Source) -> Parts:
    with naming_root(source):
        parts = READERS[type(source)](located(source))
    if parts.names is None:
        parts.sha256.update(classes.content(parts.train.labels))
    return parts


def _without_selection(source: Source) -> Source:
    """Return the source with nothing selected, so that sources of the same files are equal."""
    defaults = {name: getattr(DEFAULTS, name) for name in Source.__struct_fields__}
    return msgspec.structs.replace(source, **defaults)


DEFAULTS = Source()

READERS: dict[type[Source], Callable[[Any], Parts]] = {
    Mnist: read_mnist,
    Idx: read_idx,
    Npz: _read_npz,
    Csv: _read_csv,
    Images: _read_images,
}
