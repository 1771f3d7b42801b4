"""How closely find-rate's answers agree over seeds and processors, and what they cost.

    python -m benchmarks.find_rate FOLDER --against OTHER

The book's network is asked for its learning rate on three problems, with disjoint sets of seeds
and with several of OpenBLAS's kernels, whose sums differ in their last digits. At least nine of ten
answers to a problem must be within a factor of 1.5 of their median, and MNIST's median must be
between 0.2 and 0.5. With ``--against``, the root of another version's source tree, both versions
take turns at the first sets, each in an empty folder. Seconds of the processor, of nnexp and its
workers, are measured beside those of the clock, since other programs hardly change their ratio.
Repeat the command to resume it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
SEEDS = 3
"""Of an answer, the default of find-rate."""
NEAR, SHARE = 1.5, 0.9
"""The factor within which a share of the answers must be of their median."""
BOOK = 0.2, 0.5
"""Bounds of MNIST's median; the book has 0.25."""
SLOWER = 1.5
"""The largest ratio of times that is allowed."""
FASHION = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts it."""

PROBLEMS: dict[str, dict[str, Any]] = {
    "mnist": {"name": "mnist"},
    "n-1000": {"name": "mnist", "train": 1000},
    "fashion": {"name": "idx", "directory": FASHION},
}
"""The data of each problem."""
KERNELS = ("none", "Haswell", "Sandybridge")
"""Values of OPENBLAS_CORETYPE; none: it is not set."""


class Answer(NamedTuple):
    """What find-rate answered, and how long it took."""

    learning_rate: float
    clock: float
    """Seconds that passed."""
    processors: float
    """Seconds of the processors, in user and system mode."""


class Machine(NamedTuple):
    """What find-rate runs on."""

    kernel: str
    backend: str
    jobs: int


def write(folder: Path, problem: str) -> Path:
    """Write a problem's config: the book's network with 30 hidden neurons."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{problem}.yaml"
    path.write_text(yaml.safe_dump({"data": PROBLEMS[problem], "hidden": [30]}), encoding="utf-8")
    return path


def ask(root: Path, config: Path, runs: Path, seed: int, machine: Machine) -> Answer:
    """Run the find-rate of a source tree.

    Args:
        root: of the source tree.
        config: the problem's config.
        runs: the folder of runs.
        seed: the first of the seeds.
        machine: what it runs on.
    """
    environment = {**os.environ}
    environment.pop("OPENBLAS_CORETYPE", None)
    if machine.kernel != "none":
        environment["OPENBLAS_CORETYPE"] = machine.kernel
    command = [sys.executable, "-m", "nnexp", "find-rate", str(config.resolve()), "--json", "-q"]
    command += ["--backend", machine.backend, "-j", str(machine.jobs)]
    command += ["--runs", str(runs.resolve()), "--set", f"seed={seed}"]
    start, busy = time.perf_counter(), _processor_seconds()
    done = subprocess.run(  # noqa: S603 - nnexp itself, of the tree that it is started in
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    clock, processors = time.perf_counter() - start, _processor_seconds() - busy
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return Answer(json.loads(done.stdout)["learning_rate"], clock, processors)


def _processor_seconds() -> float:
    """Return the processor time of all child processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def agreement(answers: Sequence[float]) -> float:
    """Return the share of answers within a factor of ``NEAR`` of their median."""
    middle = median(answers)
    near = [middle / NEAR <= answer <= NEAR * middle for answer in answers]
    return sum(near) / len(near)


def counted(answers: Sequence[float]) -> str:
    """Return how often each answer was given."""
    return ", ".join(f"{rate:g}: {count}" for rate, count in sorted(Counter(answers).items()))


def measure(options: argparse.Namespace) -> Iterator[bool]:
    """Print the table of answers; yield whether each problem's agree."""
    print("| problem | kernels | sets | median | range | near | answers |")
    print("| --- | --- | ---: | ---: | --- | ---: | --- |")
    for problem in options.problems:
        config = write(options.folder, problem)
        together: list[float] = []
        for kernel in options.kernels:
            machine = Machine(kernel, options.backend, options.jobs)
            runs = options.folder / f"{problem}-{options.backend}-{kernel}"
            firsts = range(0, SEEDS * options.sets, SEEDS)
            answers = [ask(ROOT, config, runs, seed, machine).learning_rate for seed in firsts]
            print(row(problem, kernel, answers), flush=True)
            together += answers
        print(row(problem, "all", together), flush=True)
        is_booked = problem != "mnist" or BOOK[0] <= median(together) <= BOOK[1]
        yield agreement(together) >= SHARE and is_booked


def row(problem: str, kernel: str, answers: Sequence[float]) -> str:
    """Return a line of the table of answers."""
    near = f"{100 * agreement(answers):.0f} %"
    ends = f"{min(answers):g} to {max(answers):g}"
    cells = (problem, kernel, len(answers), f"{median(answers):g}", ends, near, counted(answers))
    return f"| {' | '.join(map(str, cells))} |"


def race(options: argparse.Namespace) -> Iterator[bool]:
    """Print the table of times beside another version; yield whether each ratio is allowed."""
    print("\n| problem | sets | time | seconds | other | ratio | answers | other answers |")
    print("| --- | ---: | --- | ---: | ---: | ---: | --- | --- |")
    machine = Machine("none", options.backend, options.jobs)
    for problem in options.problems:
        config = write(options.folder, problem)
        sides: tuple[list[Answer], list[Answer]] = ([], [])
        for first in range(0, SEEDS * options.timed, SEEDS):
            for root, side in zip((ROOT, options.against), sides, strict=True):
                with TemporaryDirectory() as runs:
                    side.append(ask(root, config, Path(runs), first, machine))
        said = " | ".join(counted([answer.learning_rate for answer in side]) for side in sides)
        for of in ("clock", "processors"):
            own, other = (fmean(getattr(answer, of) for answer in side) for side in sides)
            cells = (problem, options.timed, of, f"{own:.1f}", f"{other:.1f}")
            print(f"| {' | '.join(map(str, cells))} | {own / other:.2f} | {said} |", flush=True)
            yield own <= SLOWER * other


def main() -> None:
    """Ask for the rates and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="of the configs and runs")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--kernels", nargs="*", choices=KERNELS, default=list(KERNELS))
    parser.add_argument("--sets", type=int, default=20, help="disjoint sets of seeds")
    parser.add_argument("--backend", choices=("numpy", "native"), default="numpy")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--against", type=Path, help="root of another version's source tree")
    parser.add_argument("--timed", type=int, default=5, help="sets that both versions are timed at")
    options = parser.parse_args()
    results = list(measure(options)) if options.kernels else []
    results += list(race(options)) if options.against else []
    print(f"\nThe promise {'holds' if all(results) else 'does NOT hold'}.")
    if not all(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
