"""Test accuracies by both backends, with the same seeds: their mean difference.

Accuracies of the last epoch and of the best one, in per cent; native minus NumPy, with the 95 %
interval of a paired t-test. Sigmoid neurons hardly amplify differences of rounding, while those of
rectified linear units grow until they change the classes of examples.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import nnexp
from benchmarks.quickstart import BACKENDS
from benchmarks.startup import NNEXP, QUICKSTART
from nnexp.analysis.statistics import Difference, paired_t
from nnexp.store.records import BackendName
from nnexp.store.run import Run

CONFIGS = {"quickstart": (), "activation=relu": ("activation=relu",)}
"""Settings of the quickstart, by name."""

BOUND = 0.2
"""Percentage points within which the interval must lie."""


def train(
    runs: Path, backend: BackendName, settings: Iterable[str], options: argparse.Namespace
) -> list[Run]:
    """Train the seeds with a backend and return the runs, in the order of the seeds."""
    settings = ["monitor=[train, validation, test]", *settings, *options.settings]
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


def compare(settings: Iterable[str], options: argparse.Namespace) -> Iterator[Compared]:
    """Train a config by both backends and yield the accuracies of the last and the best epoch."""
    with tempfile.TemporaryDirectory() as folder:
        native, numpy = (
            accuracies(train(Path(folder) / backend, backend, settings, options), backend)
            for backend in BACKENDS
        )
    for epoch in native:
        difference = paired_t(numpy[epoch], native[epoch])
        yield Compared(epoch, fmean(native[epoch]), fmean(numpy[epoch]), difference)


class Compared(NamedTuple):
    """Mean accuracies of both backends in one epoch."""

    epoch: str
    native: float
    numpy: float
    difference: Difference

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        half = self.difference.half_width() or 0.0
        return self.difference.difference - half, self.difference.difference + half

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.epoch} | {self.native:.3f} | {self.numpy:.3f} | "
            f"{self.difference.difference:+.3f} | {low:+.3f} to {high:+.3f} |"
        )


def main() -> None:
    """Train all runs, and print the table and whether the intervals lie within the bound."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="runs trained at a time")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="settings")
    options = parser.parse_args()
    print(
        f"{options.seeds} seeds\n\n| config | epoch | native | NumPy | difference | 95 % interval |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    farthest = 0.0
    for name, settings in CONFIGS.items():
        for compared in compare(settings, options):
            print(f"| {name} | {compared}", flush=True)
            farthest = max(farthest, *map(abs, compared.interval))
    within = "within" if farthest <= BOUND else "not within"
    print(f"\nThe intervals lie {within} ±{BOUND:g} percentage points.")


if __name__ == "__main__":
    main()
