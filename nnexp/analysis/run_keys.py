"""The columns by which tables for other programs tell runs apart: experiment, seed, settings."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from nnexp.analysis import experiment_rows, query
from nnexp.names import stem
from nnexp.store.listing import by_experiment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nnexp.store.listing import Entry


class RunKeys(NamedTuple):
    """The experiment and settings of each run, as cells of a table."""

    header: list[str]
    """The keys of the config, or of contents, that differ between the runs."""
    experiments: dict[str, str]
    """The name of its experiment, by a run's directory; no two experiments share one."""
    settings: dict[str, list[object]]
    """The values of those keys, by a run's directory; None for a key that a run does not have."""


def run_keys(runs: Sequence[Entry], taken: Collection[str]) -> RunKeys:
    """Return what tells runs apart.

    Args:
        runs: the runs.
        taken: the other columns of the table; a key of the same name gets the prefix ``config.``.
    """
    rows = experiment_rows.listed(runs, each=True)
    keys = experiment_rows.differing(rows, seed=False)
    contents = experiment_rows.differing_content(rows)
    header = [setting_column(key, taken) for key in keys]
    settings: dict[str, list[object]] = {}
    for row in rows:
        own = [plain(query.setting(row.config, key)) for key in keys]
        settings[row.runs[0].path] = own + [row.content[key] for key in contents]
    return RunKeys(header + contents, experiment_names(runs), settings)


def setting_column(key: str, taken: Collection[str]) -> str:
    """Return the column of a config's key: with the prefix ``config.`` if its name is taken."""
    return f"{query.PREFIX}{key}" if key in taken else key


def experiment_names(runs: Sequence[Entry]) -> dict[str, str]:
    """Return the name of each run's experiment, by the runs' directories.

    It is the most frequent one without ``-s<seed>``; no two experiments share one.
    """
    names: dict[str, str] = {}
    for group in by_experiment(runs):
        stems = Counter(stem(run.name, run.seed) for run in group)
        name = stems.most_common(1)[0][0]
        if name in names.values():  # given by hand to runs of different configs
            name = group[0].name if group[0].name not in names.values() else group[0].path
        names |= dict.fromkeys((run.path for run in group), name)
    return names


def plain(value: object) -> object:
    """Return a config's value as a field of CSV: truth values, lists and sections as JSON."""
    if value is UNSET:
        return None
    is_plain = isinstance(value, str | int | float | None) and not isinstance(value, bool)
    return value if is_plain else json.dumps(value)
