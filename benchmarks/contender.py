"""One contender of ``throughput.py``, in a process of its own: ``-m benchmarks.contender NAME``.

It is talked to by lines of JSON: a cell (sizes, batch, examples) makes it ready and is
answered with how far an epoch's parameters are from nnexp's, so that other work than nnexp's
shows; ``null`` makes it run, and is answered with examples a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.own import OWN
from benchmarks.peers import PEERS
from benchmarks.work import Contender, Work, prepare
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load

LEAST_SECONDS = 0.1
"""One measurement; an epoch that is over sooner is repeated."""


def strayed(work: Work, contender: Contender) -> float | None:
    """Return how far an epoch's end is from where nnexp's own ends, as a share of the way there.

    Returns: about the rounding of float32 if both do the same work; None for a mere part.
    """
    weights, biases = contender.parameters()
    if not weights:
        return None
    own = OWN["nnexp"](work)
    own.epoch()
    expected = chain(*own.parameters())
    ends = list(zip(weights + biases, expected, work.weights + work.biases, strict=True))
    away = sum(np.square(end - other, dtype=np.float64).sum() for end, other, _ in ends)
    way = sum(np.square(other - start, dtype=np.float64).sum() for _, other, start in ends)
    return float(np.sqrt(away / way))


def rate(work: Work, contender: Contender) -> float:
    """Return how many examples the contender does in a second of its processor's time.

    With one processor for all of its threads, that is the clock's second on an idle machine.
    """
    epochs, start = 0, time.process_time()
    while (seconds := time.process_time() - start) < LEAST_SECONDS:
        contender.epoch()
        epochs += 1
    return epochs * len(work.order) / seconds


def ready(dataset: Dataset, cell: dict[str, Any]) -> tuple[Work, Contender]:
    """Return the contender named on the command line with a cell's work; it has run once."""
    work = prepare(dataset, **cell)
    contender = (OWN | PEERS)[sys.argv[1]](work)
    contender.epoch()
    return work, contender


def main() -> None:
    """Answer one line of JSON for each line of JSON."""
    dataset = load(Config().data)
    current: tuple[Work, Contender] | None = None
    for line in sys.stdin:
        cell = json.loads(line)
        if cell is None and current is not None:
            print(json.dumps({"rate": rate(*current)}), flush=True)
            continue
        try:
            current = ready(dataset, cell)
        except ImportError as error:
            print(json.dumps({"missing": error.name}), flush=True)
            return
        print(json.dumps({"strayed": strayed(*current)}), flush=True)


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):  # Linux: one processor for all, which take turns on it
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
