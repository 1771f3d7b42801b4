"""What the command line costs before and beside training: its start, a long list, memory.

- ``nnexp --help`` beside ``python -c pass``, in turns;
- ``nnexp runs`` over thousands of finished runs;
- the peak memory of whole MNIST runs.
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

import msgspec

from nnexp.store import disk, sealed
from nnexp.store.run import CHECKPOINTS, CONFIG, LOCK, METRICS, RESULT, RUN, Run

PYTHON = sys.executable
NNEXP = str(Path(PYTHON).with_name("nnexp"))
QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SMALL = ("data.train=100", "data.validation=100", "data.test=100", "epochs=3")
LARGE = ("hidden=[300, 100]", "epochs=2")
MEGA = 1e6


def seconds(command: Sequence[str]) -> float:
    """Return the time that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own commands
    return time.perf_counter() - start


def in_turns(commands: Sequence[Sequence[str]], times: int) -> list[float]:
    """Return the median time of each command."""
    rounds = [[seconds(command) for command in commands] for _ in range(times)]
    return [median(found) for found in zip(*rounds, strict=True)]


def train(runs: Path, settings: Sequence[str]) -> list[str]:
    """Return the command that trains the quickstart with some settings."""
    options = [word for setting in settings for word in ("--set", setting)]
    return [NNEXP, "train", str(QUICKSTART), "--quiet", "--runs", str(runs), *options]


def multiply(run: Run, folder: Path, count: int) -> None:
    """Make as many finished runs of one: everything small of it, under names of their own."""
    same = {name: (run.path / name).read_bytes() for name in (CONFIG, METRICS, RESULT, LOCK)}
    for number in range(count):
        path = folder / f"{run.name}-{number:05d}"
        disk.make_directory(path / CHECKPOINTS)
        record = msgspec.structs.replace(run.record, name=path.name)
        for name, content in {**same, RUN: sealed.seal(record)}.items():
            (path / name).write_bytes(content)


def peak_memory(command: Sequence[str]) -> float:
    """Return the most bytes of memory that a command held at a time."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=40, help="starts of each command")
    parser.add_argument("--count", type=int, default=10_000, help="runs to list")
    options = parser.parse_args()

    python, nnexp = in_turns([(PYTHON, "-c", "pass"), (NNEXP, "--help")], options.starts)
    print(
        f"- `python -c pass` {python * 1e3:.0f} ms, `nnexp --help` {nnexp * 1e3:.0f} ms:", end=" "
    )
    print(f"{(nnexp - python) * 1e3:.0f} ms more")
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        subprocess.run(train(one, SMALL), check=True)  # noqa: S603 - our own command
        multiply(Run(next(one.iterdir())), many, options.count)
        listed = in_turns([(NNEXP, "runs", "--runs", str(many))], 5)[0]
        print(f"- `nnexp runs` over {options.count:,} finished runs: {listed:.2f} s")
        for name, settings in {"quickstart": (), ", ".join(LARGE): LARGE}.items():
            peak = peak_memory(train(one, settings))
            print(f"- peak memory of a run on all of MNIST, {name}: {peak / MEGA:.0f} MB")


if __name__ == "__main__":
    main()
