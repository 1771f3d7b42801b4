"""Store the thresholds of learning rates that find-rate measured, in the folder of runs.

The threshold is the largest learning rate with which the training cost falls without rising or
oscillating. It depends on the problem: the data, and the config without the learning rate
itself and the keys that are chosen after it. Each problem has its own file, so that concurrent
searches do not overwrite each other's.
"""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nnexp.config import canonical
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.sources import source_name
from nnexp.store import disk, records
from nnexp.store.records import SCHEMA, identifying

FOLDER = ".thresholds"
"""A subfolder of the folder of runs; no run name begins with a dot."""

FREE = (
    *("learning_rate", "schedule", "lambda_", "regularizer", "epochs", "evaluate_every"),
    *("stopping", "patience", "monitor", "rng", "seed"),
)
"""Keys that the threshold does not depend on: it is measured with λ = 0 and a constant η."""


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The threshold of a problem, and the command that found it."""

    schema: int = SCHEMA
    learning_rate: Annotated[float, Meta(gt=0)]
    found_by: str
    problem: dict[str, Any]
    """The config's keys that differ from their defaults, without those in FREE, and the content
    hashes of the user's data."""


def record(
    runs: Path,
    config: CheckedConfig,
    content: Mapping[str, str],
    threshold: float,
    found_by: str = "nnexp find-rate",
) -> None:
    """Write the threshold of a config's problem, replacing an earlier one.

    Args:
        runs: the folder of runs; it is created if it does not exist.
        config: any config of the problem.
        content: content hashes of its data.
        threshold: the largest learning rate with which the training cost fell.
        found_by: the command or run that found it, for messages.

    Raises:
        ValueError: the threshold is not a finite number above 0.
        DiskError: it cannot be written.
        CorruptError: the file's folder exists, but is not a folder.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"a threshold must be a finite number > 0, got {threshold}")
    path, problem = file_path(runs, config, content), _problem(config, content)
    disk.make_subfolder(path.parent)
    entry = Threshold(learning_rate=threshold, found_by=found_by, problem=problem)
    disk.publish(path, records.seal(entry))


def read(runs: Path, config: CheckedConfig, content: Mapping[str, str]) -> Threshold | None:
    """Return the record of a config's problem, or None if there is none.

    Raises:
        CorruptError: the file is damaged, or a link is in its place or its folder's.
        DiskError: it cannot be read.
    """
    path = file_path(runs, config, content)
    disk.check_kind(path.parent, stat.S_IFDIR)
    return records.read(path, Threshold) if disk.exists(path.parent) else None


def file_path(runs: Path, config: CheckedConfig, content: Mapping[str, str]) -> Path:
    """Return the path of the file for a config's problem, whether or not it exists."""
    digest = hashlib.sha256(canonical.encode(_problem(config, content))).hexdigest()
    return runs / FOLDER / f"{digest}.json"


def _problem(config: CheckedConfig, content: Mapping[str, str]) -> canonical.Tree:
    """Return the keys that differ from their defaults, and the data that the threshold is for."""
    default = Config()
    data = msgspec.structs.replace(config.data, validation=None, test=None)
    free = {key: getattr(default, key) for key in FREE}
    problem = canonical.changed(msgspec.structs.replace(config, data=data, **free))
    identity = identifying(source_name(config.data), content)
    return {**problem, "data_sha256": identity} if identity else problem
