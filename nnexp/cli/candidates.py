"""Candidates for shell completion: config keys and values, metrics, runs, examples, tags, files.

Most functions are callbacks for click's ``shell_complete``: they take the context, the parameter
and the incomplete value, and return the values that continue it. None imports NumPy.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import click

from nnexp.cli.completion_words import (
    FIGURES,
    JSON_COMMANDS,
    METRICS,
    NUMBERS,
    RANGES,
    VALUES,
    WHOLE_NUMBERS,
    WHOLE_RANGES,
)
from nnexp.errors import NnexpError
from nnexp.names import without_seed

Candidates = Callable[[click.Context, click.Parameter, str], list[str]]

CONFIG_SUFFIXES = (".yaml", ".yml")
RUN = "run.json"
"""The file that makes a directory a run."""
_FILE_KEY = re.compile(r"data\..*(file|directory|images|labels)|initializer\.path")
"""Config keys whose values are paths."""


def words(known: Iterable[str]) -> Candidates:
    """Return a callback that offers fixed words."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del ctx, param
        return _starting(known, incomplete)

    return complete


def lists(known: Iterable[str]) -> Candidates:
    """Return a callback that offers fixed words for a list that is separated by commas."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del ctx, param
        return _in_list(known, incomplete)

    return complete


def settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the continuations of ``KEY=VALUE``."""
    del ctx, param
    key, equals, value = incomplete.partition("=")
    if not equals:
        return _starting((f"{key}=" for key in VALUES), incomplete)
    return [f"{key}={word}" for word in _starting(_values(key, value), value)]


