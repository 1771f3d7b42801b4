"""Listed runs as experiments: each over its seeds, and the config keys that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from nnexp.analysis import query
from nnexp.analysis.seeds import Spread, spread
from nnexp.checks import stem
from nnexp.store.listing import Entry, by_experiment


class Experiment(NamedTuple):
    """One or more runs whose configs are equal but for the seed."""

    names: tuple[str, ...]
    """A run's own, or what several have in common before -s and the seed; the most runs' first."""
    runs: tuple[Entry, ...]

    @property
    def path(self) -> Path:
        """What compare takes for it."""
        return Path(self.runs[0].path).with_name(self.names[0])

    @property
    def config(self) -> dict[str, Any]:
        """The config by dotted key, the first run's seed among them."""
        return self.runs[0].config

    @property
    def seeds(self) -> list[int]:
        """The different seeds, in order."""
        return sorted({run.seed for run in self.runs if run.seed is not None})

    @property
    def statuses(self) -> dict[str, int]:
        """How many runs stand how."""
        counts = Counter[str](run.status for run in self.runs)
        return {status: counts[status] for status in query.STATUSES if counts[status]}

    @property
    def epochs(self) -> tuple[int, int]:
        """The fewest and the most epochs of a run."""
        trained = [run.epochs for run in self.runs]
        return min(trained), max(trained)

    def spread(self, column: str) -> Spread | None:
        """Return a column's mean and standard deviation over the seeds, if there are any values.

        Once a run is finished, only finished ones count; a seed that was run twice counts once.
        """
        finished = [run for run in self.runs if run.status == "finished"] or self.runs
        by_seed: dict[int | None, float] = {}
        for run in finished:
            found = query.value(run, column)
            if found is not UNSET and found is not None:
                by_seed.setdefault(run.seed, found)
        return spread(list(by_seed.values()))

    def value(self, key: str) -> Any:  # noqa: ANN401 - any value of a config
        """Return what the experiment is sorted by under a key: None or UNSET where it has none."""
        if key == "name":
            return self.names[0]
        if key == "epochs":
            return self.epochs[1]
        if key in {*query.ACCURACIES, "best-epoch"}:
            spread = self.spread(key)
            return spread and spread.mean
        return query.value(self.runs[0], key)


def experiments(entries: Iterable[Entry], *, each: bool = False) -> list[Experiment]:
    """Return the experiments that runs belong to, or each run by itself."""
    if each:
        return [Experiment((entry.name,), (entry,)) for entry in entries]
    return [Experiment(_names(group), tuple(group)) for group in by_experiment(entries)]


def _names(group: list[Entry]) -> tuple[str, ...]:
    stems: dict[str, list[str]] = {}
    for run in group:
        stems.setdefault(stem(run.name, run.seed), []).append(run.name)
    ordered = sorted(stems.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(shared if len(names) > 1 else names[0] for shared, names in ordered)


def ordered(experiments: Sequence[Experiment], key: str, *, reverse: bool) -> list[Experiment]:
    """Return experiments from low to high, names as words; those without a value come last."""
    values = [(each.value(key), each) for each in experiments]
    known = [(_rank(v), each) for v, each in values if v is not None and v is not UNSET]
    unknown = [each for v, each in values if v is None or v is UNSET]
    known.sort(key=lambda pair: (pair[0], pair[1].names), reverse=reverse)
    return [each for _, each in known] + unknown


def _rank(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - any value of a config
    """Return what puts numbers before words, and lists among these."""
    is_number = isinstance(value, int | float)
    return (False, value) if is_number else (True, value if isinstance(value, str) else repr(value))


def best(experiments: Sequence[Experiment], count: int) -> list[Experiment]:
    """Return the best by validation accuracy, the best first; none without one, nor a damaged."""
    scored = [each for each in experiments if each.value("validation") is not None]
    return sorted(scored, key=lambda each: (-each.value("validation"), each.names))[:count]


def differing(experiments: Sequence[Experiment], *, seed: bool) -> list[str]:
    """Return the config's keys that differ, in the config's order; the seed only if asked for.

    A setting that only some have is told by its component's name, and a key that an older nnexp
    did not know stands at its default: neither differs unless those that have it do.
    """
    configs = [each.config for each in experiments if each.config]
    every = dict.fromkeys(key for config in configs for key in config)
    parents = {key.rpartition(".")[0] for key in every}
    return [key for key in every if (seed or key != "seed") and _differs(key, configs, parents)]


def _differs(key: str, configs: list[dict[str, Any]], parents: set[str]) -> bool:
    get = query.setting if key in parents else lambda config, key: config.get(key, UNSET)
    found = (value for config in configs if (value := get(config, key)) is not UNSET)
    first = next(found, None)
    return any(value != first for value in found)


def telling(keys: Sequence[str], cells: Callable[[str], Sequence[str]]) -> list[str]:
    """Return keys so that the first ones tell the most experiments apart."""
    columns_of = {key: cells(key) for key in keys}
    chosen: list[str] = []
    classes: Sequence[object] = [()] * len(next(iter(columns_of.values()), ()))
    while len(chosen) < len(keys):
        left = [key for key in keys if key not in chosen]
        joined = {key: list(zip(classes, columns_of[key], strict=True)) for key in left}
        most = max(left, key=lambda key: len(set(joined[key])))
        numbers: dict[object, int] = {}
        classes = [numbers.setdefault(each, len(numbers)) for each in joined[most]]
        chosen.append(most)
    return chosen
