"""nnexp runs: list experiments or runs with their settings and results."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.analysis import experiment_rows, query
from nnexp.cli import candidates, options
from nnexp.cli.output import log, put
from nnexp.errors import UsageError
from nnexp.names import without_seed
from nnexp.report.document import as_csv as as_csv_text
from nnexp.report.document import as_text, plain
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns as terminal_width

if TYPE_CHECKING:
    from nnexp.analysis.experiment_rows import ExperimentRow
    from nnexp.analysis.query import Condition
    from nnexp.store.listing import Entry


@click.command()
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...", shell_complete=candidates.patterns)
@options.runs
@click.option(
    "--status",
    multiple=True,
    type=options.OneOf(query.STATUSES),
    help="List only runs with this status; repeatable.",
)
@click.option(
    "--where",
    metavar="CONDITION",
    shell_complete=candidates.condition,
    help="List only runs that meet this condition.",
)
@click.option("--each", is_flag=True, help="List single runs instead of experiments.")
@click.option(
    "--sort",
    metavar="KEY",
    shell_complete=candidates.column,
    help="Sort by a column or a config key (default: name).",
)
@click.option(
    "--columns",
    metavar="KEY,...",
    shell_complete=candidates.columns,
    help="Show these columns and config keys, such as name,started,size,learning_rate.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with one row per run.")
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option(
    "--best",
    metavar="[N]",
    type=options.WholeNumber(1),
    is_flag=False,
    flag_value=1,
    help="List only the N (default: 1) with the best validation accuracy, the best first.",
)
@click.option("--watch", is_flag=True, help="Show running runs live, until all have ended.")
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Print only the paths, one per line.")
def runs(
    patterns: tuple[str, ...],
    runs: Path,
    status: tuple[str, ...],
    where: str | None,
    each: bool,
    sort: str | None,
    columns: str | None,
    as_csv: bool,
    reverse: bool,
    best: int | None,
    watch: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """List experiments, one line for all runs that differ only in the seed.

    \b
    Example:
      nnexp runs --sort test --reverse
      nnexp runs --where 'tag=keep and started>2026-11' --columns name,test
      nnexp runs 'quickstart-*' --where 'learning_rate<1 and optimizer=sgd'
      nnexp runs --best 2 --quiet
      nnexp runs --watch

    A PATTERN with * and ? selects runs by name, with or without -s and the seed; it may begin
    with the folder of --runs. Results are means ± standard deviations over the seeds, of
    finished runs only as soon as there is one. Each config key that differs between lines
    has a column.

    A CONDITION is KEY OP VALUE, where OP is = != < <= > or >=; join several with and, or and
    brackets. KEY is a key of the config, such as optimizer.mu, or a column: name, status,
    seed, epochs (trained so far; config.epochs is the config's), validation, best-epoch,
    test, started (in UTC), size (of the files), tag. Write accuracies as fractions or with %,
    sizes in bytes or as 500K or 1.5M. Dates are compared as precisely as they are written:
    started=2026-11 is any time in November. Runs without the key do not match.

    Rows are sorted in ascending order, those without a value last. The paths that --quiet
    prints can be passed to nnexp compare. Exits with 1 if a run is damaged, if a PATTERN
    matches nothing, or if there is no such folder.
    """
    condition = _condition(where)
    _check_folders(patterns, runs)
    forms = {"--csv": as_csv, "--json": as_json, "--quiet": quiet}
    form = _only(forms)
    if columns and form not in {None, "--csv"}:
        raise UsageError(f"--columns and {form}: give one of them")
    if watch:
        if status or each or sort or columns or reverse or best or form:
            raise UsageError("--watch can only be combined with PATTERN and --where")
        _watch(runs, patterns, condition)
        return
    keys = None if columns is None else [query.column(key.strip()) for key in columns.split(",")]
    sort = sort and query.column(sort)
    used = {"--where": condition.keys, "--sort": [sort] if sort else [], "--columns": keys or []}
    listed = _listed(runs, [key for named in used.values() for key in named], form, keys)
    entries = [
        entry
        for entry in listed
        if (not status or entry.status in status) and _matches(entry, patterns)
    ]
    for option, named in used.items():
        for key in named:
            query.check(key, entries, option)
    fitting = [entry for entry in entries if condition.fits(partial(query.value, entry))]
    chosen = _arranged(fitting, sort, each=each or as_csv, reverse=reverse, best=best)
    if chosen or form:
        PUT[form](chosen, keys, each)
    problems = [*_missing(runs, patterns, listed), *_problems(entries)]
    if not chosen and not form and not problems:
        is_filtered = patterns or status or where or best
        none = f"no runs in {runs}; nnexp train makes one"
        log(f"no matching runs in {runs}; {_listing(runs)} lists all" if is_filtered else none)
    for problem in problems:
        log(problem)
    if problems:
        click.get_current_context().exit(1)


def _only(forms: dict[str, bool]) -> str | None:
    """Return the option that was given, or None. Raises: UsageError if there are several."""
    given = [form for form, is_given in forms.items() if is_given]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: give one of them")
    return given[0] if given else None


def _missing(runs: Path, patterns: Sequence[str], listed: Sequence[Entry]) -> Iterator[str]:
    """Yield a message if the folder is missing, or for each pattern without a run."""
    from nnexp.config.messages import hint
    from nnexp.store import disk
    from nnexp.store.run import no_runs_folder

    if not disk.exists(runs):
        yield no_runs_folder(runs)
        return
    for pattern in patterns:
        if not any(_matches(entry, (pattern,)) for entry in listed):
            known = {name for entry in listed for name in (without_seed(entry.name), entry.name)}
            advice = hint(Path(pattern).name, known, f"{_listing(runs)} lists all")
            yield f"{pattern}: no run in {runs} matches{advice}"


def _listing(runs: Path) -> str:
    """Return the command that lists the runs of a folder."""
    from nnexp.store.run import DEFAULT_FOLDER

    where = [] if runs == DEFAULT_FOLDER else ["--runs", str(runs)]
    return shlex.join(["nnexp", "runs", *where])


def _problems(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what is damaged, also of runs that do not fit, since damage may be the reason."""
    for entry in entries:
        yield from filter(None, (entry.problem, entry.facts_problem))


def _check_folders(patterns: Sequence[str], runs: Path) -> None:
    """Check that patterns with a folder are of the folder that is listed. Raises: UsageError."""
    for pattern in patterns:
        if Path(pattern).parent not in {Path(), runs}:
            raise UsageError(f"{pattern}: is not in {runs}; give its folder with --runs")


def _condition(where: str | None) -> Condition:
    if where is None:
        return query.Condition((), lambda _: True)
    return query.parse(where)


def _matches(entry: Entry, patterns: tuple[str, ...]) -> bool:
    names = (entry.name, without_seed(entry.name))
    wanted = (Path(pattern).name for pattern in patterns)
    return not patterns or any(fnmatchcase(name, part) for part in wanted for name in names)


def _listed(
    runs: Path, used: Iterable[str], form: str | None, keys: Sequence[str] | None
) -> list[Entry]:
    """Return the runs of a folder with all that the columns in use and the output need."""
    from nnexp.store import listing

    shown = SHOWN.get(form, ()) if keys is None else ()
    return list(listing.entries(runs, query.facts([*used, *shown])))


SHOWN: dict[str | None, Collection[str]] = {
    None: {"tags"},
    "--json": query.COLUMNS,
    "--csv": query.COLUMNS,
}
"""Columns that each form of output shows by default."""


def _arranged(
    entries: list[Entry], sort: str | None, *, each: bool, reverse: bool, best: int | None
) -> list[ExperimentRow]:
    """Return the rows of the listing in their order."""
    rows = experiment_rows.listed(entries, each=each)
    if best is not None:
        rows = experiment_rows.best(rows, best)
        if sort is None:
            return rows[::-1] if reverse else rows
    return experiment_rows.ordered(rows, sort or "name", reverse=reverse)


def _put_csv(rows: Sequence[ExperimentRow], keys: Sequence[str] | None, _: bool) -> None:
    from nnexp.report import listing

    put(as_csv_text(*listing.csv_rows([run for row in rows for run in row.runs], keys)))


def _put_table(rows: Sequence[ExperimentRow], keys: Sequence[str] | None, each: bool) -> None:
    from nnexp.report import listing

    if keys is not None:
        put(as_text(plain(listing.chosen(rows, keys))))
        return
    table, left_out = listing.fitted(
        rows, experiment_rows.differing(rows, seed=each), terminal_width()
    )
    put(as_text(plain(table)))
    if left_out:
        log(f"not enough room for {left_out}; use a wider terminal, a pipe or --json")


def _put_json(rows: Sequence[ExperimentRow], _: Sequence[str] | None, each: bool) -> None:
    from nnexp.report import listing

    runs = [run for row in rows for run in row.runs]
    if each:
        put(json_line(listing.run_outputs(runs)))
    else:
        put(json_line([listing.experiment_output(row) for row in rows]))


def _put_paths(rows: Sequence[ExperimentRow], _: Sequence[str] | None, __: bool) -> None:
    """Print the experiments' paths for compare, except those with damaged runs."""
    sound = [experiment for experiment in rows if "damaged" not in experiment.statuses]
    if sound:
        put("\n".join(str(experiment.path) for experiment in sound))
    for experiment in sound:
        if len(experiment.names) > 1:
            aliases = experiment.names[1:]
            have, it, names = (
                ("has", "it is", "another name")
                if len(aliases) == 1
                else (("have", "they are", "other names"))
            )
            log(
                f"{experiment.path}: {', '.join(aliases)} {have} the same config except for the "
                f"seed, but {names}: {it} not included"
            )


PUT: dict[str | None, Callable[[Sequence[ExperimentRow], Sequence[str] | None, bool], None]] = {
    None: _put_table,
    "--csv": _put_csv,
    "--json": _put_json,
    "--quiet": _put_paths,
}
"""Prints experiments, given chosen columns, and whether each is a single run, by the option."""


def _watch(runs: Path, patterns: tuple[str, ...], condition: Condition) -> None:
    from nnexp.analysis.watch import Watch
    from nnexp.cli import watch
    from nnexp.store import listing

    for key in condition.keys:
        query.check(key, (), "--where")

    def fits(entry: Entry) -> bool:
        return _matches(entry, patterns) and condition.fits(partial(query.value, entry))

    watch.show(Watch(runs, fits, query.facts(condition.keys)), str(runs))
    missing = list(_missing(runs, patterns, list(listing.entries(runs, ())) if patterns else ()))
    for problem in missing:
        log(problem)
    if missing:
        click.get_current_context().exit(1)
