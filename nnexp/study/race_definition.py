"""Define a race: the configs, how their runs are named, the metric and when to stop."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from nnexp import paths
from nnexp.analysis.comparison import PREFERRED, judged_metric
from nnexp.analysis.experiments import LABELS, intact_experiments, is_common_name, matching
from nnexp.analysis.metrics import METRICS, Metric
from nnexp.analysis.power import ALPHA
from nnexp.analysis.sequential import BUDGET, soonest_verdict
from nnexp.analysis.verdicts import COST
from nnexp.config import argument, canonical, load
from nnexp.config.argument import required_stem
from nnexp.config.examples import examples
from nnexp.config.messages import listed
from nnexp.config.model import CheckedConfig
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import Data
from nnexp.datasets.sources import source_name
from nnexp.errors import UsageError
from nnexp.names import stem, without_seed
from nnexp.runner import preconditions
from nnexp.runner.naming import RunNames, check_stem, given
from nnexp.store import disk
from nnexp.store.records import experiment_digest
from nnexp.store.run import Run, at
from nnexp.study.job import Job

YAML = {".yaml", ".yml"}
"""Suffixes of configs; another path in a folder is meant to be a run."""


class Entrant(NamedTuple):
    """A config of a race; the first one is the baseline."""

    letter: str
    config: CheckedConfig
    """With the largest seed that the race may need."""
    content: Mapping[str, str]
    """Content hashes of its data, and of the weights it starts from."""
    names: RunNames
    experiment: tuple[Path, str] | None
    """Folder and name of the runs that the race continues; None for runs named by digest."""

    def job(self, seed: int) -> Job:
        """Return the job that trains a seed into its run."""
        config = load.changed(self.config, seed=seed)
        if self.experiment is None:
            return Job(config, self.names.run(config), content=self.content)
        run = given(*self.experiment, seed, has_several_seeds=True)
        return Job(config, run, content=self.content)

    @property
    def place(self) -> str:
        """The path of its runs without the seed."""
        path = self.job(0).run.path
        return str(path.with_name(without_seed(path.name)))

    @property
    def digest(self) -> str:
        """Identifies the experiment: config and data."""
        source = source_name(self.config.data)
        return experiment_digest(canonical.digest(self.config), source, self.content)


class RaceDefinition(NamedTuple):
    """A race that has been checked and can be run."""

    entrants: tuple[Entrant, ...]
    metric: str
    """A key of ``METRICS``."""
    at_most: int
    """Maximum number of seeds of each config."""
    smallest_effect: float
    """As recorded, not as displayed: accuracies as fractions. Zero if all differences matter."""

    @property
    def measure(self) -> Metric:
        """The metric's label, unit and function."""
        return METRICS[self.metric]


def define(
    configs: Sequence[Path],
    runs: Path,
    settings: Sequence[str] = (),
    *,
    data: Data,
    metric: str | None = None,
    at_most: int = BUDGET,
    smallest_effect: float | None = None,
) -> RaceDefinition:
    """Define a race and check it as far as is possible without training.

    Args:
        configs: two or more; the first is the baseline. A config is a file, an example, a run, or
            the common name of the runs of an experiment, whose runs the race continues.
        runs: the folder of the runs of files and examples.
        settings: ``KEY=VALUE`` overrides of every config.
        data: the cache of loaded datasets.
        metric: of the verdict; None for the first of ``PREFERRED`` that all configs have.
        at_most: seeds of each config.
        smallest_effect: in the displayed unit; None for 0.2 points of an accuracy, and for no limit
            with other metrics.

    Raises:
        ConfigError: with the problems of a config.
        DataError: data cannot be read.
        MismatchError: the data of a run changed since it was trained.
        UsageError: the configs cannot be compared, or there is no such run.
    """
    if len(configs) == 1:
        raise UsageError(f"{configs[0]}: is one config; name another to race against it")
    if len(configs) > len(LABELS):
        raise UsageError(f"{len(configs)} configs are too many for a race: at most {len(LABELS)}")
    judged = None if metric is None else judged_metric(metric, "--metric")
    entrants = [
        _entrant(letter, config, runs, settings, data, at_most)
        for letter, config in zip(LABELS, configs, strict=False)
    ]
    _check_distinct(entrants, configs, settings)
    datasets = [_dataset(entrant, data) for entrant in entrants]
    _check_data(datasets, configs)
    judged = judged or _preferred(entrants, datasets)
    measure = METRICS[judged]
    _check_measured(judged, entrants, datasets, configs)
    _check_weights(judged, entrants, configs)
    effect = measure.smallest_effect
    if smallest_effect is not None:
        effect = smallest_effect / measure.unit.factor
    count = len(entrants) - 1
    least = soonest_verdict((), count, ALPHA / count, effect)
    if at_most < least:
        raise UsageError(
            f"--at-most {at_most}: with {len(entrants)} configs, no data can decide before seed "
            f"{least}; give {least} or more"
        )
    return RaceDefinition(tuple(entrants), judged, at_most, effect)


