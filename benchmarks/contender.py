"""One contender of a benchmark, in a process of its own: ``-m benchmarks.contender NAME``.

It answers lines of JSON. A cell (task, data, sizes, batch, examples) prepares it and is answered
with the distance of its result from that of the NumPy backend, which shows whether it does the same
work; ``null`` makes it run, and is answered with examples a second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from benchmarks import own
from benchmarks.peers import PEERS
from benchmarks.work import Training, Work, prepare
from nnexp.nn.arrays import Array

LEAST_SECONDS = 0.1
"""Duration of a measurement; an epoch that is over sooner is repeated."""

Task: TypeAlias = Literal["train", "evaluate"]


class Prepared(NamedTuple):
    """Work that is ready to be timed, and has been done once."""

    run: Callable[[], object]
    examples: int
    """Processed by a run."""
    distance: float
    """Of the result from the NumPy backend's, relative; about the rounding of float32."""


def training(name: str, work: Work) -> Prepared:
    """Prepare a training."""
    trained: Training = (own.TRAININGS | PEERS)[name](work)
    trained.epoch()
    return Prepared(trained.epoch, len(work.order), distance(work, trained))


def distance(work: Work, trained: Training) -> float:
    """Return how far parameters are from the NumPy backend's after one epoch.

    Returns: the distance as a fraction of that which the NumPy backend's have moved.
    """
    reference = own.train("numpy", work)
    reference.epoch()
    ends, expected = list(chain(*trained.parameters())), list(chain(*reference.parameters()))
    starts = work.weights + work.biases
    away = sum(squares(a - b) for a, b in zip(ends, expected, strict=True))
    moved = sum(squares(a - b) for a, b in zip(expected, starts, strict=True))
    return float(np.sqrt(away / moved))


def squares(array: Array) -> float:
    """Return the sum of an array's squares."""
    return float(np.square(array, dtype=np.float64).sum())


def evaluation(name: str, work: Work) -> Prepared:
    """Prepare an evaluation; its cost is compared."""
    run = own.EVALUATIONS[name](work)
    result, expected = run(), own.evaluate("numpy", work)()
    away = abs(result.cost - expected.cost) / expected.cost
    return Prepared(run, len(result.predicted), away)


TASKS: dict[Task, Callable[[str, Work], Prepared]] = {"train": training, "evaluate": evaluation}


def rate(prepared: Prepared) -> float:
    """Return the examples that a contender processes in a second of its processor's time.

    With one processor for all of its threads, that is the clock's second on an idle machine.
    """
    runs, start = 0, time.process_time()
    while (seconds := time.process_time() - start) < LEAST_SECONDS:
        prepared.run()
        runs += 1
    return runs * prepared.examples / seconds


def main() -> None:
    """Answer each line of JSON with a line of JSON."""
    current: Prepared | None = None
    for line in sys.stdin:
        cell = json.loads(line)
        if cell is None and current is not None:
            print(json.dumps({"rate": rate(current)}), flush=True)
            continue
        task = TASKS[cell.pop("task")]
        try:
            current = task(sys.argv[1], prepare(**cell))
        except ImportError as error:
            print(json.dumps({"missing": error.name, "because": str(error)}), flush=True)
            return
        print(json.dumps({"distance": current.distance}), flush=True)


if __name__ == "__main__":
    main()
