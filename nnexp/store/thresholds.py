"""Learning rates found too large, a file for each problem in a folder of runs.

The threshold is the learning rate up to which the training cost falls without rising or
oscillating. It belongs to a problem: what the config says but for the learning rate itself
and what is chosen after it. A file a problem, so that two searches at once lose nothing.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nnexp.config import canonical
from nnexp.config.model import CheckedConfig, Config
from nnexp.store import disk, records
from nnexp.store.records import SCHEMA

FOLDER = ".thresholds"
"""In the folder of runs, where no run can have its name."""

FREE = (
    *("learning_rate", "schedule", "lambda_", "regularizer", "epochs", "evaluate_every"),
    *("stopping", "patience", "monitor", "rng", "seed"),
)
"""The keys that the threshold does not depend on: it is found with λ = 0 and a constant η."""


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found for a problem."""

    schema: int = SCHEMA
    learning_rate: Annotated[float, Meta(gt=0)]
    found_by: str
    problem: dict[str, Any]
    """The config's keys that differ from their defaults, without the free ones."""


def record(
    runs: Path, config: CheckedConfig, threshold: float, found_by: str = "nnexp find-rate"
) -> None:
    """Note the threshold of a config's problem, in place of one noted before.

    Args:
        runs: the folder of runs; it is made if it is not there.
        config: any config of the problem.
        threshold: the largest learning rate with which the training cost fell.
        found_by: the command or run that found it, for messages.

    Raises:
        ValueError: the threshold is no finite number above 0.
        DiskError: it cannot be written.
        CorruptError: something else than a folder is where the file belongs.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"a threshold is a finite number > 0, got {threshold}")
    path, problem = place(runs, config), _problem(config)
    disk.make_directories(path.parent)
    noted = Threshold(learning_rate=threshold, found_by=found_by, problem=problem)
    disk.write_atomically(path, records.seal(noted))


def read(runs: Path, config: CheckedConfig) -> Threshold | None:
    """Return what was noted for a config's problem, or None.

    Raises:
        CorruptError: the file is damaged.
        DiskError: it cannot be read.
    """
    path = place(runs, config)
    return records.read(path, Threshold) if disk.exists(path.parent) else None


def threshold(runs: Path, config: CheckedConfig) -> float | None:
    """Return the threshold noted for a config's problem, or None. Raises what read raises."""
    found = read(runs, config)
    return None if found is None else found.learning_rate


def place(runs: Path, config: CheckedConfig) -> Path:
    """Return where the threshold of a config's problem stands or would stand."""
    digest = hashlib.sha256(canonical.encode(_problem(config))).hexdigest()
    return runs / FOLDER / f"{digest}.json"


def _problem(config: CheckedConfig) -> canonical.Tree:
    """Return the keys that differ from their defaults and that the threshold depends on."""
    default = Config()
    data = msgspec.structs.replace(config.data, validation=None, test=None)
    free = {key: getattr(default, key) for key in FREE}
    return canonical.changed(msgspec.structs.replace(config, data=data, **free))
