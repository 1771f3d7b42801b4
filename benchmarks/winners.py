"""How much a search's winner gains on test data if all configs are equal, confirmed or not.

    python -m benchmarks.winners winners.jsonl

Each search has its own examples, drawn from MNIST (500 for training) or scikit-learn's digits, and
21 configs: the one as given and 20 trials, with one seed. They differ only in λ, 0 to 2e-11, which
float32 cannot tell from zero, and in the order of the training examples, which an engine permutes
for each λ. So they are equal, and every gain is luck. The results are collected in a file with a
line for each search; repeat the command to resume it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np
import yaml
from scipy.stats import beta
from sklearn.datasets import load_digits

from nnexp.analysis.comparison import Comparison
from nnexp.analysis.power import ALPHA
from nnexp.analysis.verdicts import Verdict
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Features, Labels, Split
from nnexp.datasets.loading import Data, load
from nnexp.datasets.sources import Mnist
from nnexp.report.document import Table, markdown_table
from nnexp.study import search_definition
from nnexp.study.execution import train
from nnexp.study.in_process import InProcess
from nnexp.study.job import Job, Message, Outcome
from nnexp.study.search import Search

TRIALS = 20
STEP = 1e-12
"""The difference in λ between two trials."""
CONFIRM = 5
MOST = 0.05
"""The rate of "better" must not be above MOST for sure, and the gain of all searches must be zero
within ERRORS standard errors."""
ERRORS = 2.0
HEADER = (
    *("equal configs", "searches", "confirmed gain", "better", "at least, 95 %"),
    *("gain of the trials' own runs", "better"),
)


class Problem(NamedTuple):
    """A data set and a config for it."""

    examples: Callable[[], tuple[Features, Labels]]
    sizes: tuple[int, int, int]
    """Numbers of training, validation and test examples."""
    config: dict[str, Any]


@cache
def mnist() -> tuple[Features, Labels]:
    """Return the images and labels of MNIST's training part."""
    images = load(Mnist()).train
    return images.features, images.labels


@cache
def digits() -> tuple[Features, Labels]:
    """Return the images of scikit-learn's digits, scaled to bytes, and their labels."""
    found = load_digits()
    return (found.data * 15).astype(np.uint8), found.target.astype(np.int64)


PROBLEMS = {
    "MNIST, 500 images": Problem(
        mnist, (500, 500, 2000), {"hidden": [20], "learning_rate": 0.5, "epochs": 8}
    ),
    "digits, 600 images": Problem(
        digits, (600, 400, 797), {"hidden": [20], "learning_rate": 0.5, "epochs": 8}
    ),
}


class PermutedData:
    """A data set with its training examples in another order.

    Args:
        data: the cache of loaded datasets.
        seed: of the order.
    """

    def __init__(self, data: Data, seed: Sequence[int]) -> None:
        self._data = data
        self._seed = seed

    def __call__(self, *source: Any) -> Dataset:  # noqa: ANN401 - what Data takes
        """Return the data of a source in this order."""
        dataset = self._data(*source)
        order = np.random.default_rng(self._seed).permutation(len(dataset.train.labels))
        examples = Split(dataset.train.features[order], dataset.train.labels[order])
        return dataset._replace(train=examples)


class Twins:
    """An engine that trains each λ on its own order of the training examples.

    Args:
        data: the cache of loaded datasets.
        number: of the search, which seeds the orders.
    """

    slots = 1

    def __init__(self, data: Data, number: int) -> None:
        self._data = data
        self._number = number
        self._engine = InProcess()

    def prepare(self, configs: Iterable[Config]) -> None:
        """Load the data of configs."""
        self._data.check(config.data for config in configs)

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job on the order of its λ."""
        twin = round(job.config.lambda_ / STEP)  # type: ignore[operator]  # it is a number here
        own: Any = PermutedData(self._data, (self._number, twin))
        self._engine = InProcess(data=own)
        return self._engine.submit(job)

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Train for a while."""
        return self._engine.wait(seconds)

    def stop(self) -> None:
        """Stop the job."""
        self._engine.stop()

    def close(self) -> None:
        """Stop the job."""
        self._engine.close()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search quotes of its winner: gains in test accuracy over the config as given."""

    problem: str
    number: int
    confirmed: float
    """On fresh seeds."""
    confirmed_better: bool
    chosen: float
    """Of the runs that chose the winner."""
    chosen_better: bool
    """By McNemar's test of the two networks."""


