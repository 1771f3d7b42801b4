"""How often drawings are recognized, and what it costs to predict many examples.

    python -m benchmarks.predicting [--times 9]

Trains quickstart, predicts the 200 drawings of ``benchmarks.drawings`` with and without their
preparation, and measures the processor's time of ``predict`` beyond its start, which is that for a
single example, in turns with peers.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import drawings
from benchmarks.startup import NNEXP, in_turns, train
from nnexp.datasets.idx import MNIST_DIRECTORY
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist

COUNT = 1000
"""Pictures whose reading is measured."""
PILLOW = """
import sys
from PIL import Image
for path in sys.argv[1:]:
    with Image.open(path) as image:
        image.load()
"""
TEST = str(MNIST_DIRECTORY / "t10k-images-idx3-ubyte")


def right(run: Path, paths: Sequence[Path], *options: str) -> npt.NDArray[np.float64]:
    """Return 1 for each drawing whose digit is predicted, else 0."""
    command = [NNEXP, "predict", str(run), *map(str, paths), "--csv", *options]
    said = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    predicted = [row["class"] for row in csv.DictReader(io.StringIO(said.stdout))]
    digits = [str(drawings.digit(path)) for path in paths]
    return np.array([a == b for a, b in zip(digits, predicted, strict=True)], float)


def interval(values: npt.NDArray[np.float64]) -> str:
    """Return a mean in per cent with its 95 % interval."""
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return f"{100 * values.mean():.1f} ± {100 * half:.1f}"


def pictures(folder: Path, sources: Sequence[Path]) -> list[str]:
    """Write drawings as PNG files, again and again, and return the paths."""
    folder.mkdir()
    paths = [folder / f"{number:04}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        with Image.open(sources[number % len(sources)]) as picture:
            picture.save(path)
    return [str(path) for path in paths]


def mnist(folder: Path) -> list[str]:
    """Write MNIST's first test images as PNG files and return the paths."""
    folder.mkdir()
    test = load(Mnist()).test
    assert test is not None  # noqa: S101 - MNIST has test examples
    paths = [folder / f"{number:04}.png" for number in range(COUNT)]
    for path, pixels in zip(paths, test.features, strict=False):
        Image.fromarray(pixels.reshape(28, 28).astype(np.uint8)).save(path)
    return [str(path) for path in paths]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=9)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(train(folder / "runs", []), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        (run,) = (folder / "runs").glob("quickstart-*")
        drawn = drawings.write(folder / "drawings")
        prepared, raw = right(run, drawn), right(run, drawn, "--raw")
        print(f"{len(drawn)} drawings, percent right with the 95 % interval:")
        print(f"prepared {interval(prepared)}, --raw {interval(raw)}, "
              f"difference {interval(prepared - raw)}\n")  # fmt: skip
        predict, python = [NNEXP, "predict", str(run)], [sys.executable, "-c"]
        print("| examples | predict, ms | peer, ms | ratio |\n| --- | ---: | ---: | ---: |")
        for label, files, peer, start in (
            ("10,000 images in an IDX file", [TEST], ["import numpy"], ["pass"]),
            *(
                (f"{COUNT:,} {kind}", paths, [PILLOW, *paths], [PILLOW, paths[0]])
                for kind, paths in (
                    ("drawings as PNG", pictures(folder / "png", drawn)),
                    ("images of 28 × 28 as PNG", mnist(folder / "digits")),
                )
            ),
        ):
            one = [str(drawn[0])] if files == [TEST] else files[:1]
            commands = [[*predict, *files], [*predict, *one], [*python, *peer], [*python, *start]]
            whole, begun, other, idle = (used.processor for used in in_turns(commands, times))
            own, theirs = whole - begun, other - idle
            print(f"| {label} | {own * 1e3:,.0f} | {theirs * 1e3:,.0f} | {own / theirs:.2f} |")


if __name__ == "__main__":
    main()
