"""The choice of the backend that trains a run, and its creation: the one place that knows both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias, get_args

from nnexp import numerics
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.errors import UsageError
from nnexp.native import availability
from nnexp.native.availability import VARIABLE
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.store.records import BackendName
from nnexp.store.run import Run
from nnexp.streams import Pcg64
from nnexp.training.backend import Backend
from nnexp.training.numpy_backend import NumpyBackend

Choice: TypeAlias = Literal["auto", "native", "numpy"]

CHOICES: dict[str, Choice] = {choice: choice for choice in get_args(Choice)}


def chosen() -> Choice:
    """Return the user's choice: by default auto, native where that is possible.

    Raises: UsageError if the environment variable has another value.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in CHOICES:
        raise UsageError(f"{VARIABLE}: must be one of {', '.join(CHOICES)}, got {value!r}")
    return CHOICES[value]


def choose(
    config: Config, run: Run | None = None, backend: BackendName | None = None
) -> BackendName:
    """Return the backend for a config.

    Args:
        config: the config.
        run: its run. If that exists, auto keeps the backend that began it, where it can.
        backend: the one to use where it can be used; None for the user's choice.

    Raises: UsageError if the user chose native, and it is not available.
    """
    choice = chosen()
    if numpy_only(config) is not None:
        return "numpy"
    missing = availability.why_unavailable()
    if backend is None and choice == "native" and missing is not None:
        raise UsageError(f"--backend native: {missing}")
    if backend is None and choice == "auto" and run is not None and run.exists:
        backend = run.record.backend
    wanted = backend or choice
    return "numpy" if wanted == "numpy" or missing is not None else "native"


def why_not_native(config: Config) -> str | None:
    """Return why the native backend cannot train a config here, or None if it can."""
    return numpy_only(config) or availability.why_unavailable()


def numpy_only(config: Config) -> str | None:
    """Return why only NumPy can train a config on any machine, or None."""
    if config.dtype != "float32":
        return f"dtype {config.dtype} is computed by NumPy alone"
    if not isinstance(config.rng, Pcg64):
        return "rng network2 is replayed by NumPy alone, as the book's program ran on it"
    return None


def warnings(config: Config, run: Run, backend: BackendName) -> Iterator[str]:
    """Yield a warning before the first training of a folder if NumPy stands in for the kernels."""
    is_replacement = backend == "numpy" and chosen() == "auto" and numpy_only(config) is None
    missing = availability.why_unavailable()
    if is_replacement and missing is not None and not run.path.parent.exists():
        yield f"NumPy trains, which is slower than the native backend: {missing}"


def fingerprint(backend: BackendName) -> str:
    """Return the fingerprint of a backend's arithmetic."""
    if backend == "numpy":
        return numerics.fingerprint()
    from nnexp.native import fingerprint as native  # noqa: PLC0415 - needs the extension

    return native.fingerprint()


def create(
    backend: BackendName,
    config: Config,
    network: Network,
    splits: Mapping[str, Split],
    scale: float,
    strength: float,
) -> Backend:
    """Create a backend.

    Args:
        backend: its name.
        config: the config.
        network: the config's network on its data.
        splits: the data's splits.
        scale: the divisor of the features.
        strength: λ/n.
    """
    if backend == "numpy":
        return create_numpy(config, network, splits, scale, strength)
    from nnexp.native.kernels import NativeNetwork, NativePenalty  # noqa: PLC0415 - likewise
    from nnexp.training.native_backend import NativeBackend  # noqa: PLC0415 - likewise

    kernels = NativeNetwork(network.sizes, config.activation, config.output, config.cost)
    penalty = NativePenalty(config.regularizer, strength)
    return NativeBackend(kernels, penalty, network.activation, splits, scale)


def create_numpy(
    config: Config,
    network: Network,
    splits: Mapping[str, Split],
    scale: float,
    strength: float,
) -> NumpyBackend:
    """Create the NumPy backend; see ``create``."""
    penalty = Penalty(network, config.regularizer, strength, config.dtype)
    return NumpyBackend(network, penalty, splits, scale, config.dtype)


def prepare(config: Config, dataset: Dataset) -> None:
    """Convert a dataset's examples for a config's backend, so that forked processes share them.

    Raises: UsageError if the user's choice cannot train the config.
    """
    if choose(config) == "native":
        from nnexp.training.native_backend import examples_of  # noqa: PLC0415 - likewise

        for split in dataset.splits.values():
            examples_of(split, dataset.scale)
