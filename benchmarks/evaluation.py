"""Evaluation of MNIST's 10,000 test examples by nnexp's native and NumPy backends, in turns.

Each backend is a process of its own with one thread; the table has medians of examples a second of
the processor's time. That both find the same cost is checked.
"""

from __future__ import annotations

import argparse
from itertools import product

from benchmarks.processes import NUMPY, OWN, Contenders, bind, environment, print_machine
from benchmarks.throughput import NETWORKS
from benchmarks.work import DATA


def main() -> None:
    """Measure all networks on sparse and dense data and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each cell")
    parser.add_argument("--kernels", help="kernels of the native backend (default: the fastest)")
    options = parser.parse_args()
    bind()
    variables = environment(options.kernels)
    print_machine(variables)
    print("\n| network | data | native | NumPy | ratio |\n| --- | --- | ---: | ---: | ---: |")
    with Contenders([OWN, NUMPY], variables) as contenders:
        for data, sizes in product(DATA, NETWORKS):
            cell = {"task": "evaluate", "data": data, "sizes": sizes, "batch": 1, "examples": 1}
            rates = contenders.measure(cell, options.rounds)
            native, numpy = rates[OWN], rates[NUMPY]
            name = "-".join(map(str, sizes))
            print(f"| {name} | {data} | {native:,.0f} | {numpy:,.0f} | {native / numpy:.2f} |")


if __name__ == "__main__":
    main()
