"""A full run of the quickstart by both backends: processor time, its phases, and peak memory.

The commands take turns, each in a new folder, with one thread, bound to the same processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.processes import bind, environment, print_machine
from benchmarks.startup import NNEXP, QUICKSTART, Use, use
from nnexp.store.records import BackendName

BACKENDS: tuple[BackendName, ...] = ("native", "numpy")
LARGE = ("hidden=[300, 100]", "epochs=2")
MEGA = 1e6

Phases = dict[str, float]
"""Seconds by phase."""


def train(runs: Path, backend: BackendName, settings: Sequence[str]) -> list[str]:
    """Return the arguments of nnexp that train the quickstart with some settings."""
    options = [word for setting in settings for word in ("--set", setting)]
    common = ["--quiet", "--runs", str(runs), "--backend", backend]
    return ["train", str(QUICKSTART), *common, *options]


def phases(arguments: Sequence[str]) -> Phases:
    """Run nnexp and return the phases of its processor time."""
    command = [sys.executable, "-m", "benchmarks.phases", *arguments]
    output = subprocess.run(  # noqa: S603 - our own interpreter
        command, check=True, capture_output=True, text=True
    ).stdout
    seconds: Phases = json.loads(output.splitlines()[-1])
    return seconds


def total_row(backend: BackendName, uses: Sequence[Use], large: Use) -> str:
    """Return a backend's row of the first table."""
    seconds = sorted(use.processor for use in uses)
    memory = max(use.memory for use in uses) / MEGA
    return (
        f"| {backend} | {median(seconds):.2f} | {seconds[0]:.2f} to {seconds[-1]:.2f} | "
        f"{memory:.0f} | {large.memory / MEGA:.0f} |"
    )


def phase_rows(found: Sequence[Phases]) -> list[str]:
    """Return the rows of the second table, and their sums."""
    names = dict.fromkeys(name for seconds in found for name in seconds)
    rows = {name: [seconds.get(name, 0.0) for seconds in found] for name in names}
    rows["sum"] = [sum(seconds.values()) for seconds in found]
    return [f"| {name} | {' | '.join(f'{x:.2f}' for x in row)} |" for name, row in rows.items()]


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=3, help="full runs of each backend")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="settings")
    options = parser.parse_args()
    bind()
    print_machine(environment())
    uses: dict[BackendName, list[Use]] = {backend: [] for backend in BACKENDS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.times):
            for backend in BACKENDS:
                runs = Path(folder) / f"{backend}-{number}"
                uses[backend].append(use([NNEXP, *train(runs, backend, options.settings)]))
        large = {
            backend: use([NNEXP, *train(Path(folder) / f"{backend}-large", backend, LARGE)])
            for backend in BACKENDS
        }
        measured = [
            phases(train(Path(folder) / f"{backend}-phases", backend, options.settings))
            for backend in BACKENDS
        ]
    print(f"\n| backend | s | of {options.times} | peak memory, MB | {', '.join(LARGE)}, MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for backend in BACKENDS:
        print(total_row(backend, uses[backend], large[backend]))
    native, numpy = (median(use.processor for use in uses[backend]) for backend in BACKENDS)
    print(f"\nThe native backend takes {native / numpy:.2f} of the time of the NumPy backend.")
    print(f"\n| phase, s | {' | '.join(BACKENDS)} |\n| --- | ---: | ---: |")
    print("\n".join(phase_rows(measured)))


if __name__ == "__main__":
    main()
