"""Compare tune with a grid, random search and TPE: the tables of docs/tuning.md.

    python -m benchmarks.tuning --runs tuning-runs
    python -m benchmarks.tuning --problems wine digits --search-seeds 0

A plain 5 x 5 grid of η and λ sets the budget: random search and TPE, over the same ranges, get as
many training examples as its trials saw. tune needs fewer. Where it needs more than 60 % of the
grid's, it is run once more with that as its ``--examples``.

Of the three other methods, the one counts whose choice has the highest validation accuracy, on
average over seeds 0 to 4. Its config, tune's and the one as given are then judged by the test
accuracy at the best epoch with ten other seeds. All trainings that choose or judge end alike:
after 30 epochs without a higher validation accuracy, or after 100, or as a schedule that tune
chose ends them. Repeat the command to resume it. Needs scikit-learn, Optuna and Debian's package
dataset-fashion-mnist, as far as the problems do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from benchmarks import data_sets
from nnexp.analysis.statistics import Difference, paired_t
from nnexp.config import dump, load
from nnexp.config.model import CheckedConfig, Config
from nnexp.optim.schedules import HalveOnPlateau
from nnexp.report.document import Table, markdown_table
from nnexp.runner import train
from nnexp.runner.naming import RunNames
from nnexp.store.run import Run
from nnexp.study import search, search_definition
from nnexp.study.samplers import MethodName
from nnexp.training.stopping import Accuracy
from nnexp.tune import outputs, protocol
from nnexp.tune.trials import Budget, Trials, Update, finish

CONFIGS = Path(__file__).parents[1] / "configs"
FASHION = "/usr/share/datasets/fashion-mnist"
CHOICE, JUDGES = range(5), range(100, 110)
"""Seeds that choose the best of the other methods, and that judge it beside tune."""
EPOCHS, PATIENCE = 100, 30
"""The end of every training that chooses or judges; a schedule that ends a run has no patience."""
DRAWS = 10_000
"""Draws of the bootstrap."""
LEAST = -0.3
"""The pooled interval with the smaller budget must begin above this, in points."""
GRID = 25
"""Trials of the grid."""
MOST = 1000
"""Trials of random search and TPE; the budget of examples ends them sooner."""
SHARE = 0.6
"""The smaller budget of tune."""
VALIDATED = ("data.validation=0.2", "monitor=[train, validation]")
"""Settings without which configs/data have no validation data to choose by."""


class Problem(NamedTuple):
    """A config, and the ranges that the other methods search."""

    config: str
    settings: tuple[str, ...]
    rates: str
    strengths: str

    @property
    def space(self) -> tuple[str, str]:
        """What the other methods search."""
        return f"learning_rate=log-uniform({self.rates})", f"lambda=log-uniform({self.strengths})"


class Found(NamedTuple):
    """The config that a method chose, and the training examples that it took."""

    method: str
    config: Config
    examples: int


class Judged(NamedTuple):
    """tune beside the best of the others, for one search seed."""

    problem: str
    seed: int
    tune: Found
    other: Found
    budget: int
    """Training examples that the grid saw."""
    ours: Mapping[int, float]
    """Test accuracies of tune's config by seed."""
    theirs: Mapping[int, float]
    given: Mapping[int, float]
    """Of the config as given."""

    @property
    def share(self) -> float:
        """Training examples of tune's trials over those of the grid."""
        return self.tune.examples / self.budget


def problems(data: Path, fashion: str) -> dict[str, Problem]:
    """Return the problems by name, the quickest first.

    SGD's rates are those of the chapter's figure, 0.025 to 2.5, and Adam's are around its default;
    λ/n is from 1e-6 to 1e-2.
    """
    sgd, adam = "0.025, 2.5", "0.0001, 0.1"
    wine, cancer, digits = (data / name for name in ("wine.csv", "breast-cancer.csv", "digits.npz"))
    idx = ("data.name=idx", f"data.directory={fashion}")
    full, small = "0.05, 500", "0.001, 10"
    return {
        "wine": Problem(
            "data/wine.yaml", (*VALIDATED, f"data.train_file={wine}"), sgd, "0.0001, 1"
        ),
        "breast cancer": Problem(
            "data/breast-cancer.yaml",
            (*VALIDATED, f"data.train_file={cancer}"),
            adam,
            "0.0003, 3",
        ),
        "digits": Problem("data/digits.yaml", (*VALIDATED, f"data.file={digits}"), adam, small),
        "n = 1,000": Problem("quickstart.yaml", ("data.train=1000",), sgd, small),
        "Fashion-MNIST": Problem("quickstart.yaml", idx, sgd, full),
        "MNIST": Problem("quickstart.yaml", (), sgd, full),
    }


