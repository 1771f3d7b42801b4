"""The book's published numbers beside what nnexp obtains over five seeds: docs/book.md's table.

    python -m benchmarks.book --runs book-runs

Each config of configs/book is trained with seeds 0 to 4, all configs with one seed before the
next seed. It can be stopped and started again at any time: finished runs are read, not trained.
A second table holds the book's comparisons: the difference of the means and Welch's 95 %
confidence interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from scipy.stats import ttest_ind

from nnexp.config import load
from nnexp.errors import DivergedError
from nnexp.reproduction.measures import curve
from nnexp.reproduction.measures import measured as measure
from nnexp.reproduction.verdicts import is_within
from nnexp.runner import train as runner
from nnexp.runner.naming import RunNames
from nnexp.store.run import Run

CONFIGS = Path(__file__).resolve().parent.parent / "configs" / "book"


class Number(NamedTuple):
    """A published number and how it is measured in a run."""

    published: str
    series: str
    """A key of metrics.jsonl, or AT_BEST."""
    measure: str = "last"


class Row(NamedTuple):
    """A config and the numbers that the book gives of it."""

    config: str
    numbers: tuple[Number, ...]


AT_BEST = "test_at_best"
"""Stands for the result's test accuracy."""

NONE = "-"
"""Stands where the book has no number."""

TEST, VALIDATION, COST = "test_accuracy", "validation_accuracy", "train_cost"


def _last(published: str, series: str) -> tuple[Number, ...]:
    return (Number(published, series),)


def _peak(published: str, epoch: int | None = None) -> tuple[Number, ...]:
    numbers = [Number(published, TEST, "highest")]
    return (*numbers, *([Number(str(epoch), TEST, "highest epoch")] if epoch else []))


def _ends(first: str, last: str, series: str = VALIDATION) -> tuple[Number, ...]:
    return Number(first, series, "first"), Number(last, series)


def _training(full: int, for_good: int) -> tuple[Number, ...]:
    accuracy = "train_accuracy"
    return (
        Number(str(full), accuracy, "full epoch"),
        Number(str(for_good), accuracy, "full for good epoch"),
    )


SIZES = (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)
BY_SIZE = ("69.09", "76.37", "85.29", "88.85", "91.27", "93.24", "94.89", "95.85", "95.97")
BY_DEPTH = ("96.48", "96.90", "96.57", "96.53")

ROWS = (
    Row("cross-entropy-30", (*_last("95.49", TEST), *_peak("95.33"))),
    Row("cross-entropy-100", (*_last("96.82", TEST), Number(NONE, TEST, "highest"))),
    Row("quadratic-30", (Number(NONE, TEST), *_peak("95.42"))),
    Row("quadratic-100", (*_last("96.59", TEST), Number(NONE, TEST, "highest"))),
    Row(
        "overfitting-1000",
        (*_peak("82.27", 375), *_training(68, 74), Number("15", "test_cost", "lowest epoch")),
    ),
    Row("regularized-1000", (*_peak("87.10", 384), *_training(69, 73))),
    Row("regularized-30", _peak("96.49", 29)),
    Row("regularized-100", (*_last("97.92", VALIDATION), Number(NONE, VALIDATION, "highest"))),
    Row("slower-100", (*_last("98.04", VALIDATION), Number(NONE, VALIDATION, "highest"))),
    Row("weight-init-30-new", _ends("92.70", "96.50")),
    Row("weight-init-30-large", _ends("86.43", "96.37")),
    Row("weight-init-100-new", _ends("92.95", "97.81")),
    Row("weight-init-100-large", _ends("89.94", "97.42")),
    Row("eta-0.025", _ends(".8781", ".3392", COST)),
    Row("eta-0.25", _ends(".4950", ".3388", COST)),
    Row("eta-2.5", _ends(".9249", ".8607", COST)),
    *(
        Row(f"more-data-{size}", _last(accuracy, VALIDATION))
        for size, accuracy in zip(SIZES, BY_SIZE, strict=True)
    ),
    *(
        Row(
            "deeper" + "-30" * depth,
            (Number(accuracy, VALIDATION), Number(NONE, VALIDATION, "highest")),
        )
        for depth, accuracy in enumerate(BY_DEPTH, 1)
    ),
    Row("softmax-100", (Number("97.80", AT_BEST),)),
)

