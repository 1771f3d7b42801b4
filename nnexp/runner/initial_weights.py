"""Start from the weights of another run: find them, check their shapes, and hash them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from nnexp.config.model import Config, FromRun
from nnexp.datasets.dataset import Dataset
from nnexp.errors import SettingError, UsageError
from nnexp.nn.network import Network
from nnexp.runner.assembly import factors_of, headers
from nnexp.store import checkpoint, trash
from nnexp.store.records import WEIGHTS
from nnexp.store.run import Run, at
from nnexp.training.history import best_row

KEY = "initializer"


class InitialWeights:
    """The parameters of another run's network after one of its epochs.

    Args:
        source: the run's path and the epoch.

    Raises:
        SettingError: there is no such run, or it has no checkpoint of the epoch.
        CorruptError: it is damaged.
    """

    def __init__(self, source: FromRun) -> None:
        self._path = source.path
        try:
            run = at(Path(source.path))  # raises UsageError if there is none
            config, data = run.config, run.record.data
            self._sizes = (data.features, *config.hidden, data.classes)
            network = Network(self._sizes, config.activation, config.output, config.cost)
            arrays = checkpoint.load(run, _epoch(run, source), headers(config, network))
        except SettingError:
            raise
        except UsageError as error:
            raise SettingError(f"{KEY}.path", f"{error}{_remedy(Path(source.path))}") from None
        self.arrays = {
            name: array for name, array in arrays.items() if not name.startswith(checkpoint.SLOT)
        }
        """As in a checkpoint: ``weights_1``, ``biases_1``, …"""
        self.factors = factors_of(self.arrays)
        """How the run standardizes features, which its weights are meant for."""

    def check(self, config: Config, dataset: Dataset) -> None:
        """Check that the parameters have the shapes of a config's network.

        Raises: SettingError.
        """
        if config.data.standardize != (self.factors is not None):
            does = "does not standardize" if self.factors is None else "standardizes"
            raise SettingError(
                "data.standardize",
                f"must be {str(self.factors is not None).lower()} to start from the weights of "
                f"{self._path}, which {does} its features",
            )
        sizes = (dataset.train.features.shape[1], *config.hidden, dataset.classes)
        if self._sizes != sizes:
            raise SettingError(
                KEY,
                f"the network has {_layers(sizes)} neurons, but that of {self._path} has "
                f"{_layers(self._sizes)}",
            )


def read(config: Config) -> InitialWeights | None:
    """Return the weights that a config takes from another run, or None if it draws them.

    Raises: SettingError, CorruptError.
    """
    source = config.initializer
    return InitialWeights(source) if isinstance(source, FromRun) else None


def content(weights: InitialWeights | None) -> Mapping[str, str]:
    """Return the weights' hash as a part of what a run is trained on; nothing if it draws them."""
    return {} if weights is None else {WEIGHTS: checkpoint.digest(weights.arrays)}


def _remedy(path: Path) -> str:
    """Return what to do about a run that is not there, for a message."""
    if any(run.name == path.name for run in trash.find(path)):
        restore = shlex.join(["nnexp", "rm", "--restore", str(path)])
        return f"; {restore} brings it back from the trash"
    return ""


def _epoch(run: Run, source: FromRun) -> int:
    """Return the epoch whose weights are taken. Raises: SettingError, CorruptError."""
    history = run.history()
    if not history:
        raise SettingError(f"{KEY}.path", f"{run.path}: has no epoch yet")
    if source.epoch == "best":
        return best_row(history).epoch
    if source.epoch == "last":
        return history[-1].epoch
    kept = sorted(run.checkpoints())
    if source.epoch not in kept:
        own = f"it has those of {', '.join(map(str, kept))}" if kept else "all were deleted"
        raise SettingError(
            f"{KEY}.epoch", f"{run.path}: has no checkpoint of epoch {source.epoch}; {own}"
        )
    return source.epoch


def _layers(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))
