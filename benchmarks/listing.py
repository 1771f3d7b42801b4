"""Time ``nnexp runs`` over 2,000 runs of 120 experiments, of your own data and of MNIST.

    python -m benchmarks.listing
    python -m benchmarks.listing --against OTHER    # a folder with another nnexp

All contenders take turns on one processor; the output has the least seconds of processor time of
each, and their ratios to the first.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from nnexp.config import canonical, dump, load
from nnexp.config.model import CheckedConfig
from nnexp.datasets.idx import MNIST_SHA256
from nnexp.store import metrics, records
from nnexp.store.records import DataRecord, Result, RunRecord, Versions
from nnexp.training.history import Row

ROOT = Path(__file__).parents[1]
RUNS, EXPERIMENTS, EPOCHS = 2000, 120, 30
ROUNDS = 9
MNIST = DataRecord(
    sha256=dict(MNIST_SHA256), train=1000, validation=1000, test=1000, features=784, classes=10
)
OWN = DataRecord(
    sha256={"train_file": "0" * 64, "classes": "1" * 64},
    train=1000,
    validation=1000,
    test=1000,
    features=30,
    classes=3,
    class_names=("setosa", "versicolor", "virginica"),
    split_sha256="2" * 64,
    feature_names=tuple(f"feature {number}" for number in range(30)),
    label_name="species",
)
OWN_DATA = ("data={name: csv, train_file: iris.csv, validation: 1000, test: 1000}",)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, default=ROOT, metavar="OTHER")
    other = parser.parse_args().against.resolve()
    with TemporaryDirectory() as folder:
        mnist, own = Path(folder) / "mnist", Path(folder) / "own"
        _write(mnist, (), MNIST)
        _write(own, OWN_DATA, OWN)
        contenders = {
            f"{'other, ' if other != ROOT else ''}MNIST": (other, mnist),
            "MNIST": (ROOT, mnist),
            "own data": (ROOT, own),
        }
        least = {name: float("inf") for name in contenders}
        for _ in range(ROUNDS):
            for name, (package, runs) in contenders.items():
                least[name] = min(least[name], _seconds(package, runs))
    first = next(iter(least.values()))
    for name, seconds in least.items():
        print(f"{name:15} {seconds:6.3f} s  {seconds / first:5.2f}")


def _seconds(package: Path, runs: Path) -> float:
    """Return the processor time of a listing, in user and system mode."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "nnexp", "runs", "--runs", str(runs)],
        env=os.environ | {"PYTHONPATH": str(package)},
        cwd=runs.parent,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def _write(runs: Path, settings: tuple[str, ...], data: DataRecord) -> None:
    """Write the files of finished runs, as training leaves them."""
    for number, config in enumerate(_configs(settings)):
        for seed in range(number, RUNS, EXPERIMENTS):
            seeded = load.changed(config, seed=seed)
            _write_run(runs / f"run-{number:03}-s{seed}", seeded, data)


def _configs(settings: tuple[str, ...]) -> Iterator[CheckedConfig]:
    grid = product((0.01, 0.03, 0.1, 0.3, 1.0), (0, 1, 5, 10), (10, 20, 30, 50, 100, 200))
    for rate, decay, hidden in grid:
        own = (f"learning_rate={rate}", f"lambda={decay}", f"hidden=[{hidden}]")
        yield load.parse("", "benchmark", [*settings, *own])


def _write_run(run: Path, config: CheckedConfig, data: DataRecord) -> None:
    rows = [
        Row(
            epoch=epoch,
            learning_rate=config.learning_rate,
            train_cost=1 / epoch,
            train_accuracy=0.9,
            validation_cost=1 / epoch,
            validation_accuracy=0.9 + epoch / 1000,
        )
        for epoch in range(1, EPOCHS + 1)
    ]
    content = b"".join(map(metrics.encode, rows))
    record = RunRecord(
        name=run.name,
        config=canonical.recorded(config),
        config_sha256=canonical.digest(config),
        data=data,
        versions=Versions(nnexp="0", python="3", numpy="2", scipy="1"),
        numerics="0" * 64,
    )
    result = Result(
        status="finished",
        reason="epochs",
        epochs=EPOCHS,
        best=rows[-1],
        final=rows[-1],
        test_cost=0.3,
        test_accuracy=0.92,
        fault=None,
        files={"metrics.jsonl": hashlib.sha256(content).hexdigest()},
    )
    (run / "checkpoints").mkdir(parents=True)
    files = {
        "run.json": records.seal(record),
        "config.yaml": dump.to_yaml(config).encode(),
        "metrics.jsonl": content,
        "result.json": records.seal(result),
        "log.txt": b"2026-11-01T12:00:00Z training from epoch 1\n",
        "timing.jsonl": b"",
        "LOCK": b"",
        "checkpoints/epoch-000030.npz": b"",
    }
    for name, written in files.items():
        (run / name).write_bytes(written)


if __name__ == "__main__":
    main()