def judge(name: str, problem: Problem, seed: int, runs: Path) -> tuple[Judged, Judged]:
    """Compare tune with the best other method; also with its smaller budget."""
    folder = runs / name.replace(" ", "-").replace(",", "")
    settings = [*problem.settings, f"seed={seed}"]
    config = load.read(CONFIGS / problem.config, settings)
    grid = searched(problem, config, "grid", folder)
    examples = grid.examples
    others = [grid, *(searched(problem, config, m, folder, examples) for m in ("random", "tpe"))]
    other = max(others, key=lambda found: fmean(scores(found.config, folder, CHOICE)[0].values()))
    tuned = tune(config, folder)
    judged = Judged(
        *(name, seed, tuned, other, examples),
        ours=tested(tuned.config, folder),
        theirs=tested(other.config, folder),
        given=tested(config, folder),
    )
    if judged.share <= SHARE:
        return judged, judged
    short = tune(config, folder, Budget(examples=int(SHARE * examples)))
    return judged, judged._replace(tune=short, ours=tested(short.config, folder))


def tested(config: Config, folder: Path) -> dict[int, float]:
    """Return a config's test accuracies by judging seed."""
    return scores(config, folder, JUDGES)[1]


def ended_alike(config: Config) -> Config:
    """Return a config with the end that all have in common."""
    patience = None if isinstance(config.schedule, HalveOnPlateau) else PATIENCE
    return replace(config, epochs=EPOCHS, patience=patience, stopping=Accuracy())


def tune(config: CheckedConfig, folder: Path, budget: Budget | None = None) -> Found:
    """Return what tune chooses."""
    runs, session = folder / "tune", folder / f"tuned-{config.seed}"
    trials = Trials("tune", runs, budget)
    kept = partial(outputs.write_session, session)
    state, quick = protocol.begin(config, trials, session=outputs.read_session(session), keep=kept)
    found = finish(protocol.tune(state, quick, _show), trials)
    return Found("tune", found.config, trials.examples)


def searched(
    problem: Problem,
    config: CheckedConfig,
    method: MethodName,
    folder: Path,
    examples: int | None = None,
) -> Found:
    """Return what another method chooses within a budget of training examples."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{method}-{config.seed}.yaml"
    path.write_text(dump.to_yaml(config), encoding="utf-8")
    asked = search_definition.define(
        str(path),
        problem.space,
        method=method,
        trials=GRID if method == "grid" else MOST,
        seed=config.seed,
        examples=examples,
        has_baseline=False,
    )
    found = search.search(asked, folder / method)
    if found.best is None:
        raise ValueError(f"every trial of {method} diverged")
    _tell(f"{path}: {len(found.results)} trials saw {found.examples:,} examples")
    return Found(method, found.best.trial.config, found.examples)


def scores(
    config: Config, folder: Path, seeds: Sequence[int]
) -> tuple[dict[int, float], dict[int, float]]:
    """Return the best validation accuracy by seed, and the test accuracy of the same epoch."""
    validation, test = {}, {}
    for seed in seeds:
        own = load.changed(load.check(ended_alike(config)), seed=seed)
        runs = folder / "judged"
        name = RunNames(runs, "judged").run(own).name
        result = Run(train.train(own, runs, name=name).path).result
        if result is None or result.best is None or result.test_accuracy is None:
            raise ValueError(f"{runs / name} has no test accuracy")
        validation[seed] = result.best.validation_accuracy or 0.0
        test[seed] = result.test_accuracy
    return validation, test


HEADER = (
    *("problem", "search seed", "tuned to", "best other method", "its choice"),
    *("tune's test accuracy", "its test accuracy", "the config as given", "difference"),
    "examples",
)
LEFT = 5
"""Columns of words, the others' are numbers."""


def row(judged: Judged) -> list[str]:
    """Return a line of the table of all comparisons."""
    return [
        judged.problem,
        str(judged.seed),
        _chosen(judged.tune.config),
        judged.other.method,
        _chosen(judged.other.config),
        _shown(judged.ours),
        _shown(judged.theirs),
        _shown(judged.given),
        interval([judged]),
        f"{100 * judged.share:.0f} %",
    ]


def interval(judged: Sequence[Judged]) -> str:
    """Return tune's advantage in points with its 95 % interval, or what follows from it.

    A judging seed's difference is the mean over the comparisons. The interval is by the paired
    t-test over these seeds.
    """
    found = difference(judged)
    return f"{found.difference:+.2f} ± {found.half_width() or 0.0:.2f}"


