"""What the command line costs before and beside training: its start and a long list.

- ``nnexp --help`` beside ``python -c pass``, in turns;
- ``nnexp runs`` over thousands of finished runs;
- ``nnexp train`` beside thousands of runs, among which it looks for epochs to take over, in an
  empty folder, and there again once the run is done, in turns;
- 60 epochs after 30, which it takes over, and from scratch, in turns;
- ``nnexp compare`` of two runs, and of two experiments of fifty seeds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from nnexp.store import disk, records
from nnexp.store.run import CHECKPOINTS, CONFIG, LOCK, METRICS, RESULT, RUN, Run

PYTHON = sys.executable
NNEXP = str(Path(PYTHON).with_name("nnexp"))
QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SMALL = ("data.train=100", "data.validation=100", "data.test=100", "epochs=3")
MEDIUM = ("data.train=10000", "patience=null")
SEEDS = 50


class Use(NamedTuple):
    """What a command used."""

    clock: float
    """Seconds from start to end; what other programs take of the processor counts."""
    processor: float
    """Seconds of the processor's time."""
    memory: float
    """The most bytes held at a time."""


def use(command: Sequence[str]) -> Use:
    """Run a command and return what it used."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Use(clock, usage.ru_utime + usage.ru_stime, memory)


def in_turns(commands: Sequence[Sequence[str]], times: int) -> list[Use]:
    """Run commands in turns; return the medians of what each used."""
    rounds = [[use(command) for command in commands] for _ in range(times)]
    return [Use(*map(median, zip(*found, strict=True))) for found in zip(*rounds, strict=True)]


def row(name: str, used: Use) -> str:
    """Return a row of the table of times, in milliseconds."""
    return f"| {name} | {used.clock * 1e3:,.0f} | {used.processor * 1e3:,.0f} |"


def train(runs: Path, settings: Sequence[str]) -> list[str]:
    """Return the command that trains the quickstart with some settings."""
    options = [word for setting in settings for word in ("--set", setting)]
    return [NNEXP, "train", str(QUICKSTART), "--quiet", "--runs", str(runs), *options]


def multiply(run: Run, folder: Path, count: int) -> None:
    """Make as many finished runs of one: everything small of it, under names of their own."""
    same = {name: (run.path / name).read_bytes() for name in (CONFIG, METRICS, RESULT, LOCK)}
    for number in range(count):
        path = folder / f"{run.name}-{number:05d}"
        disk.make_directories(path / CHECKPOINTS)
        record = msgspec.structs.replace(run.record, name=path.name)
        for name, content in {**same, RUN: records.seal(record)}.items():
            (path / name).write_bytes(content)


def starts(folder: Path, many: Path, times: int) -> list[Use]:
    """Return the medians of training beside many runs, in an empty folder, and once more there."""
    rounds = []
    for seed in range(1, times + 1):  # of seeds that none of the many runs has
        settings = (*SMALL, f"seed={seed}")
        empty = folder / f"empty-{seed}"
        rounds.append([use(train(runs, settings)) for runs in (many, empty, empty)])
    return [Use(*map(median, zip(*found, strict=True))) for found in zip(*rounds, strict=True)]


def growth(folder: Path, times: int) -> list[Use]:
    """Return the medians of 60 epochs after 30 and from scratch."""
    rounds = []
    for number in range(times):
        grown, scratch = folder / f"grown-{number}", folder / f"scratch-{number}"
        use(train(grown, (*MEDIUM, "epochs=30")))
        rounds.append([use(train(runs, (*MEDIUM, "epochs=60"))) for runs in (grown, scratch)])
    return [Use(*map(median, zip(*found, strict=True))) for found in zip(*rounds, strict=True)]


def comparisons(runs: Path) -> dict[str, list[str]]:
    """Train two experiments of fifty seeds and return what compares them, by what it compares."""
    for name, setting in (("a", "lambda=0"), ("b", "lambda=5")):
        use([*train(runs, (*SMALL, setting)), "--name", name, "--seeds", str(SEEDS)])
    one, both = ([str(runs / f"{name}{end}") for name in "ab"] for end in ("-s0", ""))
    return {
        "`nnexp compare` of two runs": [NNEXP, "compare", *one],
        f"`nnexp compare` of 2 × {SEEDS} runs": [NNEXP, "compare", *both],
    }


def main() -> None:
    """Measure and print a table of times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=40, help="starts of each command")
    parser.add_argument("--count", type=int, default=10_000, help="runs to list")
    options = parser.parse_args()

    print("| command | clock, ms | processor's time, ms |\n| --- | ---: | ---: |")
    python, nnexp = in_turns([(PYTHON, "-c", "pass"), (NNEXP, "--help")], options.starts)
    print(row("`python -c pass`", python))
    print(row("`nnexp --help`", nnexp), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        use(train(one, SMALL))
        multiply(Run(next(one.glob("quickstart-*"))), many, options.count)
        (listed,) = in_turns([(NNEXP, "runs", "--runs", str(many))], 5)
        print(row(f"`nnexp runs`, {options.count:,} runs", listed), flush=True)
        use(train(many, (*SMALL, "seed=0")))  # makes the index
        beside, alone, done = starts(Path(folder), many, options.starts)
        print(row(f"`nnexp train`, 100 images, beside {options.count:,} runs", beside))
        print(row("`nnexp train`, 100 images, in an empty folder", alone))
        print(row("`nnexp train`, the same again: already done", done), flush=True)
        grown, scratch = growth(Path(folder), 3)
        print(row("`nnexp train`, 10,000 images, 60 epochs after 30", grown))
        print(row("`nnexp train`, 10,000 images, 60 epochs from scratch", scratch), flush=True)
        compared = comparisons(Path(folder) / "compared")
        for name, used in zip(compared, in_turns(list(compared.values()), 5), strict=True):
            print(row(name, used), flush=True)


if __name__ == "__main__":
    main()
