"""Experiments as the rows of a listing: which runs each has, their order, the keys that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from nnexp.analysis import query
from nnexp.names import stem
from nnexp.seeds import Spread, spread
from nnexp.store.listing import Entry, by_experiment

DIGITS = 8
"""Hexadecimal digits that tables show of a digest of data or weights."""


class ExperimentRow(NamedTuple):
    """An experiment in a listing: entries of runs whose configs differ only in the seed."""

    names: tuple[str, ...]
    """A run's name, or names that several share before ``-s<seed>``; most frequent first."""
    runs: tuple[Entry, ...]

    @property
    def path(self) -> Path:
        """The argument with which ``nnexp compare`` names it."""
        return Path(self.runs[0].path).with_name(self.names[0])

    @property
    def config(self) -> dict[str, Any]:
        """The config by dotted key, with the seed of the first run."""
        return self.runs[0].config

    @property
    def content(self) -> dict[str, str | None]:
        """The digests of the data, and of another run's weights, by their keys in tables."""
        first = self.runs[0]
        return {"data.sha256": first.data_sha256, "initializer.sha256": first.weights_sha256}

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds, sorted."""
        return sorted({run.seed for run in self.runs if run.seed is not None})

    @property
    def statuses(self) -> dict[str, int]:
        """Number of runs by status."""
        counts = Counter[str](run.status for run in self.runs)
        return {status: counts[status] for status in query.STATUSES if counts[status]}

    @property
    def epochs(self) -> tuple[int, int]:
        """The smallest and largest number of epochs of its runs."""
        trained = [run.epochs for run in self.runs]
        return min(trained), max(trained)

    @property
    def tags(self) -> list[str]:
        """The tags of its runs, sorted."""
        return sorted({tag for run in self.runs for tag in run.tags})

    @property
    def started(self) -> str | None:
        """When the first of its runs was started; None if not known."""
        return min((run.started for run in self.runs if run.started), default=None)

    @property
    def size(self) -> int | None:
        """Bytes of all its runs; None if not read."""
        sizes = [run.size for run in self.runs if run.size is not None]
        return sum(sizes) if sizes else None

    def spread(self, column: str) -> Spread | None:
        """Return a column's mean and standard deviation over the seeds, or None without values.

        If any run is finished, only finished ones count. A repeated seed counts once.
        """
        finished = [run for run in self.runs if run.status == "finished"] or self.runs
        by_seed: dict[int | None, float] = {}
        for run in finished:
            value = query.value(run, column)
            if value is not UNSET and value is not None:
                by_seed.setdefault(run.seed, value)
        return spread(list(by_seed.values()))

    def value(self, key: str) -> Any:  # noqa: ANN401 - any value of a config
        """Return the value by which a key sorts the experiment; None or UNSET if it has none."""
        if key in OF_EXPERIMENT:
            return OF_EXPERIMENT[key](self)
        if key in {*query.ACCURACIES, "best-epoch"}:
            spread = self.spread(key)
            return spread and spread.mean
        return query.value(self.runs[0], key)


OF_EXPERIMENT: dict[str, Callable[[ExperimentRow], Any]] = {
    "name": lambda row: row.names[0],
    "epochs": lambda row: row.epochs[1],
    "started": lambda row: row.started,
    "size": lambda row: row.size,
    "tags": lambda row: ",".join(row.tags) or None,
}
"""The values by which columns sort experiments, if not those of a run or a mean."""


def listed(entries: Iterable[Entry], *, each: bool = False) -> list[ExperimentRow]:
    """Group runs by experiment, or list each run by itself."""
    if each:
        return [ExperimentRow((entry.name,), (entry,)) for entry in entries]
    return [ExperimentRow(_names(group), tuple(group)) for group in by_experiment(entries)]


def _names(group: list[Entry]) -> tuple[str, ...]:
    stems: dict[str, list[str]] = {}
    for run in group:
        stems.setdefault(stem(run.name, run.seed), []).append(run.name)
    ordered = sorted(stems.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(shared if len(names) > 1 else names[0] for shared, names in ordered)


def ordered(
    experiments: Sequence[ExperimentRow], key: str, *, reverse: bool
) -> list[ExperimentRow]:
    """Return experiments sorted by a key; those without a value come last."""
    values = [(row.value(key), row) for row in experiments]
    known = [(_rank(v), row) for v, row in values if v is not None and v is not UNSET]
    unknown = [row for v, row in values if v is None or v is UNSET]
    known.sort(key=lambda pair: (pair[0], pair[1].names), reverse=reverse)
    return [row for _, row in known] + unknown


def _rank(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - any value of a config
    """Return a sort key that puts numbers before text; lists sort as text."""
    is_number = isinstance(value, int | float)
    return (False, value) if is_number else (True, value if isinstance(value, str) else repr(value))


def best(experiments: Sequence[ExperimentRow], count: int) -> list[ExperimentRow]:
    """Return the experiments with the best validation accuracy, best first."""
    scored = [row for row in experiments if row.value("validation") is not None]
    return sorted(scored, key=lambda row: (-row.value("validation"), row.names))[:count]


def differing(experiments: Sequence[ExperimentRow], *, seed: bool) -> list[str]:
    """Return the config keys that differ, in the config's order; the seed only if ``seed``.

    Configs without a key do not count: their component has no such setting, which its name
    shows, or an older nnexp did not have the key, and the run used its default.
    """
    configs = [row.config for row in experiments if row.config]
    keys = dict.fromkeys(key for config in configs for key in config)
    parents = {key.rpartition(".")[0] for key in keys}
    return [key for key in keys if (seed or key != "seed") and _differs(key, configs, parents)]


def differing_content(experiments: Sequence[ExperimentRow]) -> list[str]:
    """Return the keys of contents that differ between experiments of the same config."""
    contents: dict[tuple[str, str], set[str | None]] = {}
    for row in experiments:
        config = repr({key: value for key, value in row.config.items() if key != "seed"})
        for key, digest in row.content.items():
            contents.setdefault((key, config), set()).add(digest)
    return list(dict.fromkeys(key for (key, _), found in contents.items() if len(found) > 1))


def _differs(key: str, configs: list[dict[str, Any]], parents: set[str]) -> bool:
    get = query.setting if key in parents else lambda config, key: config.get(key, UNSET)
    values = (value for config in configs if (value := get(config, key)) is not UNSET)
    first = next(values, None)
    return any(value != first for value in values)


def telling(keys: Sequence[str], cells: Callable[[str], Sequence[str]]) -> list[str]:
    """Order keys so that the first ones distinguish the most experiments."""
    columns_of = {key: cells(key) for key in keys}
    chosen: list[str] = []
    classes: Sequence[object] = [()] * len(next(iter(columns_of.values()), ()))
    while len(chosen) < len(keys):
        left = [key for key in keys if key not in chosen]
        joined = {key: list(zip(classes, columns_of[key], strict=True)) for key in left}
        most = max(left, key=lambda key: len(set(joined[key])))
        numbers: dict[object, int] = {}
        classes = [numbers.setdefault(pair, len(numbers)) for pair in joined[most]]
        chosen.append(most)
    return chosen
