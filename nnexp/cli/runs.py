"""nnexp runs: what there is and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.analysis import query
from nnexp.cli import options
from nnexp.cli.output import put, say
from nnexp.errors import UsageError
from nnexp.names import without_seed
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from nnexp.analysis.experiments import ExperimentRow
    from nnexp.analysis.query import Condition
    from nnexp.store.listing import Entry


@click.command()
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@options.runs
@click.option(
    "--status", multiple=True, type=click.Choice(query.STATUSES), help="Only these; repeatable."
)
@click.option("--where", metavar="CONDITION", help="Only runs that this holds of.")
@click.option("--each", is_flag=True, help="A line for each run, not for each experiment.")
@click.option(
    "--sort", metavar="KEY", help="Order by a column (name, if not given) or a config's key."
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option(
    "--best",
    metavar="[N]",
    type=click.IntRange(1),
    is_flag=False,
    flag_value=1,
    help="Only the N (1) with the best validation accuracy, the best first.",
)
@click.option("--watch", is_flag=True, help="Follow those that are running until none is.")
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Only what compare takes for each, a line each.")
def runs(
    patterns: tuple[str, ...],
    runs: Path,
    status: tuple[str, ...],
    where: str | None,
    each: bool,
    sort: str | None,
    reverse: bool,
    best: int | None,
    watch: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the experiments: runs that differ in nothing but the seed are one line.

    \b
    Example:
      nnexp runs --sort test --reverse
      nnexp runs 'quickstart-*' --where 'learning_rate<1 and optimizer=sgd'
      nnexp runs --best 2 --quiet
      nnexp runs --watch

    A PATTERN with * and ? chooses runs by name, with -s and the seed or without; a path's
    last part counts. Results are means ± standard deviations over the seeds, of the finished
    runs once there is one. Config keys that differ between the lines have a column each.

    A CONDITION is KEY OP VALUE, joined with and, or and brackets; OP is = != < <= > or
    >=. KEY is a dotted key of the config (optimizer.mu) or a column: name, status, seed,
    epochs (trained; config.epochs: asked for), validation, best-epoch, test. Accuracies
    are fractions, or end in %. A run without the key does not fit.

    --quiet prints what compare takes: an experiment's name, which means all of its seeds.
    Sorting goes from low to high; what has no value comes last. JSON is a list of
    experiments with name, path (for compare), seeds, statuses, config, the results' mean
    and sd, and runs; with --each it is a list of runs. Exits 1 if a run is damaged.
    """
    condition = _condition(where)
    if watch:
        if status or each or sort or reverse or best or as_json or quiet:
            raise UsageError("--watch shows what is running: only a PATTERN and --where go with it")
        _watch(runs, patterns, condition)
        return
    entries = _entries(runs, patterns, status)
    for asked, keys in (("--where", condition.keys), ("--sort", (sort,) if sort else ())):
        for key in keys:
            query.check(key, entries, asked)
    fitting = [entry for entry in entries if condition.fits(partial(query.value, entry))]
    chosen = _arranged(fitting, sort, each=each, reverse=reverse, best=best)
    if quiet:
        _put_paths(chosen)
    elif as_json:
        _put_json(chosen, each=each)
    elif chosen:
        _put_table(chosen, each=each)
    else:
        asked_for = patterns or status or where or best
        say(f"no runs in {runs}" + (" fit" if asked_for else ""))
    problems = [entry.problem for entry in entries if entry.problem is not None]
    for problem in problems:  # of those too that only their damage keeps from fitting
        say(problem)
    if problems:
        click.get_current_context().exit(1)


def _condition(where: str | None) -> Condition:
    if where is None:
        return query.Condition((), lambda _: True)
    return query.parse(where)


def _named(entry: Entry, patterns: tuple[str, ...]) -> bool:
    names = (entry.name, without_seed(entry.name))
    asked = (Path(each).name for each in patterns)
    return not patterns or any(fnmatchcase(name, each) for each in asked for name in names)


def _entries(runs: Path, patterns: tuple[str, ...], status: tuple[str, ...]) -> list[Entry]:
    from nnexp.store import listing

    return [
        entry
        for entry in listing.entries(runs)
        if (not status or entry.status in status) and _named(entry, patterns)
    ]


def _arranged(
    entries: list[Entry], sort: str | None, *, each: bool, reverse: bool, best: int | None
) -> list[ExperimentRow]:
    """Return the lines in their order."""
    from nnexp.analysis import experiments

    found = experiments.listed(entries, each=each)
    if best is not None:
        found = experiments.best(found, best)
        if sort is None:
            return found[::-1] if reverse else found
    return experiments.ordered(found, sort or "name", reverse=reverse)


def _put_table(chosen: Sequence[ExperimentRow], *, each: bool) -> None:
    from nnexp.analysis import experiments
    from nnexp.report import listing

    table, left_out = listing.shown(chosen, experiments.differing(chosen, seed=each), columns())
    put(table)
    if left_out:
        say(f"no room for {left_out}; a wider terminal, a pipe or --json has them")


def _put_json(chosen: Sequence[ExperimentRow], *, each: bool) -> None:
    from nnexp.report import listing

    if each:
        put(json_line(listing.run_outputs([run for one in chosen for run in one.runs])))
    else:
        put(json_line([listing.experiment_output(one) for one in chosen]))


def _put_paths(chosen: Sequence[ExperimentRow]) -> None:
    """Print what compare takes; what is damaged is nothing to compare."""
    sound = [experiment for experiment in chosen if "damaged" not in experiment.statuses]
    if sound:
        put("\n".join(str(experiment.path) for experiment in sound))
    for experiment in sound:
        if len(experiment.names) > 1:
            others = ", ".join(experiment.names[1:])
            say(
                f"{experiment.path}: {others} has the same config but for the seed; "
                "this name leaves it out"
            )


def _watch(runs: Path, patterns: tuple[str, ...], condition: Condition) -> None:
    from nnexp.analysis.watch import Watch
    from nnexp.cli import watch

    for key in condition.keys:
        query.check(key, (), "--where")

    def fits(entry: Entry) -> bool:
        return _named(entry, patterns) and condition.fits(partial(query.value, entry))

    watch.tell(Watch(runs, fits), str(runs))
