"""How often a race errs that is looked at after every seed, and how soon it decides.

    python -m benchmarks.races runs-of-races

On each of two data sets, MNIST and scikit-learn's digits, small networks of two configs are
trained: one config on 500 training images, and the same config on the same images in another
order. Nothing distinguishes these twins, so that a race between them has no difference to find. A
third config has another learning rate; its accuracies are moved to the mean of the first's, so that
differences can be skewed, as those of twins cannot.
Races draw networks of both, by the seed or of different seeds, and look after every seed up to 30;
the worst look counts. Other races are given a true difference in standard deviations of the paired
differences. Repeat the command to resume the training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import yaml
from sklearn.datasets import load_digits

import nnexp
from benchmarks.verdicts import MNIST, Count
from nnexp.analysis import statistics
from nnexp.analysis.power import ALPHA, FEWEST_SEEDS
from nnexp.analysis.sequential import Look, SequentialVerdict, judge_looks, looks
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist, Npz

Floats: TypeAlias = npt.NDArray[np.float64]

BUDGET = 30
"""Seeds of a race."""
SLOW = 0.25
"""The learning rate of the third config: half that of the others."""
EFFECTS = 1.0, 2.0, 4.0
"""True differences, in standard deviations of the paired differences."""
DIGITS = 500, 400
"""Training and validation images of the digits; the other 897 are for testing."""
SCALES = {"MNIST": 255, "digits": 16}
"""The largest value of a pixel."""

FALSE, MISSED = 0.04, 0.05
"""Maximum share of false verdicts, and of races whose confidence sequence misses the truth."""
SOON, SHARES = 10, {2.0: 0.93}
"""Minimum share of races that are decided by 10 seeds, by effect."""
SAME = 0.90
"""Minimum share of races without difference that end as the same within 1 sd."""
MEANS = {2.0: 6.8, 4.0: 5.0}
"""Maximum mean number of seeds, by effect."""


class Pool(NamedTuple):
    """Test accuracies of twins, by seed."""

    name: str
    first: Floats
    second: Floats
    slower: Floats
    """Of the first config with half the learning rate, moved to the first's mean."""
    resolution: float
    """One test example."""

    @property
    def sd(self) -> float:
        """The standard deviation of the paired differences."""
        return float(np.std(self.second - self.first, ddof=1))


class Race(NamedTuple):
    """Values of both sides in the order of their seeds; nothing but a shift distinguishes them."""

    first: Sequence[float]
    second: Sequence[float]
    is_paired: bool

    def looks(self, resolution: float) -> tuple[Look, ...]:
        """Return the looks after every seed."""
        seeds = range(len(self.first))
        others = seeds if self.is_paired else range(BUDGET, 2 * BUDGET)
        pairs = zip(seeds, self.first, strict=True), zip(others, self.second, strict=True)
        return looks(dict(pairs[0]), dict(pairs[1]), resolution)


def train(folder: Path, seeds: int) -> list[Pool]:
    """Train the twins, or find them trained."""
    folder.mkdir(parents=True, exist_ok=True)
    pools = []
    for name, arrays in {"MNIST": _mnist(), "digits": _digits()}.items():
        twins = _write_twins(folder, name.lower(), arrays)
        config = MNIST | {"monitor": ["validation", "test"], "patience": None}
        file = folder / f"{name.lower()}.yaml"
        data = {"name": "npz", "file": twins[0], "scale": SCALES[name]}
        file.write_text(yaml.safe_dump(config | {"data": data}), encoding="utf-8")
        runs = nnexp.sweep(file, {"data.file": twins}, seeds=range(seeds), runs=folder / "runs")
        values: dict[str, dict[int, float]] = {twin: {} for twin in twins}
        for run in runs:
            if isinstance(run.config.data, Npz):
                values[run.config.data.file][run.config.seed] = _test(run)
        first, second = (np.array([values[t][s] for s in range(seeds)]) for t in twins)
        rates = {"learning_rate": [SLOW]}
        slow = nnexp.sweep(file, rates, seeds=range(seeds), runs=folder / "runs")
        slower = np.array([_test(run) for run in sorted(slow, key=lambda run: run.config.seed)])
        slower += first.mean() - slower.mean()
        pools.append(Pool(name, first, second, slower, 1 / len(arrays["y_test"])))
    return pools


def _test(run: nnexp.Run) -> float:
    if run.result is None or run.result.test_accuracy is None:
        raise SystemExit(f"{run.path}: has no test accuracy")
    return run.result.test_accuracy


def _mnist() -> dict[str, npt.NDArray[Any]]:
    data = load(Mnist(train=500, validation=500, test=2000))
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {f"x_{k}": split.features for k, split in splits.items() if split} | {
        f"y_{k}": split.labels for k, split in splits.items() if split
    }