def _entrant(
    letter: str, path: Path, runs: Path, settings: Sequence[str], data: Data, at_most: int
) -> Entrant:
    run = _run(path)
    place = path if run is None else run.path
    config = load.changed(load.read(place, settings), "--at-most", seed=at_most - 1)
    beginning = required_stem(place)
    names = RunNames(runs, beginning, data)
    content = names.content(config)
    if run is None or run.record.config_sha256 != canonical.digest(config):
        check_stem(beginning, at_most - 1)
        return Entrant(letter, config, content, names, None)
    preconditions.check_data(run, content)
    experiment = run.path.parent, stem(run.name, run.config.seed)
    return Entrant(letter, config, content, names, experiment)


def _run(path: Path) -> Run | None:
    """Return the run, or the first run of the experiment, that an argument names, if any.

    An existing path and an example win over an experiment, as in ``load.read``.
    """
    name = os.fspath(path)
    if disk.exists(path / argument.RUN):
        return at(path)
    if name == argument.STANDARD_INPUT or disk.exists(path) or name in examples():
        return None
    is_config = path.suffix in YAML or not paths.is_folder(path.parent) or path.parent == Path()
    if is_config and not is_common_name(path):
        return None
    runs = matching(path)
    if len(intact_experiments(runs)) > 1:
        names = sorted({stem(run.name, run.config.seed) for run in runs})
        raise UsageError(
            f"{path}: matches runs of several experiments ({listed(names)}); name one of them"
        )
    return at(runs[0].path)


def _check_distinct(
    entrants: Sequence[Entrant], configs: Sequence[Path], settings: Sequence[str]
) -> None:
    """Check that configs differ in more than the seed, and share no run. Raises: UsageError."""
    for (a, first), (b, second) in _pairs(entrants, configs):
        if a.digest == b.digest:
            hint = f"; name {a.place} once" if a.experiment and b.experiment else ""
            raise UsageError(
                f"{second}: has the same config and data as {first}{' with ' if settings else ''}"
                f"{', '.join(f'--set {setting}' for setting in settings)}; a race needs configs "
                f"that differ in more than the seed{hint}"
            )
        if a.job(0).run.path.absolute() == b.job(0).run.path.absolute():
            raise UsageError(f"{first} and {second}: share the name {a.place}; rename one of them")


def _pairs(
    entrants: Sequence[Entrant], configs: Sequence[Path]
) -> Iterator[tuple[tuple[Entrant, Path], tuple[Entrant, Path]]]:
    return combinations(zip(entrants, configs, strict=True), 2)


def _dataset(entrant: Entrant, data: Data) -> Dataset:
    """Return an entrant's dataset without expansion, which takes long and changes no test data."""
    return data(structs.replace(entrant.config.data, expand=None))


def _check_data(datasets: Sequence[Dataset], configs: Sequence[Path]) -> None:
    """Check that all configs select examples from the same data. Raises: UsageError."""
    first = datasets[0]
    for dataset, config in zip(datasets[1:], configs[1:], strict=True):
        split, others = (
            None if d.split_off is None else d.split_off.sha256 for d in (dataset, first)
        )
        if dataset.sha256 != first.sha256:
            what = "data"
        elif split != others:
            what = "splits"
        elif dataset.class_names != first.class_names:
            what = "classes"
        else:
            continue
        raise UsageError(
            f"{configs[0]} and {config}: have different {what}, so that there is no verdict on "
            "their difference; race configs with the same data, classes and splits"
        )


def _check_measured(
    metric: str, entrants: Sequence[Entrant], datasets: Sequence[Dataset], configs: Sequence[Path]
) -> None:
    """Check that all runs will have the metric, on the same number of examples. Raises: UsageError.

    More training examples are a question that a race may ask.
    """
    split = METRICS[metric].split
    if split is None:
        return
    counts = [len(d.splits[split].labels) if split in d.splits else 0 for d in datasets]
    for entrant, config, count in zip(entrants, configs, counts, strict=True):
        if not count:
            raise UsageError(f"--metric {metric}: {config} has no {split} data")
        is_at_the_end = split == "test" and not metric.startswith("last_")  # whatever is monitored
        if split not in entrant.config.monitor and not is_at_the_end:
            raise UsageError(
                f"--metric {metric}: {config} does not measure it; add {split} to its monitor"
            )
        if split != "train" and count != counts[0]:
            raise UsageError(
                f"{configs[0]} and {config}: have {counts[0]:,} and {count:,} {split} examples, so "
                f"that there is no verdict on {metric}; race configs with equally many"
            )


def _check_weights(metric: str, entrants: Sequence[Entrant], configs: Sequence[Path]) -> None:
    """Check that costs weigh the classes alike. Raises: UsageError."""
    if METRICS[metric].unit is not COST:
        return
    first = entrants[0].config.class_weights
    for entrant, config in zip(entrants, configs, strict=True):
        if entrant.config.class_weights != first:
            raise UsageError(
                f"{config}: costs weigh the classes unlike those of {configs[0]} (class_weights), "
                "so that there is no verdict on costs; choose another --metric"
            )


def _preferred(entrants: Sequence[Entrant], datasets: Sequence[Dataset]) -> str:
    """Return the first default metric that all configs measure, which no result decides."""
    if all(d.test is not None and len(d.test.labels) for d in datasets):
        return PREFERRED[0]
    for key in PREFERRED[1:]:
        if all(METRICS[key].split in entrant.config.monitor for entrant in entrants):
            return key
    return PREFERRED[-1]
