"""Whether a config suits its data, and what was learned before: refusals and warnings."""

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
    """Refuse a config that needs what the data does not have."""
    examples = len(dataset.train.labels)
    if isinstance(config.rng, Network2) and any(
        event.examples != examples for event in config.rng.shared()
    ):
        raise UsageError(
            f"rng.before: a list that is shared has this net's own {examples} examples; "
            "another net's that differ are trained on a copy (shared: false)"
        )
    for split, examples in sizes(dataset)._asdict().items():
        if split in config.monitor and not examples:
            without = [name for name in config.monitor if name != split]
            raise UsageError(
                f"monitor: the data has no {split} examples; set monitor: {without}"
                + (" and patience: null" if split == "validation" else "")
            )


def check_data(run: Run, sha256: Mapping[str, str]) -> None:
    """Refuse a run that was trained on other data than what is there now.

    Raises: MismatchError, CorruptError.
    """
    before = run.record.data.sha256
    if before != sha256:
        names = sorted(name for name, value in sha256.items() if before.get(name) != value)
        raise MismatchError(
            f"{run.path}: the data is not what this run was trained on ({', '.join(names)} changed)"
        )


def warnings(config: Config, dataset: Dataset) -> list[str]:
    """Return what is legal but will not do what was hoped, on this data."""
    scale = scale_warning(dataset)
    return [*rules.warnings(config, len(dataset.train.labels)), *([] if scale is None else [scale])]


def remembered(
    config: CheckedConfig, runs: Path, dataset: Dataset, against: Run | None
) -> Iterator[str]:
    """Yield warnings that follow from what was done before: another run, a threshold found."""
    if against is not None:
        n, other = len(dataset.train.labels), against.record.data.train
        yield from rules.lambda_warning(config, n, against.config, other, str(against.path))
    try:
        found = thresholds.read(runs, config)
    except CorruptError as error:
        yield f"{error}; it is left out of account"
        return
    if found is not None:
        source = f"found by {found.found_by}, in {thresholds.file_path(runs, config)}"
        yield from rules.learning_rate_warning(config, found.learning_rate, source)
