"""How often compare says something wrong of equal configs, and something right of unequal ones.

    python -m benchmarks.verdicts runs-of-nothing

Two pools of small networks are trained: one on 500 images of MNIST, one on a table. Each has two
configs, η and η·(1 + 1e-6). η is large, so that this difference grows until networks with the same
seed differ about as much as those of two seeds. Then 1,000 pairs
of experiments are compared, each of five seeds a side: half of them by seed, of one config with the
other, and half of them with different seeds of one config. Finally, pairs by seed are given a true
difference of two standard deviations of their differences. Repeat the command to resume it.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import yaml
from scipy.stats import beta
from sklearn.datasets import load_breast_cancer

import nnexp
from nnexp.analysis import comparison
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.experiments import Experiment
from nnexp.store.records import Result
from nnexp.store.run import Run

SEEDS = 5
"""Of each side."""
APART = 1e-6
EFFECT = 2.0
"""True difference in standard deviations of the paired differences."""
MOST, LEAST = 0.05, 0.85
"""The false-word rate must not be above MOST for sure, nor the power below LEAST."""
SPOKEN = {"better", "worse"}

MNIST = {
    "data": {"name": "mnist", "train": 500, "validation": 500, "test": 1000},
    "hidden": [20],
    "activation": "tanh",
    "learning_rate": 0.5,
    "epochs": 25,
}
TABLE = {
    "data": {"name": "csv", "train_file": "table.csv", "standardize": True}
    | {"validation": 0.2, "test": 0.3},
    "hidden": [20, 20],
    "activation": "tanh",
    "output": "softmax",
    "cost": "log-likelihood",
    "optimizer": {"name": "momentum", "mu": 0.9},
    "learning_rate": 0.3,
    "epochs": 40,
}
POOLS: dict[str, dict[str, Any]] = {"MNIST, 500 images": MNIST, "table, 285 rows": TABLE}


class Pool(NamedTuple):
    """Trained networks of two configs that differ by nothing, with the same seeds."""

    name: str
    sides: tuple[Sequence[Run], Sequence[Run]]


def train(folder: Path, seeds: int) -> Iterator[Pool]:
    """Train the pools, or find them trained."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "table.csv")
    for number, (name, config) in enumerate(POOLS.items()):
        file = folder / f"pool-{number}.yaml"
        own = config | {"monitor": ["train", "validation", "test"], "patience": None}
        if "train_file" in own["data"]:
            own = own | {"data": own["data"] | {"train_file": str(folder / "table.csv")}}
        file.write_text(yaml.safe_dump(own), encoding="utf-8")
        rates = [own["learning_rate"], own["learning_rate"] * (1 + APART)]
        runs = nnexp.sweep(file, {"learning_rate": rates}, seeds=range(seeds), runs=folder / "runs")
        sides = [[run for run in runs if run.config.learning_rate == rate] for rate in rates]
        for side in sides:
            side.sort(key=lambda run: run.config.seed)
        yield Pool(name, (sides[0], sides[1]))


def _write_table(path: Path) -> None:
    cancer = load_breast_cancer()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*cancer.feature_names, "diagnosis"])
        names = cancer.target_names[cancer.target]
        writer.writerows([*row, name] for row, name in zip(cancer.data, names, strict=True))


def compare(first: Sequence[Run], second: Sequence[Run]) -> Comparison:
    """Compare two experiments that have these runs."""
    sides = (Experiment(letter, letter, tuple(runs)) for letter, runs in zip("AB", (first, second)))  # noqa: B905
    return comparison.compare(list(sides), "test_accuracy")


def words(compared: Comparison) -> list[str]:
    """Return the metrics on which a comparison says better or worse."""
    return [
        key
        for key, measure in compared.measures.items()
        if any(verdict.outcome in SPOKEN for verdict in measure.verdicts.values())
    ]


class ShiftedRun(Run):
    """A run whose test accuracy is higher by a planted amount."""

    shift = 0.0

    @cached_property
    def result(self) -> Result | None:
        """The result of the run, with the planted accuracy."""
        result = Run(self.path).result
        if result is None or result.test_accuracy is None:
            return result
        return msgspec.structs.replace(result, test_accuracy=result.test_accuracy + self.shift)


def shifted(run: Run, shift: float) -> ShiftedRun:
    """Return a run with a planted difference in test accuracy."""
    planted = ShiftedRun(run.path)
    planted.shift = shift
    return planted