def grid(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the continuations of ``KEY=VALUE,...``."""
    key, equals, value = incomplete.partition("=")
    if not equals:
        return settings(ctx, param, incomplete)
    last = value.rpartition(",")[2]
    return [f"{key}={word}" for word in _in_list(_values(key, last), value)]


def space(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the continuations of a file, or of ``KEY=`` and a list or range."""
    key, equals, value = incomplete.partition("=")
    if not equals:
        return settings(ctx, param, incomplete) + files(incomplete, CONFIG_SUFFIXES)
    kinds = RANGES if key in NUMBERS else WHOLE_RANGES if key in WHOLE_NUMBERS else ()
    calls = _starting((f"{kind}(" for kind in kinds), value)
    return grid(ctx, param, incomplete) + [f"{key}={call}" for call in calls]


def column(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the columns and config keys that continue a word."""
    del ctx, param
    return _starting(_column_names(), incomplete)


def columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the columns and config keys that continue a list."""
    del ctx, param
    return _in_list(_column_names(), incomplete)


def condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the continuations of the last key, or the value after its ``=``, of a condition."""
    del param
    from nnexp.analysis.query import STATUSES

    match = re.fullmatch(r"(.*?)([\w.-]*)(=?)([\w.-]*)", incomplete, re.DOTALL)
    if match is None or not match[3]:
        head, word = (match[1], match[2]) if match else ("", incomplete)
        return [f"{head}{name}" for name in _starting(["tag", *_column_names()], word)]
    own = {"status": STATUSES, "tag": _tags([_runs_folder(ctx)])}
    values = own.get(match[2], VALUES.get(match[2], ()))
    return [f"{match[1]}{match[2]}={value}" for value in _starting(values, match[4])]


def configs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the examples, YAML files and runs that continue a CONFIG."""
    own = _runs_at(incomplete) if "/" in incomplete else []
    paths = _without(own, files(incomplete, CONFIG_SUFFIXES))
    return [*examples(ctx, param, incomplete), *own, *paths]


def examples(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the examples whose names continue a word."""
    from nnexp.config.examples import examples as packaged

    del ctx, param
    return _starting(packaged(), incomplete)


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the experiments and runs that continue a path, or whose names continue a word."""
    del param
    if ctx.params.get("restore") or ctx.params.get("empty"):
        return _starting(_trashed(_parent(incomplete) or _runs_folder(ctx)), incomplete)
    if "/" in incomplete:
        own = _runs_at(incomplete)
    else:
        folder = _runs_folder(ctx)
        own = [f"{folder}/{name}" for name in _run_names(folder) if name.startswith(incomplete)]
    return [*own, *_without(own, files(incomplete, ()))]


def patterns(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of experiments and runs in the folder of ``--runs``."""
    del param
    head, slash, _ = incomplete.rpartition("/")
    return _starting((f"{head}{slash}{name}" for name in _run_names(_runs_folder(ctx))), incomplete)


def tags(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the tags that runs have: those in the folders of the RUNs that are named."""
    del param
    named = [Path(path).parent for path in ctx.params.get("paths") or ()]
    return _in_list(_tags(named or [_runs_folder(ctx)]), incomplete)


metrics = words(METRICS)
figures = words(FIGURES)
json_commands = words(JSON_COMMANDS)


def files(incomplete: str, suffixes: Sequence[str] | None = None) -> list[str]:
    """Return the folders, with a slash at the end, and files that continue a path.

    Args:
        incomplete: the path as it is typed.
        suffixes: the endings of the files; None for all files.
    """
    head, slash, tail = incomplete.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    paths = []
    for name in sorted(_names(folder)):
        if not name.startswith(tail) or (name.startswith(".") and not tail):
            continue
        if _is_folder(folder / name):
            paths.append(f"{head}{slash}{name}/")
        elif suffixes is None or name.endswith(tuple(suffixes)):
            paths.append(f"{head}{slash}{name}")
    return paths


def _starting(known: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in known if word.startswith(incomplete)]


def _values(key: str, incomplete: str) -> list[str]:
    """Return the words that a config key accepts, and the files that continue a path."""
    return [*VALUES.get(key, ()), *(files(incomplete) if _FILE_KEY.fullmatch(key) else ())]


def _in_list(known: Iterable[str], incomplete: str) -> list[str]:
    """Return a list with each of the words that continue its last item and are not in it."""
    head, comma, last = incomplete.rpartition(",")
    given = head.split(",")
    return [f"{head}{comma}{word}" for word in _starting(known, last) if word not in given]


def _without(runs: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """Yield paths that are no run."""
    return (path for path in paths if path.rstrip("/") not in {*runs})


def _column_names() -> list[str]:
    from nnexp.analysis.query import COLUMNS

    return list(dict.fromkeys([*COLUMNS, *VALUES]))


def _runs_folder(ctx: click.Context) -> Path:
    return Path(ctx.params.get("runs") or "runs")


def _parent(incomplete: str) -> Path | None:
    return Path(incomplete).parent if "/" in incomplete else None


def _runs_at(incomplete: str) -> list[str]:
    """Return the experiments and runs that continue a path with a slash."""
    head, _, tail = incomplete.rpartition("/")
    names = _run_names(Path(f"{head}/").expanduser())
    return [f"{head}/{name}" for name in names if name.startswith(tail)]


def _run_names(folder: Path) -> list[str]:
    """Return the names of experiments with several runs, and of runs, in a folder."""
    runs = [name for name in sorted(_names(folder)) if _is_run(folder / name)]
    stems = [without_seed(name) for name in runs]
    several = [stem for stem in dict.fromkeys(stems) if stems.count(stem) > 1]
    return list(dict.fromkeys([*several, *runs]))


def _trashed(folder: Path) -> list[str]:
    from nnexp.store import trash

    return list(dict.fromkeys(str(run.original) for run in trash.contents(folder)))


def _tags(folders: Iterable[Path]) -> list[str]:
    from nnexp.store import notes
    from nnexp.store.run import Run

    tags = set[str]()
    for folder in dict.fromkeys(folders):
        for name in _names(folder):
            with suppress(NnexpError):
                tags.update(notes.read(Run(folder / name)).tags)
    return sorted(tags)


def _names(folder: Path) -> list[str]:
    from nnexp.store import disk

    with suppress(NnexpError):
        return disk.directory_names(folder)
    return []


def _is_folder(path: Path) -> bool:
    from nnexp.store import disk

    with suppress(NnexpError):
        return stat.S_ISDIR(disk.mode(path))
    return False


def _is_run(path: Path) -> bool:
    from nnexp.store import disk

    with suppress(NnexpError):
        return not path.name.startswith(".") and disk.exists(path / RUN)
    return False
