"""Training examples a second with the native kernels alone, beside the NumPy trainer.

All steps of an epoch are one call of the kernels. Rounds take turns, and the table holds medians.
Run it as ``python -m benchmarks.native``; NNEXP_NATIVE_KERNELS chooses the kernels, and ``--dense``
keeps the zeros of the inputs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import own
from benchmarks.work import DECAY, LEARNING_RATE, Work, prepare
from nnexp.config.model import Config
from nnexp.datasets.loading import load
from nnexp.native import kernels
from nnexp.native.kernels import MAX_DENSITY, NativeExamples, NativeNetwork, NativePenalty

CELLS = (
    ((784, 30, 10), 1),
    ((784, 30, 10), 10),
    ((784, 30, 10), 100),
    ((784, 100, 10), 10),
    ((784, 100, 10), 100),
    ((784, 300, 100, 10), 10),
    ((784, 300, 100, 10), 1000),
)
EXAMPLES = {1: 2000, 10: 10_000, 100: 20_000, 1000: 20_000}
"""Examples of an epoch, by mini-batch."""


def native_epoch(work: Work, examples: NativeExamples) -> Callable[[], None]:
    """Return a function that trains the work's epoch with the kernels."""
    network = NativeNetwork(work.sizes)
    parameters = network.pack(work.start.theta.astype(np.float32))
    penalty = NativePenalty("l2", DECAY)

    def epoch() -> None:
        network.descend(
            parameters, examples, work.order, work.batch, LEARNING_RATE, penalty=penalty
        )

    return epoch


def rates(work: Work, examples: NativeExamples, rounds: int) -> tuple[float, float]:
    """Return the examples a second of NumPy and of the kernels, both measured in turns."""
    epochs = (own.nnexp(work).epoch, native_epoch(work, examples))
    for epoch in epochs:
        epoch()  # fills caches
    times = [[seconds(epoch) for epoch in epochs] for _ in range(rounds)]
    numpy, native = (len(work.order) / median(column) for column in zip(*times, strict=True))
    return numpy, native


def seconds(epoch: Callable[[], object]) -> float:
    """Return the duration of a call."""
    began = time.perf_counter()
    epoch()
    return time.perf_counter() - began


def main() -> None:
    """Measure all cells and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dense", action="store_true")
    args = parser.parse_args()
    dataset = load(Config().data)
    density = 0.0 if args.dense else MAX_DENSITY
    train = dataset.train
    examples = NativeExamples(train.features, dataset.scale, train.labels, density)
    print(f"kernels: {kernels.NAME}; {'sparse' if examples.is_sparse else 'dense'} inputs\n")
    print("| network : batch | NumPy | native | ratio |\n| --- | ---: | ---: | ---: |")
    for sizes, batch in CELLS:
        work = prepare(dataset, list(sizes), batch, EXAMPLES[batch])
        with threadpool_limits(1):
            numpy, native = rates(work, examples, args.rounds)
        name = "-".join(map(str, sizes))
        print(f"| {name} : {batch} | {numpy:,.0f} | {native:,.0f} | {native / numpy:.1f} |")


if __name__ == "__main__":
    main()
