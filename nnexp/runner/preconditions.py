"""Check a config against its data and earlier results: errors and warnings before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nnexp.config import rules
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import scale_warning
from nnexp.errors import CorruptError, MismatchError, UsageError
from nnexp.runner.assembly import sizes
from nnexp.store import thresholds
from nnexp.store.run import Run
from nnexp.streams import Network2


def check(config: Config, dataset: Dataset) -> None:
    """Check that the data has what a config needs.

    Raises: UsageError.
    """
    examples = len(dataset.train.labels)
    if isinstance(config.rng, Network2) and any(
        event.examples != examples for event in config.rng.shared()
    ):
        raise UsageError(
            f"rng.before: a shared list has the {examples} examples of this net; "
            "a net with another number of examples needs a copy (shared: false)"
        )
    for split, examples in sizes(dataset)._asdict().items():
        if split in config.monitor and not examples:
            without = [name for name in config.monitor if name != split]
            raise UsageError(
                f"monitor: the data has no {split} examples; set monitor: {without}"
                + (" and patience: null" if split == "validation" else "")
            )


def check_data(run: Run, sha256: Mapping[str, str]) -> None:
    """Check that the data is the same that a run was trained on.

    Raises: MismatchError, CorruptError.
    """
    before = run.record.data.sha256
    if before != sha256:
        names = sorted(name for name, value in sha256.items() if before.get(name) != value)
        raise MismatchError(
            f"{run.path}: the data changed since this run was trained ({', '.join(names)})"
        )


def warnings(config: Config, dataset: Dataset) -> list[str]:
    """Return warnings about settings that are valid but will not work well on this data."""
    scale = scale_warning(dataset)
    return [*rules.warnings(config, len(dataset.train.labels)), *([] if scale is None else [scale])]


def history_warnings(
    config: CheckedConfig, runs: Path, dataset: Dataset, against: Run | None
) -> Iterator[str]:
    """Yield warnings from earlier results: another run's λ, and a learning-rate threshold."""
    if against is not None:
        n, other_n = len(dataset.train.labels), against.record.data.train
        yield from rules.lambda_warning(config, n, against.config, other_n, str(against.path))
    try:
        threshold = thresholds.read(runs, config)
    except CorruptError as error:
        yield f"{error}; it is ignored"
        return
    if threshold is not None:
        source = f"found by {threshold.found_by}, in {thresholds.file_path(runs, config)}"
        yield from rules.learning_rate_warning(config, threshold.learning_rate, source)
