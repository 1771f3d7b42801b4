"""Test accuracies of the quickstart by both backends, with the same seeds: their mean difference.

Accuracies of the last epoch and of the best one, in per cent; native minus NumPy, with the 95 %
interval of a paired t-test.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import nnexp
from benchmarks.quickstart import BACKENDS
from benchmarks.startup import NNEXP, QUICKSTART
from nnexp.analysis.statistics import Difference, paired_t
from nnexp.store.records import BackendName
from nnexp.store.run import Run

BOUND = 0.2
"""Percentage points within which the interval must lie."""


def train(folder: Path, backend: BackendName, options: argparse.Namespace) -> list[Run]:
    """Train the seeds with a backend and return the runs, in the order of the seeds."""
    runs = folder / backend
    settings = ["monitor=[train, validation, test]", *options.settings]
    command = [NNEXP, "train", str(QUICKSTART), "--quiet", "--backend", backend]
    command += ["--runs", str(runs), "--seeds", str(options.seeds), "-j", str(options.jobs)]
    command += [word for setting in settings for word in ("--set", setting)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    return sorted(nnexp.runs(runs), key=lambda run: run.config.seed)


def accuracies(runs: list[Run], backend: BackendName) -> dict[str, list[float]]:
    """Return the test accuracies of runs in per cent, by epoch."""
    last, best = [], []
    for run in runs:
        result = run.result
        if result is None or result.final is None or run.record.backend != backend:
            raise SystemExit(f"{run.path}: is not a finished run of the {backend} backend")
        last.append(100 * float(result.final.test_accuracy or 0.0))
        best.append(100 * float(result.test_accuracy or 0.0))
    return {"last": last, "best": best}


def row(epoch: str, native: list[float], numpy: list[float], found: Difference) -> str:
    """Return a row of the table."""
    half = found.half_width or 0.0
    means = (sum(values) / len(values) for values in (native, numpy))
    return (
        f"| {epoch} | {' | '.join(f'{mean:.3f}' for mean in means)} | {found.difference:+.3f} | "
        f"{found.difference - half:+.3f} to {found.difference + half:+.3f} |"
    )


def main() -> None:
    """Train all runs, and print the table and whether the intervals lie within the bound."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="runs trained at a time")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="settings")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        native, numpy = (
            accuracies(train(Path(folder), backend, options), backend) for backend in BACKENDS
        )
    print(f"{options.seeds} seeds\n\n| epoch | native | NumPy | difference | 95 % interval |")
    print("| --- | ---: | ---: | ---: | ---: |")
    farthest = 0.0
    for epoch in native:
        found = paired_t(numpy[epoch], native[epoch])
        print(row(epoch, native[epoch], numpy[epoch], found))
        farthest = max(farthest, abs(found.difference) + (found.half_width or 0.0))
    within = "within" if farthest <= BOUND else "not within"
    print(f"\nThe intervals lie {within} ±{BOUND:g} percentage points.")


if __name__ == "__main__":
    main()