CLAIMS = (
    ("cross-entropy-30", "quadratic-30", Number(NONE, TEST, "highest")),
    ("cross-entropy-100", "quadratic-100", Number(NONE, TEST, "highest")),
    ("cross-entropy-100", "cross-entropy-30", Number(NONE, TEST, "highest")),
    ("regularized-1000", "overfitting-1000", Number(NONE, TEST, "highest")),
    ("regularized-30", "cross-entropy-30", Number(NONE, TEST, "highest")),
    ("slower-100", "regularized-100", Number(NONE, VALIDATION)),
    ("weight-init-30-new", "weight-init-30-large", Number(NONE, VALIDATION, "first")),
    ("weight-init-30-new", "weight-init-30-large", Number(NONE, VALIDATION)),
    ("weight-init-100-new", "weight-init-100-large", Number(NONE, VALIDATION, "first")),
    ("weight-init-100-new", "weight-init-100-large", Number(NONE, VALIDATION)),
    ("eta-0.025", "eta-0.25", Number(NONE, COST)),
    ("more-data-50000", "more-data-20000", Number(NONE, VALIDATION)),
    ("deeper-30-30", "deeper-30", Number(NONE, VALIDATION)),
    ("deeper-30-30-30", "deeper-30-30", Number(NONE, VALIDATION)),
    ("deeper-30-30-30-30", "deeper-30", Number(NONE, VALIDATION)),
)
"""Pairs of configs that the book compares, and what in."""


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("book-runs"))
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to this one less 1")
    arguments = parser.parse_args()
    runs: dict[str, list[Run]] = {row.config: [] for row in ROWS}
    for seed in range(arguments.seeds):
        for row in ROWS:
            runs[row.config].append(train(row.config, seed, arguments.runs))
    print("\n".join([*table(runs), "", *claims(runs)]))


def train(name: str, seed: int, runs: Path) -> Run:
    """Return a config's run with a seed, finished; a diverged one counts as it is."""
    config = load.changed(load.read(CONFIGS / f"{name}.yaml"), seed=seed)
    run = RunNames(runs, name).run(config)
    try:
        for _ in runner.events(config, run):
            pass
    except DivergedError as error:
        print(error)
    return run


def table(runs: dict[str, list[Run]]) -> list[str]:
    """Return the lines of the Markdown table of all numbers."""
    lines = [
        "| config | measure | published | mean ± sd | published is |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        for number in row.numbers:
            values = [measured(run, number) for run in runs[row.config]]
            cells = (f"`{row.config}`", described(number), number.published, spread(values, number))
            lines.append(f"| {' | '.join((*cells, place(values, number)))} |")
    return lines


def claims(runs: dict[str, list[Run]]) -> list[str]:
    """Return the lines of the Markdown table of the book's comparisons."""
    lines = ["| A | B | measure | mean A − mean B | 95 % interval |", "| --- " * 5 + "|"]
    for name, other, number in CLAIMS:
        a, b = ([measured(run, number) for run in runs[each]] for each in (name, other))
        low, high = ttest_ind(a, b, equal_var=False).confidence_interval()
        digits = 4 if number.series == COST else 2
        mean_, low_, high_ = (f"{x:+.{digits}f}" for x in (mean(a) - mean(b), low, high))
        lines.append(
            f"| `{name}` | `{other}` | {described(number)} | {mean_} | {low_} to {high_} |"
        )
    return lines


def described(number: Number) -> str:
    """Return in words what is measured."""
    if number.series == AT_BEST:
        return "test accuracy, at the best validation accuracy"
    return f"{number.series.replace('_', ' ')}, {number.measure}"


def measured(run: Run, number: Number) -> float:
    """Return what a run obtained, accuracies in per cent."""
    if number.series == AT_BEST:
        return 100 * float((run.result and run.result.test_accuracy) or "nan")
    return measure(curve(run.history(), number.series), number.series, number.measure)


def place(values: Sequence[float], number: Number) -> str:
    """Return whether the published number lies in the seeds' 95 % prediction interval."""
    if number.published == NONE:
        return NONE
    return "inside" if is_within(float(number.published), values) else "**outside**"


def spread(values: Sequence[float], number: Number) -> str:
    """Return mean and standard deviation, as many digits as are published."""
    digits = 4 if number.series == COST else 2
    if number.measure.endswith("epoch"):
        digits = 0
    reached = [value for value in values if value != float("inf")]
    if len(reached) < len(values):
        return f"reached by {len(reached)} of {len(values)}"
    deviation = f" ± {stdev(reached):.{digits}f}" if len(reached) > 1 else ""
    return f"{mean(reached):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