def search(name: str, number: int, folder: Path) -> Found:
    """Search equal configs and return the winner's gains."""
    problem, rng = PROBLEMS[name], np.random.default_rng([number, len(name)])
    _write(folder / "data.npz", problem, rng)
    config = problem.config | {"data": {"name": "npz", "file": str(folder / "data.npz")}}
    config |= {"lambda": 0.0, "patience": None, "monitor": ["validation", "test"]}
    (folder / "equal.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    values = ", ".join(f"{k * STEP:g}" for k in range(1, TRIALS + 1))
    space, options = [f"lambda=[{values}]"], {"method": "grid", "trials": TRIALS}
    definition = search_definition.define(
        str(folder / "equal.yaml"),
        space,
        confirm=CONFIRM,
        **options,  # type: ignore[arg-type]
    )
    data = Data()
    sampler = Search(definition, folder / "runs", data)
    train(sampler, Twins(data, number), sampler.check_data)
    result = sampler.result
    confirmed = _verdict(result.compare())
    chosen = _verdict(result._replace(definition=definition._replace(confirm=0)).compare())
    return Found(
        problem=name,
        number=number,
        confirmed=confirmed.difference.difference,
        confirmed_better=confirmed.outcome == "better",
        chosen=chosen.difference.difference,
        chosen_better=chosen.difference.difference > 0 and (chosen.p or 0.0) < ALPHA,
    )


def _write(path: Path, problem: Problem, rng: np.random.Generator) -> None:
    features, labels = problem.examples()
    order, begin = rng.permutation(len(labels)), 0
    arrays: dict[str, Features | Labels] = {}
    for split, size in zip(("train", "validation", "test"), problem.sizes, strict=True):
        rows = order[begin : begin + size]
        arrays |= {f"x_{split}": features[rows], f"y_{split}": labels[rows]}
        begin += size
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _verdict(compared: Comparison | None) -> Verdict:
    """Return the verdict on the winner. Raises: ValueError if there is none."""
    if compared is None or "B" not in compared.verdicts:
        raise ValueError("a search of equal configs has no verdict on its winner")
    return compared.verdicts["B"]


def searches(path: Path, count: int) -> Iterator[Found]:
    """Yield the results of the searches, those in the file first; add the others to it."""
    known = {}
    if path.exists():
        lines = path.read_bytes().splitlines()
        known = {
            (f.problem, f.number): f for f in (msgspec.json.decode(x, type=Found) for x in lines)
        }
    for number in range(count // len(PROBLEMS)):
        for name in PROBLEMS:
            found = known.get((name, number))
            if found is None:
                with TemporaryDirectory() as folder:
                    found = search(name, number, Path(folder))
                with path.open("ab") as file:
                    file.write(msgspec.json.encode(found) + b"\n")
            yield found


def row(name: str, found: Sequence[Found]) -> list[str]:
    """Return a row of the table."""
    better = sum(result.confirmed_better for result in found)
    chosen = sum(result.chosen_better for result in found)
    return [
        name,
        f"{len(found):,}",
        _gain([result.confirmed for result in found]),
        f"{better} ({100 * better / len(found):.1f} %)",
        f"{100 * low(better, len(found)):.1f} %",
        _gain([result.chosen for result in found]),
        f"{chosen} ({100 * chosen / len(found):.1f} %)",
    ]


def _gain(gains: Sequence[float]) -> str:
    """Format a mean gain ± its standard error, in points."""
    return f"{100 * mean(gains):+.2f} ± {100 * error(gains):.2f}"


def error(gains: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    return stdev(gains) / math.sqrt(len(gains))


def low(found: int, count: int) -> float:
    """Return the one-sided 95 % lower bound of a rate (Clopper and Pearson)."""
    return float(beta.ppf(0.05, found, count - found + 1)) if found else 0.0


def main() -> None:
    """Search, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("results", type=Path, help="the file that collects the results")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="searches before these, to repeat it")
    given = parser.parse_args()
    found = list(searches(given.results, given.skip + given.searches))[given.skip :]
    parts = {name: [result for result in found if result.problem == name] for name in PROBLEMS}
    parts["all"] = found
    rows = [row(name, part) for name, part in parts.items()]
    print(markdown_table(Table(list(HEADER), rows)))
    gains = [result.confirmed for result in found]
    rate = low(sum(result.confirmed_better for result in found), len(found))
    holds = rate <= MOST and abs(mean(gains)) <= ERRORS * error(gains)
    print(f"\nThe promise {'holds' if holds else 'does NOT hold'}.")
    if not holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
