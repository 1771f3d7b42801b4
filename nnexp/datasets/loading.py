"""Load the Dataset of any source, and share examples between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from nnexp.datasets.csv_file import read_csv
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.idx import MNIST_SHA256, locate, read_idx, read_mnist
from nnexp.datasets.npz_file import read_npz
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz, Source
from nnexp.errors import NnexpError

CACHE_SIZE = 4
"""Sources cached in memory; few are enough, since studies rarely vary the data."""

SMALL_PIXELS, SMALL_FEATURES = 0.02, 0.1
"""Pixels, and other features, below this after scaling have probably been scaled already."""

LARGE_FEATURES = 20.0
"""Features above this after scaling, such as unscaled pixels, probably need a larger scale."""


def load(source: Source) -> Dataset:
    """Load a source's examples with its selection of classes and counts.

    Raises: DataError if a file is missing or malformed, or has fewer examples than requested.
    """
    return select(source, READERS[type(source)](source))


def known_content(source: Source) -> Mapping[str, str] | None:
    """Return the content hashes of the built-in data, or None for the user's files."""
    return MNIST_SHA256 if isinstance(source, Mnist) else None


def scale_warning(dataset: Dataset) -> str | None:
    """Return a warning if data.scale is probably wrong for the features, else None."""
    features = dataset.train.features
    largest = max(abs(float(features.min())), abs(float(features.max()))) / dataset.scale
    if not largest:
        return "all features are 0, so that examples cannot be distinguished"
    fact = f"the largest value after dividing by data.scale = {dataset.scale:g} is {largest:.3g}"
    if largest > LARGE_FEATURES:
        return f"{fact}; such inputs saturate neurons: set data.scale so that it is near 1"
    if largest < (SMALL_PIXELS if features.dtype == np.uint8 else SMALL_FEATURES):
        return f"{fact}; already scaled? set data.scale: 1"
    return None


class Data:
    """A cache of datasets; those of the same files share one array of examples."""

    def __init__(self) -> None:
        self._read: Callable[[Source], Parts] = lru_cache(CACHE_SIZE)(_read)
        self._load: Callable[[Source], Dataset] = lru_cache(CACHE_SIZE)(self._select)
        self._content: dict[Source, Mapping[str, str]] = {}
        """Content hashes as first read, by source without its selection."""
        self._stamps: dict[Path, tuple[Stamp | None, Source]] = {}
        """The user's files as they were when they were first read, and for which source."""

    def __call__(self, source: Source) -> Dataset:
        """Load the dataset of a source.

        Raises: DataError if a file is missing or malformed, or has fewer examples than requested.
        """
        return self._load(source)

    def content(self, source: Source) -> Mapping[str, str]:
        """Return the content hashes of a source's files, as run.json records them.

        The files are read once; later answers are the first one, even if they have changed.

        Raises: DataError if a file is missing or malformed.
        """
        known, files = known_content(source), _without_selection(source)
        if known is not None:
            return known
        if files not in self._content:
            for path in _paths(source):
                self._stamps.setdefault(path, (_stamp(path), source))
            self._content[files] = self._read(files).sha256
        return self._content[files]

    def changed_files(self) -> list[Path]:
        """Return the user's files that have changed or gone since they were first read.

        Files with another stamp are read again, since they may only have been touched.
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
            self._load(source)

    def _select(self, source: Source) -> Dataset:
        return select(source, self._read(_without_selection(source)))


class Stamp(NamedTuple):
    """A file's status, which changes when its content does."""

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


def _paths(source: Source) -> list[Path]:
    """Return the files of a source.

    Raises: DataError if a file of an idx source is missing.
    """
    if isinstance(source, Idx):
        return list(locate(source).values())
    own = set(source.__struct_fields__) - set(Source.__struct_fields__)
    return [Path(path) for name in sorted(own) if (path := getattr(source, name)) is not None]


def _read(source: Source) -> Parts:
    return READERS[type(source)](source)


def _without_selection(source: Source) -> Source:
    """Return the source with nothing selected, so that sources of the same files are equal."""
    defaults = {name: getattr(DEFAULTS, name) for name in Source.__struct_fields__}
    return msgspec.structs.replace(source, **defaults)


DEFAULTS = Source()

READERS: dict[type[Source], Callable[[Any], Parts]] = {
    Mnist: read_mnist,
    Idx: read_idx,
    Npz: read_npz,
    Csv: read_csv,
}
