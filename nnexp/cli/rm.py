"""nnexp rm: move runs or checkpoints to the trash, restore them, and empty the trash."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from nnexp.cli import options
from nnexp.cli.output import log, put
from nnexp.errors import LockedError, UsageError
from nnexp.names import without_seed

if TYPE_CHECKING:
    from nnexp.store.run import Run
    from nnexp.store.trash import Removal

ALL, ALL_BUT_BEST = "all", "all-but-best"


@click.command()
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=options.RUN)
@options.runs
@click.option(
    "--checkpoints",
    type=options.OneOf([ALL_BUT_BEST, ALL]),
    help="Move only the checkpoints of finished runs: all, or all but the best epoch's.",
)
@click.option("--restore", is_flag=True, help="Bring runs or their checkpoints back.")
@click.option(
    "--empty", is_flag=True, help="Delete what is in the trash for good: all of it, or these runs."
)
def rm(
    paths: tuple[Path, ...], runs: Path, checkpoints: str | None, restore: bool, empty: bool
) -> None:
    """Move each RUN to the trash, the folder .trash beside it.

    \b
    Example:
      nnexp rm runs/A-s0 'runs/eta-*'
      nnexp rm --restore runs/A-s0
      nnexp rm runs/A --checkpoints all-but-best
      nnexp rm --empty

    RUN is a run's directory, an experiment or a pattern. Space is freed by --empty only, which
    cannot be undone; without RUN, it empties the trash of --runs. A run that is being trained,
    or whose weights another run started from, is not moved. Without checkpoints, a run can
    still be listed, shown, compared and verified, but not evaluated, exported or trained
    further.
    """
    if restore + empty + (checkpoints is not None) > 1:
        raise UsageError("--checkpoints, --restore and --empty: choose one of them")
    source = click.get_current_context().get_parameter_source("runs")
    if paths and source is not ParameterSource.DEFAULT:
        raise UsageError("--runs is for --empty without RUN; a RUN is named with its folder")
    if not paths and not empty:
        raise UsageError("name a RUN, or empty the trash with --empty")
    arguments = [path if path.name not in {"", ".."} else path.resolve() for path in paths]
    if empty:
        _empty(arguments, runs)
    elif restore:
        _restore(arguments)
    elif checkpoints is not None:
        _put_checkpoints(_named(arguments), checkpoints)
    else:
        _put(_named(arguments))


def _named(arguments: Sequence[Path]) -> list[Run]:
    """Return the runs that arguments name. Raises: UsageError."""
    from nnexp.analysis.experiments import matching
    from nnexp.store.run import hint
    from nnexp.store.trash import TRASH

    found: dict[Path, Run] = {}
    for argument in arguments:
        for run in matching(argument):
            if run.path.parent.name == TRASH:
                raise UsageError(f"{run.path}: is in the trash; --empty {run.path} deletes it")
            if not run.is_there():
                raise UsageError(f"{run.path}: is not a run{hint(run.path)}")
            found.setdefault(run.path.absolute(), run)
    return list(found.values())


def _put(runs: Sequence[Run]) -> None:
    from nnexp.runner.dependents import check_unused
    from nnexp.store import trash

    check_unused(runs, lambda _: None)
    _check_unlocked(runs)
    for run in runs:
        put(f"{run.path}: moved to {trash.put(run)}")
    _tell_how_to_restore(runs, lambda name: [run.original for run in trash.find(name)])


def _put_checkpoints(runs: Sequence[Run], which: str) -> None:
    from nnexp.runner.dependents import check_unused
    from nnexp.store import trash

    epochs = {run.path: _epochs(run, which) for run in runs}
    check_unused(runs, lambda run: epochs[run.path])
    _check_unlocked(runs)
    moved = []
    for run in runs:
        if paths := trash.put_checkpoints(run, epochs[run.path]):
            moved.append(run)
            names = ", ".join(path.name for path in paths)
            put(f"{run.path}: moved {names} to {run.path.parent / trash.TRASH}")
        else:
            put(f"{run.path}: has no such checkpoint")
    _tell_how_to_restore(moved, lambda name: [] if trash.find(name) else _paths(name))


def _paths(name: Path) -> list[Path]:
    """Return the paths of the runs that a name means; none if it means none or is ambiguous."""
    from nnexp.analysis.experiments import matching

    with suppress(UsageError):
        return [run.path for run in matching(name)]
    return []


def _epochs(run: Run, which: str) -> set[int]:
    """Return the epochs whose checkpoints are deleted.

    Raises:
        UsageError: the run has not ended.
        LockedError: it is being trained.
    """
    result = run.result
    if result is None:
        _check_unlocked([run])
        raise UsageError(f"{run.path}: is interrupted, and its checkpoints are needed to resume it")
    kept = {result.best.epoch} if which == ALL_BUT_BEST and result.best is not None else set()
    return set(run.checkpoints()) - kept


def _check_unlocked(runs: Sequence[Run]) -> None:
    """Check, before anything is moved, that no run is being trained. Raises: LockedError."""
    from nnexp.store import lock
    from nnexp.store.run import LOCK

    for run in runs:
        if lock.is_held(run.path / LOCK):
            raise LockedError(f"{run.path}: another process is training this run")


def _tell_how_to_restore(runs: Sequence[Run], named: Callable[[Path], Sequence[Path]]) -> None:
    """Print the command that undoes a move.

    Args:
        runs: the runs that were moved, or whose checkpoints were.
        named: returns the paths of the runs that ``--restore`` brings back by a name.
    """
    by_stem: dict[Path, list[Path]] = {}
    for run in runs:
        by_stem.setdefault(run.path.with_name(without_seed(run.name)), []).append(run.path)
    names = list[Path]()
    for stem, paths in by_stem.items():
        is_enough = len(paths) > 1 and sorted(named(stem)) == sorted(paths)
        names += [stem] if is_enough else paths
    if names:
        command = shlex.join(["nnexp", "rm", "--restore", *map(str, names)])
        log(f"{command} undoes this, until nnexp rm --empty frees the space")


def _restore(arguments: Sequence[Path]) -> None:
    from nnexp.store import trash

    for argument in arguments:
        if found := trash.find(argument):
            for trashed in found:
                run = trash.restore(trashed)
                put(f"{run.path}: restored from {trashed.path}")
                if paths := trash.restore_checkpoints(run):
                    put(_restored(run, paths))
            continue
        restored = list(_restored_checkpoints(argument))
        if not restored:
            raise UsageError(f"{argument}: is not in the trash{_known(argument)}")
        for run, paths in restored:
            put(_restored(run, paths))


def _restored(run: Run, paths: Sequence[Path]) -> str:
    return f"{run.path}: restored {', '.join(path.name for path in paths)}"


def _restored_checkpoints(argument: Path) -> Iterator[tuple[Run, list[Path]]]:
    """Restore the checkpoints of the runs that an argument names, and yield their paths."""
    from nnexp.analysis.experiments import matching
    from nnexp.store import trash

    try:
        runs = matching(argument)
    except UsageError:
        return
    for run in runs:
        if paths := trash.restore_checkpoints(run):
            yield run, paths


def _removed(removal: Removal) -> str:
    """Return what was removed, such as ``2 runs and 1 set of checkpoints``."""
    runs = f"{removal.runs} run{'s' * (removal.runs != 1)}"
    sets = f"{removal.checkpoints} set{'s' * (removal.checkpoints != 1)} of checkpoints"
    if not removal.checkpoints:
        return runs
    return f"{runs} and {sets}" if removal.runs else sets


def _known(argument: Path) -> str:
    """Return what is in the trash, or where the run is, for a message."""
    from nnexp.config.messages import listed
    from nnexp.store import trash
    from nnexp.store.run import DEFAULT_FOLDER

    if len(argument.parts) == 1 and trash.find(elsewhere := DEFAULT_FOLDER / argument):
        return f"; did you mean {elsewhere}?"
    names = [run.path.name for run in trash.contents(argument.parent)]
    return f", which holds {listed(names)}" if names else ", which is empty; see nnexp runs"


def _empty(arguments: Sequence[Path], runs: Path) -> None:
    from nnexp.config.sizes import format_size
    from nnexp.store import disk, trash
    from nnexp.store.run import no_runs_folder

    if not arguments and not disk.exists(runs):
        raise UsageError(no_runs_folder(runs))
    by_folder: dict[Path, list[Path] | None] = {} if arguments else {runs: None}
    for argument in arguments:
        found = [run.path for run in trash.find(argument)] + trash.find_checkpoints(argument)
        if not found:
            raise UsageError(f"{argument}: is not in the trash{_known(argument)}")
        for path in found:
            own = by_folder.setdefault(path.parent.parent, [])
            if own is not None and path not in own:
                own.append(path)
    kept = []
    for folder, chosen in by_folder.items():
        removal = trash.empty(folder, chosen)
        put(f"{folder / trash.TRASH}: deleted {_removed(removal)}, {format_size(removal.size)}")
        kept += removal.kept
    if kept:
        raise LockedError(f"{', '.join(map(str, kept))}: another process uses it")
