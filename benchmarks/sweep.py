"""What many runs cost: planning, memory in parallel, time beyond training, two at a time.

- planning 100,000 points, from one grid and from random draws;
- the peak of memory of two trials at a time and of one, all processes of the sweep together,
  by what the kernel counts as theirs (PSS: a page that several share is divided among them);
- the time of a sweep of many small trials beyond what their training takes by itself;
- the time of two trials at a time, divided by that of one after the other;
- the same of a search and of a tuning: the median ratio of pairs in turns, with the machine's load.

The last three say something on an idle machine only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PYTHON = sys.executable
QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
MEGA = 1e6
PLANNING = """
import resource, sys, time
from nnexp.study import sweep_file
from nnexp.study.plan import plan
start = time.perf_counter()
trials = plan(sweep_file.read(*{arguments})).trials
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(trials), time.perf_counter() - start, memory * (1 if sys.platform == "darwin" else 1024))
"""
DRAWS = """config: {config}
random:
  draws: 100000
  from: {{learning_rate: {{log-uniform: [0.001, 1]}}, lambda: {{uniform: [0, 10]}}}}
"""
NESTED = """config: {config}
set: {{optimizer: momentum}}
random:
  draws: 100000
  from:
    learning_rate: {{log-uniform: [0.001, 1]}}
    optimizer.mu: {{uniform: [0, 0.99]}}
    data.scale: {{log-uniform: [100, 1000]}}
"""


def planned(*arguments: object) -> tuple[int, float, float]:
    """Return the points of a sweep, the seconds of planning them, and the peak of memory."""
    script = PLANNING.format(arguments=arguments)
    told = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    count, seconds, memory = told.stdout.split()
    return int(count), float(seconds), float(memory)


def sweep(runs: Path, *arguments: str) -> list[str]:
    """Return the command that sweeps the quickstart."""
    return [PYTHON, "-m", "nnexp", "sweep", str(QUICKSTART), "-q", "--runs", str(runs), *arguments]


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, told.split())]
    return [pid]


def pss(pid: int) -> int:
    """Return a process's share of the memory, in bytes; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def peak(command: list[str]) -> float:
    """Return the most memory that a command and its children have at a time."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(pss, family(process.pid))))
        time.sleep(0.02)
    return float(most)


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
    return time.perf_counter() - start


def trained(runs: Path) -> float:
    """Return the seconds that all runs of a folder trained and evaluated."""
    rows = [
        json.loads(line)
        for path in runs.glob("*/timing.jsonl")
        for line in path.read_text().splitlines()
    ]
    return float(sum(row["train_seconds"] + row["evaluate_seconds"] for row in rows))


def parallel_ratios(folder: Path, pairs: int) -> None:
    """Print how long -j 2 takes, divided by -j 1, for a search and for a tuning of the quickstart.

    A tuning compares times in one of its stages. Both have the same ones, kept from a tuning
    before, so that they decide alike. It is on the first 20,000 images, for five pairs in minutes.
    """
    space = ("--space", "learning_rate=log-uniform(0.1, 1)", "--trials", "8", "--epochs", "8",
             "--confirm", "0")  # fmt: skip
    small = ("--set", "data.train=20000", "--set", "data.validation=5000")
    commands = {"search": ("search", *space), "tune": ("tune", *small, "--out")}
    kept = folder / "tuned-before"
    tune = [PYTHON, "-m", "nnexp", "tune", str(QUICKSTART), "-q", *small]
    seconds([*tune, "--out", str(kept), "--runs", str(folder / "runs-before")])
    for name, arguments in commands.items():
        ratios, loads = [], []
        for number in range(pairs):
            took = {}
            for jobs in ("1", "2"):
                out = folder / f"{name}-{number}-{jobs}"
                words = [*arguments, str(out)] if name == "tune" else [*arguments]
                if name == "tune":
                    shutil.copytree(kept, out)
                command = [PYTHON, "-m", "nnexp", words[0], str(QUICKSTART), "-q", *words[1:]]
                took[jobs] = seconds([*command, "-j", jobs, "--runs", f"{out}-runs"])
                loads.append(os.getloadavg()[0])
            ratios.append(took["2"] / took["1"])
            print(f"{name}, pair {number + 1}: {took['2']:.1f} s by {took['1']:.1f} s", flush=True)
        shown = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
        print(
            f"{name} -j 2 by -j 1: {median(ratios):.2f}, the median of {shown}; "
            f"load {min(loads):.1f} to {max(loads):.1f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of what is timed")
    parser.add_argument(
        "--parallel", action="store_true", help="only search and tune, -j 2 by -j 1"
    )
    parser.add_argument("--pairs", type=int, default=5, help="pairs of those")
    given = parser.parse_args()
    rounds = given.rounds
    if given.parallel:
        with tempfile.TemporaryDirectory() as folder:
            parallel_ratios(Path(folder), given.pairs)
        return
    rates = "learning_rate=" + ",".join(str(each / 1000) for each in range(1, 1001))
    strengths = "lambda=" + ",".join(map(str, range(100)))
    with tempfile.TemporaryDirectory() as folder:
        sheet, nested = Path(folder) / "draws.yaml", Path(folder) / "nested.yaml"
        sheet.write_text(DRAWS.format(config=QUICKSTART))
        nested.write_text(NESTED.format(config=QUICKSTART))
        for name, arguments in {
            "a grid": (str(QUICKSTART), (), (rates, strengths)),
            "random draws of two keys": (str(sheet),),
            "random draws of three keys, two of them nested": (str(nested),),
        }.items():
            count, clock, memory = planned(*arguments)
            print(f"planning {count:,} points, {name}: {clock:.1f} s, {memory / MEGA:.0f} MB")

        one = peak(sweep(Path(folder) / "one", "-j", "1", "--set", "epochs=3"))
        two = peak(sweep(Path(folder) / "two", "-j", "2", "--set", "epochs=3", "--seeds", "2"))
        alone = peak([PYTHON, "-m", "nnexp", "train", str(QUICKSTART), "-q", "--set", "epochs=3",
                      "--runs", str(Path(folder) / "alone")])  # fmt: skip
        print(f"peak memory, nnexp train: {alone / MEGA:.0f} MB")
        print(f"peak memory, a sweep with 1 at a time: {one / MEGA:.0f} MB")
        print(f"peak memory, a sweep with 2 at a time: {two / MEGA:.0f} MB, "
              f"{two / one:.2f} times, {two / alone:.2f} times train's")  # fmt: skip

        beyond, ratios = [], []
        small = ("--set", "data.train=1000", "--set", "epochs=1", "-j", "1")
        for number in range(rounds):
            few, many = (Path(folder) / f"{what}{number}" for what in ("few", "many"))
            start = seconds(sweep(few, *small, "--seeds", "1")) - trained(few)
            whole = seconds(sweep(many, *small, "--seeds", "41")) - trained(many)
            beyond.append((whole - start) / 40)
            after, beside = (Path(folder) / f"{what}{number}" for what in ("after", "beside"))
            turns = seconds(sweep(after, "-j", "1", "--set", "epochs=15", "--seeds", "2"))
            together = seconds(sweep(beside, "-j", "2", "--set", "epochs=15", "--seeds", "2"))
            ratios.append(together / turns)
        print(f"a trial beyond its training and evaluation: {1e3 * median(beyond):.0f} ms")
        print(f"two at a time by one after the other: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
