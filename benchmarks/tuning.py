"""What tune's configs are worth beside hand-tuned ones: the table of docs/tuning.md.

    python -m benchmarks.tuning --runs tuning-runs
    python -m benchmarks.tuning --runs tuning-runs --problems fashion --fashion DIR

Each problem is tuned with seed 0; Optuna's TPE, over the same keys, then gets as many training
examples as tune's trials saw. The tuned config, the hand-tuned one and TPE's best are trained with
seeds 0 to 4 and compared by test accuracy at the best epoch. It can be stopped and started again
at any time. Fashion-MNIST is Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from nnexp.analysis.verdicts import ACCURACY, between, judge
from nnexp.config import dump, load
from nnexp.config.model import Config
from nnexp.report.document import Table, markdown_table
from nnexp.runner import train
from nnexp.runner.naming import RunNames
from nnexp.study import search, search_definition
from nnexp.tune import outputs, protocol
from nnexp.tune.trials import Trials, Update, finish

SEEDS = range(5)
FASHION = "/usr/share/datasets/fashion-mnist"
BOOK = ("hidden=[30]", "learning_rate=0.1", "lambda=5", "epochs=30")
"""The chapter's own choice for 30 hidden neurons: 96.50 % of the validation images."""
SPACE = (
    "learning_rate=log-uniform(0.001, 10)",
    "lambda=log-uniform(0.001, 100)",
    "batch_size=[5, 10, 20, 50, 100]",
)
"""What TPE searches: the keys that tune decides, around the hand-tuned config."""
MOST = 1000
"""Trials of TPE; its budget of examples ends it sooner."""
HEADER = (
    *("problem", "tuned to", "TPE's choice", "hand-tuned", "tuned", "TPE's best"),
    *("tuned beside hand-tuned", "beside TPE's", "examples seen"),
)
LEFT = 3
"""Columns of words, the others' are numbers."""
SMALL = ("data.train=1000", "learning_rate=0.5", "lambda=0.1", "epochs=400", "patience=null")
"""The chapter's own choice for 1,000 images, but for the initialization."""


def problems(fashion: str) -> dict[str, list[str]]:
    """Return the hand-tuned settings of each problem."""
    return {
        "mnist": [*BOOK],
        "small": [*BOOK, *SMALL],
        "fashion": [*BOOK, "data.name=idx", f"data.directory={fashion}"],
    }


def main() -> None:
    """Tune, train, compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("tuning-runs"))
    parser.add_argument("--problems", nargs="+", default=["mnist", "small"])
    parser.add_argument("--fashion", default=FASHION)
    given = parser.parse_args()
    rows = []
    for name in given.problems:
        hand = load.parse("{}", name, problems(given.fashion)[name])
        rows.append(row(name, hand, given.runs / name))
    print(markdown_table(Table(list(HEADER), rows, LEFT)))


def row(name: str, hand: Config, runs: Path) -> list[str]:
    """Return a problem's row of the table."""
    began = time.monotonic()
    trials = Trials(name, runs, tell=_show)
    folder = runs / "tuned"
    kept = partial(outputs.write_session, folder)
    state, quick = protocol.begin(hand, trials, session=outputs.read_session(folder), keep=kept)
    found = finish(protocol.tune(state, quick, _show), trials)
    outputs.write(folder, found, hand, name)
    seen = sum(
        len(trial.rows) * len(trials.dataset(trial.config).train.labels)
        for trial in trials.taken.values()
    )
    _tell(f"{name}: tuned after {time.monotonic() - began:.0f} s; {trials.trained} trials trained")
    best = suggested(hand, runs, seen)
    ours, theirs = scores(found.config, runs, "tuned"), scores(hand, runs, "hand")
    others = scores(best, runs, "tpe")
    shown = map(_shown, (theirs, ours, others))
    beside = [_beside(baseline, ours) for baseline in (theirs, others)]
    return [
        name,
        _chosen(found.config),
        _chosen(best),
        *shown,
        *beside,
        f"{seen / 1e6:.1f} million",
    ]


def suggested(hand: Config, runs: Path, examples: int) -> Config:
    """Return the best of what TPE asks for until its trials have seen so many examples."""
    path = runs / "hand.yaml"
    path.write_text(dump.to_yaml(hand), encoding="utf-8")
    asked = search_definition.define(
        str(path),
        SPACE,
        ["patience=10"],
        method="tpe",
        trials=MOST,
        examples=examples,
        has_baseline=False,
    )
    found = search.search(asked, runs / "tpe")
    if found.best is None:
        raise ValueError("every trial of TPE diverged")
    _tell(f"TPE: {len(found.results)} trials saw {found.examples:,} examples")
    return found.best.trial.config


def _chosen(config: Config) -> str:
    """Return what tune and TPE decide, as the table has it; a constant rate goes without saying."""
    schedule = config.schedule.__struct_config__.tag
    words = [
        f"η {config.learning_rate:.2g}",
        f"λ {config.lambda_:.2g}",
        f"batch {config.batch_size}",
        *([] if schedule == "constant" else [str(schedule)]),
        "no patience" if config.patience is None else f"patience {config.patience}",
    ]
    return ", ".join(words)


def scores(config: Config, runs: Path, stem: str) -> dict[int, float]:
    """Return the test accuracy at the best epoch by seed."""
    found, checked = {}, load.check(config)
    for seed in SEEDS:
        own = load.changed(checked, seed=seed)
        run = train.train(own, runs, name=RunNames(runs, stem).run(own).name)
        if run.result is None or run.result.test_accuracy is None:
            raise ValueError(f"{run.path} has no test accuracy")
        found[seed] = run.result.test_accuracy
        _tell(f"{run.path}: {100 * found[seed]:.2f} %")
    return found


def _show(update: Update) -> None:
    _tell(update.line)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _shown(found: dict[int, float]) -> str:
    return f"{100 * mean(found.values()):.2f} ± {100 * stdev(found.values()):.2f} %"


def _beside(baseline: dict[int, float], ours: dict[int, float]) -> str:
    """Return the verdict on the tuned config in one word, or ~, and the difference in points."""
    verdict = judge({"tuned": between(baseline, ours, ACCURACY)}, ACCURACY)["tuned"]
    return f"{'~' if verdict.outcome == 'noise' else verdict.outcome} {verdict.amount}"


if __name__ == "__main__":
    main()
