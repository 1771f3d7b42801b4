"""What recording an epoch costs: metrics row, checkpoint, forced to the disk, old ones pruned.

Beside it, in turns: a bare write of as many bytes, forced to the disk, in the same folder.
Run it in a folder on the file system in question.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import msgspec

from nnexp.config.model import Config
from nnexp.datasets.loading import load
from nnexp.datasets.npz import Header
from nnexp.datasets.sources import Mnist
from nnexp.runner import train
from nnexp.runner.assembly import Assembly
from nnexp.store import writer as writers

NETWORKS = ((30,), (300, 100))
EXAMPLES = Mnist(train=10, validation=10, test=10)
"""Few, since what is measured does not depend on them."""


class Cost(NamedTuple):
    """Seconds that an epoch's end took, and that the bare write took."""

    recording: float
    bare: float
    size: int
    """Bytes of the checkpoint."""


def costs(hidden: tuple[int, ...], folder: Path, epochs: int) -> Iterator[Cost]:
    """Record epochs of one run and yield what each cost."""
    config = Config(data=EXAMPLES, hidden=hidden)
    run = train.train(config, folder, until=1)
    assembly = Assembly(config, load(config.data))
    arrays = assembly.arrays(assembly.initial())
    headers = {name: Header(array.dtype, array.shape) for name, array in arrays.items()}
    with writers.open_(run) as writer:
        committed = writer.restore(headers, print)
        if committed is None:
            raise ValueError("the first epoch was not committed")
        history = committed.history
        for _ in range(epochs):
            # As good as the first epoch, so that this stays the best and each pass prunes one.
            history.append(msgspec.structs.replace(history[-1], epoch=history[-1].epoch + 1))
            start = time.perf_counter()
            writer.commit(history, arrays)
            writer.time(history[-1].epoch, 0.123456, 0.123456)
            seconds = time.perf_counter() - start
            size = run.checkpoint_path(history[-1].epoch).stat().st_size
            yield Cost(seconds, bare_write(folder / "bare", os.urandom(size)), size)


def bare_write(path: Path, content: bytes) -> float:
    """Return the seconds that it takes to write a file and force it to the disk."""
    start = time.perf_counter()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def row(hidden: tuple[int, ...], found: list[Cost]) -> str:
    """Return a row of the table: medians, and the time that nine epochs of ten stay below."""
    network = "-".join(map(str, (784, *hidden, 10)))
    recording = [cost.recording * 1e3 for cost in found]
    bare = median(cost.bare * 1e3 for cost in found)
    ninth = quantiles(recording, n=10)[-1]
    size = found[0].size / 1e3
    return f"| {network} | {size:,.0f} | {median(recording):.1f} | {ninth:.1f} | {bare:.1f} |"


def main() -> None:
    """Measure each network and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=100, help="epochs to record of each network")
    epochs = parser.parse_args().epochs
    print("| network | checkpoint, kB | recording, ms | 9 of 10 below | bare write, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for hidden in NETWORKS:
            print(row(hidden, list(costs(hidden, Path(folder), epochs))), flush=True)


if __name__ == "__main__":
    main()
