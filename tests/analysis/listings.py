"""Run directories without training, for nnexp runs: records, metrics and results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import UNSET, structs

from nnexp.config import canonical, load
from nnexp.store import metrics, records
from nnexp.store.records import DataRecord, Result, RunRecord, Versions
from nnexp.store.run import Run
from nnexp.training.history import Row
from tests.conftest import commit

VERSIONS = Versions(nnexp="0", python="3", numpy="2", scipy="1")
DATA = DataRecord(sha256={}, train=1, validation=1, test=1, features=1, classes=2)


def make(
    name: str,
    *settings: str,
    validation: float | None = 0.9,
    test: float = 0.8,
    ended: bool = True,
    without: tuple[str, ...] = (),
    content: Mapping[str, str] | None = None,
) -> Run:
    """Write what a listing reads of a run that was trained for two epochs."""
    config = load.parse("", "c", settings)
    run = Run(Path("runs") / name)
    tree = canonical.to_builtins(config)
    record = RunRecord(
        name=name,
        config={key: value for key, value in tree.items() if key not in without},
        config_sha256=canonical.digest(config),
        data=structs.replace(DATA, sha256=dict(content or {})),
        versions=VERSIONS,
        numerics="0" * 64,
    )
    accuracy = UNSET if validation is None else validation
    row = Row(epoch=2, learning_rate=0.5, validation_accuracy=accuracy)
    (run.path / "checkpoints").mkdir(parents=True)
    (run.path / "LOCK").touch()
    (run.path / "metrics.jsonl").write_bytes(metrics.encode(row))
    (run.path / "run.json").write_bytes(records.seal(record))
    commit(run.path)
    if ended:
        result = Result(
            status="finished",
            reason="epochs",
            epochs=2,
            best=row,
            final=row,
            test_cost=1.0,
            test_accuracy=test,
            fault=None,
            files={"metrics.jsonl": hashlib.sha256(metrics.encode(row)).hexdigest()},
        )
        (run.path / "result.json").write_bytes(records.seal(result))
    return run


def seeds(name: str, accuracies: dict[int, float], *settings: str) -> None:
    for seed, accuracy in accuracies.items():
        make(f"{name}-s{seed}", *settings, f"seed={seed}", validation=accuracy)
