"""The choice of the backend that trains a run, and its creation: the one place that knows both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from nnexp import numerics
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.errors import CorruptError, NnexpError, UsageError
from nnexp.native import availability
from nnexp.native.availability import KERNELS, chosen
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.store import listing
from nnexp.store.records import BackendName
from nnexp.store.run import Run
from nnexp.streams import Pcg64
from nnexp.training.backend import Backend
from nnexp.training.history import stretches
from nnexp.training.numpy_backend import NumpyBackend


def choose(
    config: Config, run: Run | None = None, backend: BackendName | None = None
) -> BackendName:
    """Return the backend for a config.

    Args:
        config: the config.
        run: its run. If that exists, auto keeps the backend of its last epoch, where it can.
        backend: the one to use where it can be used; None for the user's choice.

    Raises: UsageError if the user chose native, or kernels, and they are not available.
    """
    choice = chosen()
    if numpy_only(config) is not None:
        return "numpy"
    missing = availability.why_unavailable()
    if missing is not None and os.environ.get(KERNELS) and choice != "numpy":
        raise UsageError(missing)
    if missing is not None and choice == "native" and backend is None:
        raise UsageError(f"the native backend is not available: {missing}")
    if backend is None and choice == "auto" and run is not None and run.exists:
        backend = last_used(run)
    wanted = backend or choice
    return "numpy" if wanted == "numpy" or missing is not None else "native"


def last_used(run: Run) -> BackendName:
    """Return the backend of a run's last epoch: the one that began it, unless numerics changed."""
    begun_by = run.record.backend
    try:
        last = stretches(run.record.numerics, run.history())[-1].numerics
    except CorruptError:  # training may resume from an earlier epoch than can be shown
        return begun_by
    if last == run.record.numerics:
        return begun_by
    if last == numerics.fingerprint():
        return "numpy"
    return "native" if availability.why_unavailable() is None else begun_by


def numpy_only(config: Config) -> str | None:
    """Return why only NumPy can train a config on any machine, or None."""
    if config.dtype != "float32":
        return f"dtype {config.dtype} is computed by NumPy alone"
    if not isinstance(config.rng, Pcg64):
        return "rng network2 is replayed by NumPy alone, as the book's program ran on it"
    return None


def warnings(config: Config, run: Run, backend: BackendName | None = None) -> Iterator[str]:
    """Yield a warning if NumPy trains a run although the user wanted the kernels.

    If they are not available, it is given before the first training of a folder.

    Args:
        config: the config.
        run: its run.
        backend: as in ``choose``; with one, there is no choice of the user.
    """
    if backend is not None:
        return
    choice, missing, reason = chosen(), availability.why_unavailable(), numpy_only(config)
    if choice == "native" and reason is not None:
        yield f"the native backend cannot train this config: {reason}"
    is_replacement = choice == "auto" and reason is None and missing is not None
    if is_replacement and not listing.names(run.path.parent):
        yield f"numpy trains, and slowly, since the native backend is not available: {missing}"


def option(run: Run) -> list[str]:
    """Return the option with which a command trains more of a run's experiment alike."""
    is_choice = run.record.backend == "numpy" and numpy_only(run.config) is None
    return ["--backend", "numpy"] if is_choice else []


def difference(run: Run, backend: BackendName) -> str:
    """Return how the numbers of a backend differ from a run's, and what to do about it."""
    last, reason = last_used(run), availability.why_unavailable()
    advice = "train again under another --name, or resume with --other-numerics"
    if last == backend:
        return f"this machine's numerics differ from the run's in the last digits; {advice}"
    subject = f"the {backend} backend's numbers differ from those of {last}, which trained it"
    if last == "native" and reason is not None:
        return f"{subject} and is not available here ({reason}); {advice}"
    return f"{subject}; resume with --backend {last}, or with --other-numerics"


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

    kernels = NativeNetwork(
        network.sizes, config.activation, config.output, config.cost, network.class_weights
    )
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


def prepare(
    config: Config, dataset: Dataset, run: Run | None = None, backend: BackendName | None = None
) -> None:
    """Convert a dataset's examples for a run's backend, so that forked processes share them.

    Errors are left to the training itself, which reports them.
    """
    with suppress(NnexpError, ValueError, MemoryError):
        if choose(config, run, backend) == "native":
            from nnexp.training.native_backend import examples_of  # noqa: PLC0415 - likewise

            for split in dataset.splits.values():
                examples_of(split, dataset.scale)
