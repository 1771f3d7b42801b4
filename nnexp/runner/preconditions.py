"""Check a config against its data and earlier results: errors and warnings before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nnexp.config import rules
from nnexp.config.messages import listed
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.data_warnings import data_warnings
from nnexp.datasets.dataset import Dataset
from nnexp.errors import CorruptError, MismatchError, SettingError
from nnexp.runner.assembly import sizes
from nnexp.store import thresholds
from nnexp.store.records import WEIGHTS
from nnexp.store.run import Run
from nnexp.streams import Network2


def check(config: Config, dataset: Dataset) -> None:
    """Check that the data has what a config needs.

    Raises: SettingError.
    """
    examples = len(dataset.train.labels)
    if isinstance(config.rng, Network2) and any(
        event.examples != examples for event in config.rng.shared()
    ):
        raise SettingError(
            "rng.before",
            f"a shared list has the {examples} examples of this net; "
            "a net with another number of examples needs a copy (shared: false)",
        )
    weights, classes = config.class_weights, dataset.classes
    if isinstance(weights, tuple) and len(weights) != classes:
        raise SettingError(
            "class_weights",
            f"must have a weight for each of the {classes} classes"
            f" ({listed(dataset.class_names)}), got {len(weights)}",
        )
    for split, examples in sizes(dataset)._asdict().items():
        if split in config.monitor and not examples:
            without = [name for name in config.monitor if name != split]
            raise SettingError(
                "monitor",
                f"the data has no {split} examples; set monitor: [{', '.join(without)}]"
                + (" and patience: null" if split == "validation" else ""),
            )


def check_data(run: Run, content: Mapping[str, str]) -> None:
    """Check that a run was trained on data and from weights with this content.

    Raises: MismatchError, CorruptError.
    """
    check_content(run, run.record.content, content, "this run was trained")


def check_content(
    run: Run,
    before: Mapping[str, str],
    now: Mapping[str, str],
    since: str = "this command began",
) -> None:
    """Check that the data of a run has not changed.

    Args:
        run: the run.
        before: the content hashes that are expected.
        now: the content hashes of the data as it is.
        since: the moment of the expected ones, for the message.

    Raises: MismatchError.
    """
    keys = {*before, *now}
    if (WEIGHTS in before) != (WEIGHTS in now):  # that is a difference of the configs
        keys.discard(WEIGHTS)
    if names := sorted(key for key in keys if before.get(key) != now.get(key)):
        changed = "the initial weights" if names == [WEIGHTS] else "the data"
        raise MismatchError(f"{run.path}: {changed} changed since {since} ({', '.join(names)})")


def warnings(config: Config, dataset: Dataset) -> list[str]:
    """Return warnings about settings that are valid but will not work well on this data."""
    own = rules.warnings(config, len(dataset.train.labels))
    return [*own, *data_warnings(dataset, config.dtype)]


def strength_warnings(config: Config, dataset: Dataset, other: Run) -> Iterator[str]:
    """Yield a warning if λ equals another run's although the number of examples differs."""
    n, other_n = len(dataset.train.labels), other.record.data.train
    yield from rules.lambda_warning(config, n, other.config, other_n, str(other.path))


def threshold_warnings(
    config: CheckedConfig, runs: Path, content: Mapping[str, str]
) -> Iterator[str]:
    """Yield a warning if η is far above the threshold that ``find-rate`` recorded in a folder."""
    try:
        threshold = thresholds.read(runs, config, content)
    except CorruptError as error:
        yield f"{error}; it is ignored"
        return
    if threshold is not None:
        file = thresholds.file_path(runs, config, content)
        source = f"found by {threshold.found_by}, in {file}"
        yield from rules.learning_rate_warning(config, threshold.learning_rate, source)
