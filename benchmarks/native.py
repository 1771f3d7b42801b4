"""Training and evaluation with the native kernels alone, beside the NumPy backend.

All steps of an epoch are one call of the kernels. Both backends take turns, and the tables hold the
processor time of each one's fastest round, since whatever else the machine does only adds to it.
Run it as ``python -m benchmarks.native``; NNEXP_NATIVE_KERNELS chooses the kernels, and ``--dense``
makes them multiply the zeros of the inputs, too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import own
from benchmarks.work import DECAY, LEARNING_RATE, Work, prepare
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.native import availability
from nnexp.native.kernels import MAX_DENSITY, NativeExamples, NativeNetwork, NativePenalty
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagations
from nnexp.training.evaluation import evaluate
from nnexp.training.feed import Feed

CELLS = (
    ((784, 30, 10), 1),
    ((784, 30, 10), 10),
    ((784, 30, 10), 100),
    ((784, 100, 10), 10),
    ((784, 100, 10), 100),
    ((784, 300, 100, 10), 10),
    ((784, 300, 100, 10), 1000),
)
EXAMPLES = {1: 2000, 10: 4000, 100: 5000, 1000: 5000}
"""Examples of an epoch, by mini-batch."""

Rates = tuple[float, float]
"""Examples a second of NumPy and of the kernels."""


def rates(numpy: Callable[[], object], native: Callable[[], object], rows: int, n: int) -> Rates:
    """Return the rates of two functions that process rows examples, in n rounds."""
    times = [(seconds(numpy), seconds(native)) for _ in range(n)]
    slow, fast = (rows / min(column) for column in zip(*times, strict=True))
    return slow, fast


def seconds(function: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    began = time.thread_time()
    function()
    return time.thread_time() - began


def training(work: Work, examples: NativeExamples, rounds: int) -> Rates:
    """Measure the epochs of a cell."""
    network = NativeNetwork(work.sizes)
    parameters = network.pack(work.theta.astype(np.float32))
    penalty = NativePenalty("l2", DECAY)

    def epoch() -> None:
        network.descend(
            parameters, examples, work.order, work.batch, LEARNING_RATE, penalty=penalty
        )

    return rates(own.nnexp(work).epoch, epoch, len(work.order), rounds)


def evaluation(sizes: tuple[int, ...], dataset: Dataset, density: float, rounds: int) -> Rates:
    """Measure the evaluation of the test examples."""
    split = dataset.test
    if split is None:
        raise ValueError("the data have no test examples")
    network, native = Network(sizes), NativeNetwork(sizes)
    theta = np.random.default_rng(0).normal(0, 0.04, network.size).astype(np.float32)
    feed = Feed(split, dataset.scale, network, np.float32)
    propagations = Propagations(network, np.float32)
    penalty = Penalty(network, "l2", DECAY, np.float32)
    parameters = native.pack(theta)
    examples = NativeExamples(split.features, dataset.scale, split.labels, density)
    return rates(
        lambda: evaluate(theta, feed, propagations, penalty),
        lambda: native.evaluate(parameters, examples),
        len(split.labels),
        rounds,
    )


def show(name: str, measured: Rates) -> None:
    """Print a row of a table."""
    numpy, native = measured
    print(f"| {name} | {numpy:,.0f} | {native:,.0f} | {native / numpy:.1f} |", flush=True)


def main() -> None:
    """Measure all cells and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dense", action="store_true")
    args = parser.parse_args()
    dataset, density = load(Config().data), 0.0 if args.dense else MAX_DENSITY
    train = dataset.train
    examples = NativeExamples(train.features, dataset.scale, train.labels, density)
    print(
        f"kernels: {availability.kernels()}; {'sparse' if examples.is_sparse else 'dense'} inputs\n"
    )
    print("| examples/s | NumPy | native | ratio |\n| --- | ---: | ---: | ---: |")
    with threadpool_limits(1):
        for sizes, batch in CELLS:
            work = prepare(dataset, list(sizes), batch, EXAMPLES[batch])
            name = "-".join(map(str, sizes))
            show(f"train {name} : {batch}", training(work, examples, args.rounds))
        for sizes in dict.fromkeys(sizes for sizes, _ in CELLS):
            name = "-".join(map(str, sizes))
            show(f"evaluate {name}", evaluation(sizes, dataset, density, args.rounds))


if __name__ == "__main__":
    main()
