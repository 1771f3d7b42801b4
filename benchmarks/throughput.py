"""Training examples a second: nnexp beside its peers, and its share of the processor's limit.

Each contender is a process of its own with one thread; all are bound to the same processor, take
turns, round after round, and are measured in the processor's time. The table has medians. All do
the same work, which is checked: after an epoch, all must have arrived at the same parameters.
``work.py`` describes the work and ``limits.py`` the limit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import product
from statistics import geometric_mean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.limits import CoreRates, Demand, Limit, Limits
from benchmarks.processes import NUMPY, OWN, Contenders, Rates, bind, environment, print_machine
from benchmarks.work import DataName, prepare
from nnexp.native import availability

NETWORKS = ((784, 30, 10), (784, 100, 10), (784, 300, 100, 10))
EXAMPLES = {1: 2000, 10: 4000, 32: 4800, 100: 5000, 1000: 10_000}
"""Examples of a measured epoch, by mini-batch."""

PEERS = ("network2", "scikit-learn", "PyTorch", "JAX")
LEAST = 0.9
"""Every cell's least ratio to the NumPy backend."""


class Cell(NamedTuple):
    """A network and a mini-batch size."""

    sizes: tuple[int, ...]
    batch: int

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}:{self.batch}"


class Measured(NamedTuple):
    """The results of a cell."""

    cell: Cell
    rates: Rates
    core: CoreRates
    limit: Limit
    """Of a step."""

    def ratio(self, name: str) -> float:
        """Return nnexp's rate relative to another contender's."""
        return self.rates[OWN] / self.rates[name]

    @property
    def best_ratio(self) -> float | None:
        """The rate of nnexp relative to the fastest peer's; None without peers."""
        return min((self.ratio(peer) for peer in PEERS if peer in self.rates), default=None)

    @property
    def share(self) -> float:
        """The rate of nnexp as a fraction of the limit."""
        return self.rates[OWN] * self.limit.seconds / self.cell.batch


def row(measured: Measured, others: Sequence[str]) -> str:
    """Return a row of the table: rates, and nnexp's ratio to each of the others."""
    cell, best = measured.cell, measured.best_ratio
    columns = [str(cell).partition(":")[0], str(cell.batch), f"{measured.rates[OWN]:,.0f}"]
    for name in others:
        rate = measured.rates.get(name)
        columns.append("-" if rate is None else f"{rate:,.0f} ({measured.ratio(name):.2f})")
    columns.append("-" if best is None else f"{best:.2f}")
    columns.append(f"{measured.share:.0%} ({measured.limit.bound})")
    return f"| {' | '.join(columns)} |"


def header(others: Sequence[str]) -> str:
    """Return the first two lines of the table."""
    names = ("network", "batch", OWN, *others, "÷ best peer", "of the limit")
    return f"| {' | '.join(names)} |\n| --- | ---: |{' ---: |' * (len(names) - 2)}"


def summary(results: Sequence[Measured]) -> Iterator[str]:
    """Yield the sentences below the table."""
    best = {str(result.cell): x for result in results if (x := result.best_ratio) is not None}
    if best:
        yield describe("the best peer", best, 1.0)
    if all(NUMPY in result.rates for result in results):
        ratios = {str(result.cell): result.ratio(NUMPY) for result in results}
        yield describe("the NumPy backend", ratios, LEAST)
    cores = [result.core for result in results]
    peak = max(core.peak for core in cores)
    yield (
        f"The core computes {peak / 1e9:.0f} GFLOP/s in fused multiply-adds; it reads "
        f"{span([core.reading for core in cores])} and updates "
        f"{span([core.updating for core in cores])} GB/s of the weights of a step."
    )


def describe(other: str, ratios: dict[str, float], least: float) -> str:
    """Return the geometric mean of ratios, their smallest one, and the cells below a least one."""
    below = [f"{name} ({ratio:.2f})" for name, ratio in ratios.items() if ratio < least]
    name, smallest = min(ratios.items(), key=lambda item: item[1])
    return (
        f"Relative to {other}: geometric mean {geometric_mean(ratios.values()):.2f}, smallest "
        f"{smallest:.2f} ({name}); at least {least:g} in {len(ratios) - len(below)} of "
        f"{len(ratios)} cells; below it: {', '.join(below) or 'none'}."
    )


def span(rates: Sequence[float]) -> str:
    """Return the range of rates, in 10⁹ a second."""
    return f"{min(rates) / 1e9:.0f} to {max(rates) / 1e9:.0f}"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--kernels", help="kernels of the native backend, such as avx2 (default: the fastest)"
    )
    parser.add_argument("--dense", action="store_true", help="train on standardized features")
    parser.add_argument(
        "--against", nargs="+", choices=(NUMPY, *PEERS), default=[NUMPY, *PEERS], metavar="NAME"
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of each cell")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each cell")
    parser.add_argument(
        "--cells", nargs="+", metavar="NET:BATCH", help="some cells only, as in 784-30-10:10"
    )
    return parser.parse_args()


def measure(
    cell: Cell, data: DataName, contenders: Contenders, limits: Limits, rounds: int
) -> Measured:
    """Measure a cell."""
    epoch = {"sizes": cell.sizes, "batch": cell.batch, "examples": EXAMPLES[cell.batch]}
    rates = contenders.measure({"task": "train", "data": data, **epoch}, rounds)
    demand = Demand.of_step(cell.sizes, multiplied(cell, data), cell.batch)
    core = limits.measure(demand.weights)
    return Measured(cell, rates, core, core.limit(demand))


def multiplied(cell: Cell, data: DataName) -> npt.NDArray[np.bool_]:
    """Return which features of an epoch's examples must be multiplied: with dense data, all."""
    examples = EXAMPLES[cell.batch]
    if data == "standardized":
        return np.ones((examples, cell.sizes[0]), bool)
    return prepare(data, list(cell.sizes), cell.batch, examples).nonzero()


def main() -> None:
    """Measure all cells and print the table."""
    options = arguments()
    bind()
    variables = environment(options.kernels)
    kernels = options.kernels or availability.kernels()
    data: DataName = "standardized" if options.dense else "pixels"
    cells = [Cell(*cell) for cell in product(NETWORKS, EXAMPLES)]
    results: list[Measured] = []
    with (
        closing(Limits(kernels, variables)) as limits,
        Contenders([OWN, *options.against], variables) as contenders,
    ):
        for cell in cells:
            if options.cells and str(cell) not in options.cells:
                continue
            rounds = 2 if options.quick else options.rounds
            results.append(measure(cell, data, contenders, limits, rounds))
            print(row(results[-1], options.against), file=sys.stderr, flush=True)
    print_machine(variables)
    print(f"- nnexp's kernels: {kernels}; data: {data}\n\n{header(options.against)}")
    for result in results:
        print(row(result, options.against))
    print()
    for sentence in summary(results):
        print(sentence)


if __name__ == "__main__":
    main()
