"""What each technique does on MNIST, over five seeds: the table of docs/techniques.md.

    python -m benchmarks.techniques --runs technique-runs

Each config of configs/techniques is trained with seeds 0 to 4, and beside it the same without the
technique. It can be stopped and started again at any time: finished runs are read, not trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from scipy.stats import ttest_rel

from nnexp.config import load
from nnexp.runner import train
from nnexp.runner.naming import RunNames
from nnexp.store.run import Run

CONFIGS = Path(__file__).resolve().parent.parent / "configs" / "techniques"

PLAIN = ("activation=sigmoid", "output=sigmoid", "cost=cross-entropy", "initializer=lecun-normal")
SGD = ("optimizer=sgd", "learning_rate=0.1")
MINI_BATCH = ("optimizer=sgd", "learning_rate=0.1", "batch_size=10")


class Row(NamedTuple):
    """A technique's config, and the settings that take the technique away."""

    config: str
    without: tuple[str, ...]


ROWS = (
    Row("momentum", SGD),
    Row("nesterov", SGD),
    Row("adam", SGD),
    Row("tanh", ("activation=sigmoid",)),
    Row("relu", PLAIN),
    Row("softmax", PLAIN),
    Row("tanh-output", (*PLAIN, "learning_rate=0.1")),
    Row("linear-output", (*PLAIN, "learning_rate=0.1")),
    Row("quadratic", ("cost=cross-entropy", "learning_rate=0.5")),
    Row("l1", ("regularizer=l2",)),
    Row("dropout", ("dropout=0",)),
    Row("expanded-shift", ("data.expand=null",)),
    Row("expanded-rotate", ("data.expand=null",)),
    Row("schedule-step", ("schedule=constant",)),
    Row("schedule-exponential", ("schedule=constant",)),
    Row("schedule-cosine", ("schedule=constant",)),
    Row("schedule-piecewise", ("schedule=constant", "learning_rate=0.5")),
    Row("schedule-halve-on-plateau", ("schedule=constant", "patience=null", "epochs=100")),
    Row("stopping-accuracy", ("patience=null", "epochs=100")),
    Row("stopping-average", ("patience=null", "epochs=100", "stopping=accuracy")),
    Row("stopping-cost", ("patience=null", "epochs=100", "stopping=accuracy")),
    Row("conjugate-gradient", MINI_BATCH),
    Row("l-bfgs", MINI_BATCH),
    Row("hessian-free", MINI_BATCH),
    Row("newton", MINI_BATCH),
    Row("bfgs", MINI_BATCH),
)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("technique-runs"))
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to this one less 1")
    arguments = parser.parse_args()
    print("| config | test accuracy | epochs | without it | epochs | difference | 95 % interval |")
    print("| --- " * 7 + "|")
    for row in ROWS:
        seeds = range(arguments.seeds)
        with_it = [trained(row.config, (), seed, arguments.runs) for seed in seeds]
        without = [trained(row.config, row.without, seed, arguments.runs) for seed in seeds]
        print(line(row, with_it, without), flush=True)


def trained(name: str, settings: Sequence[str], seed: int, runs: Path) -> Run:
    """Return a config's run with some settings and a seed, finished."""
    config = load.changed(load.read(CONFIGS / f"{name}.yaml", settings), seed=seed)
    stem = "without" if settings else name  # what is the same without is trained once
    return train.train(config, runs, name=RunNames(runs, stem).run(config).name)


def line(row: Row, with_it: Sequence[Run], without: Sequence[Run]) -> str:
    """Return a technique's line of the table."""
    cells = [f"`{row.config}`"]
    for runs in (with_it, without):
        cells.append(spread([accuracy(run) for run in runs], 2))
        cells.append(spread([float(len(run.history())) for run in runs], 0))
    a, b = ([accuracy(run) for run in runs] for runs in (with_it, without))
    low, high = ttest_rel(a, b).confidence_interval()
    return f"| {' | '.join([*cells, f'{mean(a) - mean(b):+.2f}', f'{low:+.2f} to {high:+.2f}'])} |"


def accuracy(run: Run) -> float:
    """Return a run's test accuracy at its best epoch, in per cent."""
    return 100 * float((run.result and run.result.test_accuracy) or "nan")


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean and standard deviation; the mean alone where all are the same."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    shown = f" ± {deviation:.{digits}f}" if round(deviation, digits) else ""
    return f"{mean(values):.{digits}f}{shown}"


if __name__ == "__main__":
    main()
