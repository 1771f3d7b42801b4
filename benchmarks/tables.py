"""Time the reading of a large csv file beside numpy.loadtxt, and measure its memory.

    python -m benchmarks.tables [--rows 200000] [--columns 50] [--rounds 3]

Both read the same file in turns, each time in a new process. loadtxt reads the numeric columns
only; of a table with decimal commas it reads a copy with points. Prints the median processor times,
the median of the rounds' ratios, and by how much the process grew at most, as a multiple of the
array's size. Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLASSES = np.array(["setosa", "versicolor", "virginica"])

OURS = """
import sys, time
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Csv
def peak():
    with open("/proc/self/status") as file:  # ru_maxrss would include the parent's
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
before, began = peak(), time.process_time()
dataset = load(Csv(train_file=sys.argv[1]))
seconds = time.process_time() - began
print(seconds, (peak() - before) * 1024 / (8 * dataset.train.features.size))
"""
THEIRS = """
import sys, time
import numpy as np
def peak():
    with open("/proc/self/status") as file:  # ru_maxrss would include the parent's
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
before, began = peak(), time.process_time()
columns = range(int(sys.argv[3]))
array = np.loadtxt(sys.argv[1], delimiter=sys.argv[2], skiprows=1, usecols=columns)
seconds = time.process_time() - began
print(seconds, (peak() - before) * 1024 / array.nbytes)
"""


def write(path: Path, rows: int, columns: int, delimiter: str, decimal: str, quote: str) -> None:
    """Write a table of normal random numbers with five decimals, and a label in the last column."""
    rng = np.random.default_rng(0)
    labels = CLASSES[rng.integers(0, len(CLASSES), rows)]
    with path.open("w", encoding="utf-8") as file:
        names = [*(f"feature {number}" for number in range(columns)), "label"]
        file.write(delimiter.join(names) + "\n")
        for label in labels:
            numbers = delimiter.join(f"{value:.5f}" for value in rng.standard_normal(columns))
            file.write(f"{numbers.replace('.', decimal)}{delimiter}{quote}{label}{quote}\n")


def measured(program: str, *arguments: str) -> tuple[float, float]:
    """Return the seconds of processor time and the relative memory that a program prints."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    seconds, memory = map(float, told.split())
    return seconds, memory


def main() -> None:
    """Measure tables of three forms."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print("| table | nnexp | loadtxt | ratio | memory of nnexp | of loadtxt |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    forms = {
        "commas": (",", ".", ""),
        "labels in quotes": (",", ".", '"'),
        "semicolons, decimal commas": (";", ",", ""),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, (delimiter, decimal, quote) in forms.items():
            path, points = Path(folder) / "table.csv", Path(folder) / "points.csv"
            write(path, asked.rows, asked.columns, delimiter, decimal, quote)
            points.write_text(path.read_text("utf-8").replace(decimal, "."), "utf-8")
            rounds = [
                (
                    measured(OURS, str(path)),
                    measured(THEIRS, str(points), delimiter, str(asked.columns)),
                )
                for _ in range(asked.rounds)
            ]
            ours, theirs = (statistics.median(r[i][0] for r in rounds) for i in (0, 1))
            memory = [max(r[i][1] for r in rounds) for i in (0, 1)]
            ratio = statistics.median(r[0][0] / r[1][0] for r in rounds)
            print(
                f"| {name} | {ours:.2f} s | {theirs:.2f} s | {ratio:.2f} "
                f"| {memory[0]:.2f} | {memory[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