def _digits() -> dict[str, npt.NDArray[Any]]:
    digits, (train, validation) = load_digits(), DIGITS
    order = np.random.default_rng(0).permutation(len(digits.target))
    parts = np.split(order, [train, train + validation])
    arrays = {}
    for key, part in zip(("train", "validation", "test"), parts, strict=True):
        arrays[f"x_{key}"] = digits.data[part].astype(np.uint8)
        arrays[f"y_{key}"] = digits.target[part]
    return arrays


def _write_twins(folder: Path, name: str, arrays: dict[str, npt.NDArray[Any]]) -> list[str]:
    """Write the arrays twice, with the training examples in two orders; return the files."""
    order = np.random.default_rng(1).permutation(len(arrays["y_train"]))
    other = arrays | {key: arrays[key][order] for key in ("x_train", "y_train")}
    files = []
    for letter, twin in zip("ab", (arrays, other), strict=True):
        path = folder / f"{name}-{letter}.npz"
        if not path.exists():
            np.savez(path, allow_pickle=False, **twin)
        files.append(str(path))
    return files


def draw(pool: Pool, rng: np.random.Generator, *, is_paired: bool, shift: float = 0.0) -> Race:
    """Draw a race of twins, in which the second side is given a true difference.

    Which of the twins is on which side is drawn for each network, so that the mean difference is
    zero in the pool as well.
    """
    seeds = rng.choice(len(pool.first), BUDGET * (1 if is_paired else 2), replace=False)
    both = np.stack([pool.first[seeds], pool.second[seeds]])
    both = np.where(rng.random(len(seeds)) < 0.5, both, both[::-1])  # noqa: PLR2004 - a coin
    first, second = both if is_paired else (both[0, :BUDGET], both[0, BUDGET:])
    return Race([*map(float, first)], [float(value) + shift for value in second], is_paired)


def draw_moved(pool: Pool, rng: np.random.Generator) -> Race:
    """Draw a race of two configs that differ, but for their means."""
    seeds = rng.choice(len(pool.first), BUDGET, replace=False)
    first, slower = (list(map(float, side[seeds])) for side in (pool.first, pool.slower))
    return Race(first, slower, is_paired=True)


def verdict(race: Race, pool: Pool, smallest_effect: float = 0.0) -> SequentialVerdict:
    """Return the verdict of a race that stops as soon as it is decided."""
    seen = {"B": race.looks(pool.resolution)}
    return judge_looks(seen, larger_is_better=True, smallest_effect=smallest_effect)["B"]


def is_missed(race: Race, pool: Pool) -> bool:
    """Return whether the confidence sequence misses the true difference, zero, at any look."""
    return any(abs(look.difference) > look.half_width() for look in race.looks(pool.resolution))


def is_called(race: Race, pool: Pool) -> bool:
    """Return whether a race is decided at any look."""
    return verdict(race, pool).decision != "undecided"


def is_called_by_repeated_tests(race: Race, pool: Pool) -> bool:
    """Return whether a t-test at 5 % after every seed from the third on ever calls a difference."""
    return any(_is_called(race, pool, n) for n in range(FEWEST_SEEDS["paired t"], BUDGET + 1))


def _is_called(race: Race, pool: Pool, seeds: int) -> bool:
    """Return whether a t-test at 5 % of so many seeds calls a difference."""
    test = statistics.paired_t if race.is_paired else statistics.welch
    found = test(race.first[:seeds], race.second[:seeds], pool.resolution)
    return found.p is not None and found.p < ALPHA


