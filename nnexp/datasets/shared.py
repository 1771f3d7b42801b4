"""Data that several trainings share: read once, and selected from by each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import READERS
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Source

KEPT = 4
"""Sources that are kept at a time: who trains many varies the data last of all, if at all."""


class Data:
    """Hands out datasets; those of the same files share one array of examples."""

    def __init__(self) -> None:
        self._read: Callable[[Source], Parts] = lru_cache(KEPT)(_read)
        self._selected: Callable[[Source], Dataset] = lru_cache(KEPT)(self._select)

    def __call__(self, source: Source) -> Dataset:
        """Return what a source selects.

        Raises: DataError if a file is missing or malformed, or holds less than is asked for.
        """
        return self._selected(source)

    def check(self, sources: Iterable[Source]) -> None:
        """Read every file, and select from it, so that what is missing is told beforehand.

        Nothing is expanded, which takes long and asks for nothing that may be missing.

        Raises: DataError.
        """
        for plain in dict.fromkeys(msgspec.structs.replace(each, expand=None) for each in sources):
            self._selected(plain)

    def _select(self, source: Source) -> Dataset:
        return select(source, self._read(_whole(source)))


def _read(source: Source) -> Parts:
    return READERS[type(source)](source)


def _whole(source: Source) -> Source:
    """Return the source with nothing selected: sources of the same files are then the same."""
    fresh = {name: getattr(PLAIN, name) for name in Source.__struct_fields__}
    return msgspec.structs.replace(source, **fresh)


PLAIN = Source()