def difference(judged: Sequence[Judged]) -> Difference:
    """Return tune's advantage in points, paired by judging seed."""
    ours = [100 * fmean(each.ours[seed] for each in judged) for seed in JUDGES]
    theirs = [100 * fmean(each.theirs[seed] for each in judged) for seed in JUDGES]
    return paired_t(theirs, ours)


def is_worse(judged: Sequence[Judged]) -> bool:
    """Return whether tune is worse beyond the noise."""
    found = difference(judged)
    return found.difference + (found.half_width() or 0.0) < 0


def by_problem(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Return the searches of each problem."""
    names = dict.fromkeys(each.problem for each in judged)
    return {name: [each for each in judged if each.problem == name] for name in names}


def pooled(judged: Sequence[Judged]) -> tuple[float, float, float]:
    """Return tune's mean advantage in points over all problems, and its 95 % interval's ends.

    Every problem counts alike. The interval is by a bootstrap over both a problem's searches and
    the judging seeds, drawn for each problem by itself.
    """
    rng = np.random.default_rng(0)
    means, draws = [], []
    for searches in by_problem(judged).values():
        table = 100 * np.array([[s.ours[j] - s.theirs[j] for j in JUDGES] for s in searches])
        rows = rng.integers(len(table), size=(DRAWS, len(table), 1))
        columns = rng.integers(len(JUDGES), size=(DRAWS, 1, len(JUDGES)))
        means.append(table.mean())
        draws.append(table[rows, columns].mean(axis=(1, 2)))
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(np.mean(means)), float(low), float(high)


def criteria(whole: Sequence[Judged], short: Sequence[Judged]) -> list[str]:
    """Return the two criteria, each with whether it holds."""
    worse = [name for name, of in by_problem(whole).items() if is_worse(of)]
    _, low, _ = pooled(short)
    nowhere = f"missed, for {', '.join(worse)}" if worse else "holds"
    above = "holds" if low > LEAST else "missed"
    share = f"With at most {100 * SHARE:.0f} % of the examples"
    return [
        f"Nowhere worse beyond the noise: {nowhere}.",
        f"{share}, the pooled interval begins above {LEAST:g} points: {above} ({low:+.2f}).",
    ]


def summary(title: str, judged: Sequence[Judged]) -> Table:
    """Return the table of the problems, and of all together."""
    rows = []
    for name, of in by_problem(judged).items():
        share = fmean(each.share for each in of)
        rows.append([name, str(len(of)), f"{100 * share:.0f} %", interval(of)])
    share = fmean(each.share for each in judged)
    mean, low, high = pooled(judged)
    ends = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    rows.append(["all", str(len(judged)), f"{100 * share:.0f} %", ends])
    return Table([title, "searches", "examples", "difference"], rows)


def _chosen(config: Config) -> str:
    """Return what the methods decide; a constant rate and the default patience are left out."""
    schedule = config.schedule.__struct_config__.tag
    words = [
        f"η {config.learning_rate:.2g}",
        f"λ {config.lambda_:.2g}",
        *([] if config.batch_size == Config().batch_size else [f"batch {config.batch_size}"]),
        *([] if schedule == "constant" else [str(schedule)]),
    ]
    return ", ".join(words)


def _shown(found: Mapping[int, float]) -> str:
    values = [100 * value for value in found.values()]
    return f"{fmean(values):.2f} ± {stdev(values):.2f} %"


def _show(update: Update) -> None:
    if update.stage or update.text.startswith("  "):
        _tell(update.text)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Search, tune, train, compare, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("tuning-runs"))
    parser.add_argument("--fashion", default=FASHION)
    parser.add_argument("--problems", nargs="+", default=list(problems(Path(), FASHION)))
    parser.add_argument("--search-seeds", nargs="+", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    if not (given.runs / "data").exists():
        data_sets.write(given.runs / "data")
    known = problems((given.runs / "data").absolute(), given.fashion)
    whole, short = [], []
    for name in given.problems:
        for seed in given.search_seeds:
            judged = judge(name, known[name], seed, given.runs)
            whole.append(judged[0])
            short.append(judged[1])
            _tell(" | ".join(row(judged[0])))
    print(markdown_table(Table(list(HEADER), list(map(row, whole)), LEFT)))
    print()
    print(markdown_table(summary("without a limit", whole)))
    print()
    print(markdown_table(summary(f"at most {100 * SHARE:.0f} %", short)))
    print()
    print("\n".join(criteria(whole, short)))


if __name__ == "__main__":
    main()