class Power(NamedTuple):
    """How soon races decide on a true difference."""

    effect: float
    seeds: Sequence[int]
    """At the decision; more than the budget without one."""
    wrong: int
    fixed: float
    """The share in which a fixed test of five seeds says better."""

    def by(self, seeds: int) -> float:
        """Return the share of races that are decided by so many seeds."""
        return sum(n <= seeds for n in self.seeds) / len(self.seeds)

    @property
    def mean(self) -> float:
        """The mean number of seeds trained."""
        return sum(min(n, BUDGET) for n in self.seeds) / len(self.seeds)

    def __str__(self) -> str:
        shares = " | ".join(f"{100 * self.by(n):.0f} %" for n in (5, 10, BUDGET))
        median = sorted(self.seeds)[len(self.seeds) // 2]
        middle = str(median) if median <= BUDGET else f"> {BUDGET}"
        return (
            f"{self.effect:g} sd | {100 * self.fixed:.0f} % | {shares} | {middle} | "
            f"{self.mean:.1f} | {self.wrong} |"
        )


def power(pool: Pool, effect: float, races: int, rng: np.random.Generator) -> Power:
    """Race twins of which one is better by an effect, in standard deviations."""
    drawn = [draw(pool, rng, is_paired=True, shift=effect * pool.sd) for _ in range(races)]
    verdicts = [verdict(race, pool) for race in drawn]
    seeds = [len(v.looks) + 1 if v.decision != "undecided" else BUDGET + 1 for v in verdicts]
    wrong = sum(v.decision == "worse" for v in verdicts)
    fixed = sum(_is_called(race, pool, 5) for race in drawn) / races
    return Power(effect, seeds, wrong, fixed)


def races_of_nothing(pool: Pool, races: int, rng: np.random.Generator) -> Iterator[str]:
    """Print how often races between twins err; yield what breaks the promise."""
    for is_paired in (True, False):
        name = f"{pool.name}, {'by seed' if is_paired else 'different seeds'}"
        drawn = [draw(pool, rng, is_paired=is_paired) for _ in range(races)]
        false = Count(f"{name}: false verdicts", sum(is_called(r, pool) for r in drawn), races)
        missed = Count(f"{name}: interval misses", sum(is_missed(r, pool) for r in drawn), races)
        repeated = sum(is_called_by_repeated_tests(race, pool) for race in drawn)
        print(false, missed, Count(f"{name}: t-test at every look", repeated, races), sep="\n")
        if false.found > FALSE * races:
            yield f"{name}: false verdicts are too many"
        if missed.found > MISSED * races:
            yield f"{name}: the confidence sequence misses too often"
    name, moved = f"{pool.name}, half the η", [draw_moved(pool, rng) for _ in range(races)]
    called, single = (
        sum(is_called(race, pool) for race in moved),
        sum(_is_called(race, pool, 5) for race in moved),
    )
    print(Count(f"{name}, moved to the same mean: false verdicts", called, races))
    print(Count(f"{name}: a single t-test of five seeds", single, races))


def true_differences(pool: Pool, races: int, rng: np.random.Generator) -> Iterator[str]:
    """Print how soon races decide on true differences; yield what breaks the promise."""
    for effect in EFFECTS:
        found = power(pool, effect, races, rng)
        print(f"| {pool.name}, {found}")
        if found.mean > MEANS.get(effect, BUDGET):
            yield f"{pool.name}, {effect:g} sd: {found.mean:.1f} seeds"
        if found.by(SOON) < SHARES.get(effect, 0.0):
            yield f"{pool.name}, {effect:g} sd: {100 * found.by(SOON):.0f} % by {SOON} seeds"


def same(pool: Pool, races: int, rng: np.random.Generator) -> Iterator[str]:
    """Print how often twins are the same within a standard deviation; yield a broken promise."""
    drawn = [draw(pool, rng, is_paired=True) for _ in range(races)]
    found = sum(verdict(race, pool, pool.sd).decision == "same" for race in drawn)
    print(Count(f"{pool.name}: the same within 1 sd by {BUDGET} seeds", found, races))
    if found < SAME * races:
        yield f"{pool.name}: the same within 1 sd too seldom"


def main() -> None:
    """Train the pools, race, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="of the pools")
    parser.add_argument("--seeds", type=int, default=600, help="networks of each config")
    parser.add_argument("--races", type=int, default=2000, help="of each line of the tables")
    parser.add_argument("--draw", type=int, default=0, help="seed of the races that are drawn")
    options = parser.parse_args()
    pools = train(options.folder, options.seeds)
    rng = np.random.default_rng(options.draw)
    for pool in pools:
        print(
            f"{pool.name}: test accuracy {100 * pool.first.mean():.2f} and "
            f"{100 * pool.second.mean():.2f} %, standard deviation "
            f"{100 * pool.first.std(ddof=1):.2f} points; of differences by seed {100 * pool.sd:.2f}"
        )
    problems = []
    for header, table in TABLES.items():
        print(f"\n{header}\n{'| --- ' + '| ---: ' * (header.count('|') - 2)}|")
        problems += [problem for pool in pools for problem in table(pool, options.races, rng)]
    print("\n" + ("\n".join(problems) or "The promises hold."))
    if problems:
        raise SystemExit(1)


TABLES: dict[str, Callable[[Pool, int, np.random.Generator], Iterator[str]]] = {
    f"| races of nothing, looks 2 to {BUDGET} | races | found | rate | at least, 95 % |": (
        races_of_nothing
    ),
    "| a true difference | t, 5 seeds | by 5 | by 10 | by 30 | median | mean | wrong |": (
        true_differences
    ),
    "| no difference | races | found | rate | at least, 95 % |": same,
}

if __name__ == "__main__":
    main()
