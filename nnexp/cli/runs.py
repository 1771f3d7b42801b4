"""nnexp runs: what there is and how it stands."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.text import as_json as json_line
from nnexp.cli.text import percent, put, say, table

if TYPE_CHECKING:
    from nnexp.store.listing import Entry

STATUSES = ("finished", "diverged", "running", "interrupted", "damaged")
COLUMNS = {
    "name": "name",
    "status": "status",
    "epochs": "epochs",
    "validation": "best_validation_accuracy",
    "best-epoch": "best_epoch",
    "test": "test_accuracy",
}
"""What can be sorted by, and the field it stands for."""


@click.command()
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@options.runs
@click.option(
    "--status", multiple=True, type=click.Choice(STATUSES), help="Only these; repeatable."
)
@click.option(
    "--sort", type=click.Choice(list(COLUMNS)), default="name", show_default=True, help="Order by."
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@options.as_json
def runs(
    patterns: tuple[str, ...],
    runs: Path,
    status: tuple[str, ...],
    sort: str,
    reverse: bool,
    as_json: bool,
) -> None:
    """List the runs, or those whose name fits a PATTERN with * and ?; a path's last part counts.

    \b
    Example:
      nnexp runs --sort test --reverse
      nnexp runs 'quickstart-*' --status finished

    Numbers sort from low to high; runs that have none yet come last. Exits 1 if a run
    is damaged.
    """
    from nnexp.store import listing

    chosen = [
        entry
        for entry in listing.entries(runs)
        if (not status or entry.status in status)
        and (not patterns or any(fnmatchcase(entry.name, Path(each).name) for each in patterns))
    ]
    chosen = _sorted(chosen, COLUMNS[sort], reverse=reverse)
    if as_json:
        import msgspec

        put(json_line([msgspec.to_builtins(entry) for entry in chosen]))
    elif chosen:
        put(_table(chosen))
    else:
        say(f"no runs in {runs}" + (" fit" if patterns or status else ""))
    damaged = [entry for entry in chosen if entry.problem is not None]
    for entry in damaged:
        say(str(entry.problem))
    if damaged:
        click.get_current_context().exit(1)


def _sorted(entries: list[Entry], field: str, *, reverse: bool) -> list[Entry]:
    known = [entry for entry in entries if getattr(entry, field) is not None]
    unknown = [entry for entry in entries if getattr(entry, field) is None]
    return sorted(known, key=lambda e: (getattr(e, field), e.name), reverse=reverse) + unknown


def _table(entries: list[Entry]) -> str:
    rows = [
        [
            entry.name,
            entry.status,
            str(entry.epochs),
            percent(entry.best_validation_accuracy),
            str(entry.best_epoch or "-"),
            percent(entry.test_accuracy),
        ]
        for entry in entries
    ]
    return table(("run", "status", "epochs", "best validation", "at", "test"), rows, left=2)
