"""nnexp note: add notes and tags to runs, or print them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from nnexp.cli import candidates, options
from nnexp.cli.output import put
from nnexp.errors import UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

T = TypeVar("T")
U = TypeVar("U")


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=options.RUN)
@click.option("-m", "--message", metavar="TEXT", help="Add a note.")
@click.option("--tag", metavar="TAG,...", shell_complete=candidates.tags, help="Add these tags.")
@click.option(
    "--untag", metavar="TAG,...", shell_complete=candidates.tags, help="Remove these tags."
)
@options.as_json
def note(
    paths: tuple[Path, ...],
    message: str | None,
    tag: str | None,
    untag: str | None,
    as_json: bool,
) -> None:
    """Add notes and tags to each RUN, and print them; without options, only print them.

    \b
    Example:
      nnexp note runs/A -m 'the baseline of chapter 3' --tag keep,baseline
      nnexp note 'runs/eta-*' --untag keep
      nnexp runs --where tag=keep

    RUN is a run's directory, an experiment or a pattern. Notes are kept in the run's
    notes.json, and move with the run. They change none of its results.
    """
    from nnexp.analysis.experiments import matching
    from nnexp.report import notes as report
    from nnexp.store import notes
    from nnexp.store.run import hint

    text = None if message is None else _located("-m", notes.check_text, message)
    tags = [] if tag is None else _located("--tag", notes.parse_tags, tag)
    removed = [] if untag is None else _located("--untag", notes.parse_tags, untag)
    if both := {*tags} & {*removed}:
        raise UsageError(f"--tag and --untag: both name {min(both)}")
    runs = list({run.path: run for path in paths for run in matching(path)}.values())
    for run in runs:
        if not run.is_there():
            raise UsageError(f"{run.path}: is not a run{hint(run.path)}")
    before = {run: notes.read(run) for run in runs}
    _located("--untag", lambda names: notes.check_known(names, before.values()), removed)
    if text is None and not tags and not removed:
        after = before
    else:
        after = {run: notes.change(run, text, tags, removed) for run in runs}
    if as_json:
        put(json_line(report.output(after)))
    else:
        put(as_text(report.document(after), columns()))


def _located(option: str, check: Callable[[T], U], value: T) -> U:
    """Return what a check of an option's value returns; its error names the option."""
    try:
        return check(value)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None