def spread(pool: Pool) -> float:
    """Return the standard deviation of the differences in test accuracy by seed."""
    first, second = ([_test(run) for run in side] for side in pool.sides)
    return float(np.std(np.subtract(second, first), ddof=1))


def _test(run: Run) -> float:
    if run.result is None or run.result.test_accuracy is None:
        raise SystemExit(f"{run.path}: has no test accuracy")
    return run.result.test_accuracy


class Count(NamedTuple):
    """How many of several comparisons have something."""

    name: str
    found: int
    pairs: int

    @property
    def low(self) -> float:
        """The one-sided 95 % lower bound of the rate (Clopper and Pearson)."""
        return float(beta.ppf(0.05, self.found, self.pairs - self.found + 1)) if self.found else 0.0

    def __str__(self) -> str:
        rate = f"{100 * self.found / self.pairs:.1f} %"
        return f"| {self.name} | {self.pairs:,} | {self.found} | {rate} | {100 * self.low:.1f} % |"


def nothing(pool: Pool, pairs: int, rng: np.random.Generator) -> Iterator[tuple[str, list[str]]]:
    """Compare pairs of nothing, alternately by seed and with different seeds; yield the words."""
    first, second = pool.sides
    for number in range(pairs):
        if number % 2:
            chosen = rng.choice(len(first), SEEDS, replace=False)
            drawn = [first[i] for i in chosen], [second[i] for i in chosen]
        else:
            chosen = rng.choice(len(first), 2 * SEEDS, replace=False)
            drawn = [first[i] for i in chosen[:SEEDS]], [first[i] for i in chosen[SEEDS:]]
        yield "by seed" if number % 2 else "different seeds", words(compare(*drawn))


def power(pool: Pool, pairs: int, rng: np.random.Generator) -> Count:
    """Count how often the headline says better of a true difference."""
    first, second = pool.sides
    shift, spoken = EFFECT * spread(pool), 0
    for _ in range(pairs):
        chosen = rng.choice(len(first), SEEDS, replace=False)
        compared = compare([first[i] for i in chosen], [shifted(second[i], shift) for i in chosen])
        spoken += compared.verdicts["B"].outcome == "better"
    return Count(f"{pool.name}: {EFFECT:g} sd better", spoken, pairs)


def main() -> None:
    """Train the pools, compare, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="of the pools")
    parser.add_argument("--seeds", type=int, default=300, help="networks of each config")
    parser.add_argument("--pairs", type=int, default=1000, help="of nothing, of all pools together")
    parser.add_argument("--draw", type=int, default=0, help="seed of the pairs that are drawn")
    options = parser.parse_args()
    pools = list(train(options.folder, options.seeds))
    rng = np.random.default_rng(options.draw)
    false: Counter[str] = Counter()
    total: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for pool in pools:
        for kind, said in nothing(pool, options.pairs // len(pools), rng):
            total.update([f"{pool.name}, {kind}", "all"])
            false.update([f"{pool.name}, {kind}", "all"] if said else [])
            rows.update(said)
    counts = [Count(name, false[name], total[name]) for name in sorted(total, key="all".__eq__)]
    print("| pairs of nothing | pairs | with a word | rate | at least, 95 % |")
    print("| --- | ---: | ---: | ---: | ---: |")
    print("\n".join(map(str, counts)))
    print(f"\nWords by row: {', '.join(f'{k} {n}' for k, n in rows.most_common()) or 'none'}")
    print("\n| a true difference | pairs | said | rate | at least, 95 % |")
    print("| --- | ---: | ---: | ---: | ---: |")
    powers = [power(pool, options.pairs // len(pools), rng) for pool in pools]
    print("\n".join(map(str, powers)))
    for pool in pools:
        accuracies = [_test(run) for run in pool.sides[0]]
        print(
            f"\n{pool.name}: test accuracy {100 * np.mean(accuracies):.2f} ± "
            f"{100 * np.std(accuracies, ddof=1):.2f} %; differences by seed have the standard "
            f"deviation {100 * spread(pool):.2f} points"
        )
    holds = counts[-1].low <= MOST and all(p.found >= LEAST * p.pairs for p in powers)
    print(f"\nThe promise {'holds' if holds else 'does NOT hold'}.")
    if not holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
