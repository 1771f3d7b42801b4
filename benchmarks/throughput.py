"""Training examples a second: nnexp beside its peers and beside the matrix products alone.

Each contender is a process of its own, with one BLAS thread and bound to one
processor. They take turns, round after round, so that whatever else the machine does falls on
all alike; the table holds medians. What counts as equal work is said in ``work.py``, and is
checked: after the same epoch all must have arrived at the same parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
NETWORKS = ((784, 30, 10), (784, 100, 10), (784, 300, 100, 10))
EXAMPLES = {1: 1000, 10: 4000, 32: 4800, 100: 5000, 1000: 10_000}
"""Examples of a measured epoch, by mini-batch."""

OWN = "nnexp"
PEERS = ("network2", "scikit-learn", "PyTorch", "JAX")
PARTS = ("products", "passes", "feed")
TOLERANCE = 0.0001
"""How far parameters may be from nnexp's after an epoch, as a share of the way they went."""

Rates = dict[str, float]


class Contender:
    """A process that trains what it is told to.

    Args:
        name: a contender of ``own.py`` or ``peers.py``.
        environment: its variables.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "benchmarks.contender", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=HERE.parent,
        )

    def ask(self, question: Mapping[str, object] | None) -> dict[str, Any]:
        """Send a line and return the answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("the process has no pipes")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: the process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def environment(blas_kernel: str) -> dict[str, str]:
    """Return the variables of the contenders: one thread, and OpenBLAS's kernels as asked for."""
    variables = dict(os.environ)
    if blas_kernel == "native":
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            variables.pop(name, None)
    for library in ("OPENBLAS", "OMP", "MKL"):
        variables[f"{library}_NUM_THREADS"] = "1"
    variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    variables["JAX_PLATFORMS"] = "cpu"
    return variables


def measure(
    contenders: dict[str, Contender], sizes: tuple[int, ...], batch: int, rounds: int
) -> Rates:
    """Return the median rate of each contender on one cell; drop those that are missing."""
    cell = {"sizes": sizes, "batch": batch, "examples": EXAMPLES[batch]}
    answers = {name: contender.ask(cell) for name, contender in contenders.items()}
    for name in [name for name, answer in answers.items() if "missing" in answer]:
        print(f"{name} is left out: {answers.pop(name)['missing']} is not installed", flush=True)
        contenders.pop(name).close()
    check(cell, answers)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            rates[name].append(contender.ask(None)["rate"])
    return {name: median(found) for name, found in rates.items()}


def check(cell: Mapping[str, object], answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Say so if a contender has not done the work that nnexp has."""
    for name, answer in answers.items():
        if answer["strayed"] is not None and not answer["strayed"] < TOLERANCE:
            print(f"{name} is not comparable on {cell}: {answer['strayed']:.1%} away", flush=True)


def rates_row(cell: str, rates: Rates) -> str:
    """Return a row of the first table: rates, and nnexp's ratio to each of the others."""
    cells = [f"{rates[OWN]:,.0f}"]
    for name in (*PEERS, "products"):
        other = rates.get(name)
        cells.append("-" if other is None else f"{other:,.0f} ({rates[OWN] / other:.2f})")
    return f"| {cell} | {' | '.join(cells)} |"


def parts_row(cell: str, batch: int, rates: Rates) -> str:
    """Return a row of the second table: a step's time, and which part of it goes where."""
    shares = [rates[OWN] / rates[name] for name in PARTS]
    cells = [f"{batch / rates[OWN] * 1e6:,.0f}", *(f"{x:.0%}" for x in (*shares, 1 - sum(shares)))]
    return f"| {cell} | {' | '.join(cells)} |"


def table(header: tuple[str, ...], rows: list[str]) -> str:
    """Return a Markdown table; numbers stand on the right."""
    rule = "| --- | --- |" + " ---: |" * (len(header) - 2)
    return "\n".join([f"| {' | '.join(header)} |", rule, *rows])


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--blas-kernel",
        choices=("native", "as-set"),
        default="native",
        help="native: forget OPENBLAS_CORETYPE, so that OpenBLAS uses what the processor has",
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of each cell")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each cell")
    parser.add_argument(
        "--cells", nargs="+", metavar="NET:BATCH", help="some cells only, as in 784-30-10:10"
    )
    return parser.parse_args()


def main() -> None:
    """Measure all cells and print both tables."""
    options = arguments()
    variables = environment(options.blas_kernel)
    contenders = {name: Contender(name, variables) for name in (OWN, *PEERS, *PARTS)}
    rates_rows, parts_rows = [], []
    for sizes, batch in product(NETWORKS, EXAMPLES):
        network = "-".join(map(str, sizes))
        if options.cells and f"{network}:{batch}" not in options.cells:
            continue
        rates = measure(contenders, sizes, batch, 2 if options.quick else options.rounds)
        rates_rows.append(rates_row(f"{network} | {batch}", rates))
        parts_rows.append(parts_row(f"{network} | {batch}", batch, rates))
        print(rates_rows[-1], file=sys.stderr, flush=True)
    for contender in contenders.values():
        contender.close()
    subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, str(HERE / "machine.py")], env=variables, check=True
    )
    print("\n" + table(("network", "batch", OWN, *PEERS, "two products"), rates_rows))
    header = ("network", "batch", "µs a step", "two products", "passes over θ", "feed", "rest")
    print("\n" + table(header, parts_rows))


if __name__ == "__main__":
    main()
