"""Name runs by their config and the content of their data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nnexp.config import canonical
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.loading import Data
from nnexp.datasets.sources import source_name
from nnexp.errors import NnexpError, UsageError
from nnexp.names import NAME_LENGTH, is_run_name
from nnexp.store.records import BUILT_IN, experiment_digest
from nnexp.store.run import Run, named

DIGITS = 12
"""Hexadecimal digits of the experiment's digest in a name."""


class RunNames:
    """The names of runs in a folder: a stem, 12 digits for config and data, and the seed.

    Runs that nnexp 0.1.0 trained on the user's data have digits for the config alone. They keep
    their names as long as the data is the same.

    Args:
        runs: the folder of the runs.
        stem: the beginning of the names, usually the config file's name.
        data: the cache of loaded datasets; the user's files are read for their content hashes.
    """

    def __init__(self, runs: Path, stem: str = "run", data: Data | None = None) -> None:
        self._runs, self._stem = runs, stem
        self._data = data or Data()

    def content(self, config: Config) -> Mapping[str, str]:
        """Return the content hashes of a config's data. Raises: DataError."""
        return self._data.content(config.data)

    def run(self, config: CheckedConfig, digest: str | None = None) -> Run:
        """Return the run of a config, whether or not it exists.

        Args:
            config: the config.
            digest: of the config without the seed, if known; computing it dominates the cost.

        Raises:
            DataError: the data cannot be read.
            UsageError: the stem cannot begin a run's name.
        """
        check_stem(self._stem, config.seed)
        digest = digest or canonical.digest(config)
        source, content = source_name(config.data), self.content(config)
        run = named(self._runs, self._name(experiment_digest(digest, source, content), config))
        if source != BUILT_IN and not run.exists:
            old = named(self._runs, self._name(digest, config))
            if _is_of_version_1(old, content):
                return old
        return run

    def _name(self, digest: str, config: Config) -> str:
        return f"{self._stem}-{digest[:DIGITS]}-s{config.seed}"


def check_stem(stem: str, seed: int = 0) -> None:
    """Check that a config file's name can begin the names of its runs.

    Args:
        stem: the file's name without its suffix.
        seed: the largest seed.

    Raises: UsageError.
    """
    if not is_run_name(f"{stem}-{'0' * DIGITS}-s{seed}"):
        raise UsageError(
            f"{stem!r} cannot begin a run's name, which has at most {NAME_LENGTH} of "
            "A-Z a-z 0-9 . _ - and begins with a letter or digit; rename the config's file, or "
            "train it with --name"
        )


def _is_of_version_1(run: Run, content: Mapping[str, str]) -> bool:
    """Return whether a run of nnexp 0.1.0 was trained on data with this content."""
    with suppress(NnexpError):  # it is damaged, or none of ours
        return run.exists and run.record.schema == 1 and run.record.data.sha256 == content
    return False
