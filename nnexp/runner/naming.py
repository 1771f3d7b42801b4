"""Name runs by their config and the content of their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from nnexp.config import canonical
from nnexp.config.model import CheckedConfig, Config, FromRun
from nnexp.datasets.loading import Data
from nnexp.datasets.sources import source_name
from nnexp.errors import CorruptError, MismatchError, UsageError
from nnexp.names import DIGITS, NAME_LENGTH, is_run_name, stem, without_seed
from nnexp.runner import initial_weights, preconditions
from nnexp.store import listing
from nnexp.store.records import BUILT_IN, experiment_digest
from nnexp.store.run import Run, named


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
        self._weights = lru_cache(initial_weights.InitialWeights)
        """Reads other runs' weights, once for all seeds and trials."""

    def content(self, config: Config) -> Mapping[str, str]:
        """Return the content hashes of a config's data, and of the weights it starts from.

        Raises:
            DataError: the data cannot be read.
            SettingError: another run's weights cannot be read, or do not fit.
        """
        content, initializer = self._data.content(config.data), config.initializer
        if not isinstance(initializer, FromRun):
            return content
        weights = self._weights(initializer)
        weights.check(config, self._data(config.data))
        return {**content, **initial_weights.content(weights)}

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


def given(runs: Path, name: str, seed: int, *, has_several_seeds: bool = False) -> Run:
    """Return the run that belongs to a name given by hand: X-s<seed> of the experiment X.

    A run X with that seed is found first: nnexp 0.1.0 made such runs, and users rename theirs.

    Args:
        runs: the folder of the runs.
        name: the experiment's name, or that of the run itself, which ends in ``-s<seed>``.
        seed: the run's seed.
        has_several_seeds: the name is the experiment's, whatever it ends in.

    Raises: UsageError if the name is invalid.
    """
    run = named(runs, name)
    if run.is_there() and _may_have_seed(run, seed):
        return run
    return named(runs, f"{name if has_several_seeds else stem(name, seed)}-s{seed}")


def check_experiment(runs: Path, name: str, content: Mapping[str, str]) -> None:
    """Check that no run of an experiment named by hand was trained on other data or weights.

    Args:
        runs: the folder of the runs.
        name: the experiment's name.
        content: the content hashes that its runs are to have.

    Raises: MismatchError.
    """
    for run in _of_experiment(runs, name):
        try:
            preconditions.check_data(run, content)
        except MismatchError as error:
            raise MismatchError(f"{error}; choose another name") from None
        except CorruptError:  # the run says so itself, if it is trained
            continue


def of_other_configs(runs: Path, name: str, config: CheckedConfig) -> list[Run]:
    """Return the runs of an experiment named by hand whose configs differ in more than the seed."""
    digest, other = canonical.digest(config), []
    for run in _of_experiment(runs, name):
        with suppress(CorruptError):
            if run.record.config_sha256 != digest:
                other.append(run)
    return other


def _of_experiment(runs: Path, name: str) -> Iterator[Run]:
    """Yield the runs X and X-s<seed> of an experiment X."""
    for other in listing.names(runs):
        if other == name or without_seed(other) == name:
            run = Run(runs / other)
            if run.is_there():
                yield run


def same_run(
    path: Path, runs: Path, config: CheckedConfig, content: Mapping[str, str]
) -> Run | None:
    """Return the run that a config was read from, if it is that of the config and the data.

    Args:
        path: the argument that the config was read from: a run's directory, or anything else.
        runs: the folder of the runs; runs elsewhere are copies.
        config: the config, perhaps changed since.
        content: content hashes of its data, and of the weights it starts from.
    """
    run = Run(path)
    with suppress(CorruptError):
        is_here = run.is_there() and path.resolve().parent == runs.resolve()
        if is_here and run.config == config and run.record.content == content:
            return run
    return None


def _may_have_seed(run: Run, seed: int) -> bool:
    """Return whether a run has a seed, or is too damaged to tell."""
    try:
        return bool(run.record.config.get("seed") == seed)
    except CorruptError:
        return True


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
            "A-Z a-z 0-9 . _ - and begins with a letter or digit; rename the config's file"
        )


def _is_of_version_1(run: Run, content: Mapping[str, str]) -> bool:
    """Return whether a run of nnexp 0.1.0 was trained on data with this content."""
    with suppress(CorruptError):  # it is damaged, or none of ours
        return run.exists and run.record.schema == 1 and run.record.data.sha256 == content
    return False
