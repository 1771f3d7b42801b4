"""A listing of experiments as a table that fits its terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from nnexp.analysis import experiments
from nnexp.analysis.query import COLUMNS, PREFIX, setting
from nnexp.config.messages import ranges, shortened
from nnexp.errors import printable
from nnexp.report.outputs import ExperimentRunsOutput, RunOutput, spread_output
from nnexp.report.text import as_json, percent, table

if TYPE_CHECKING:
    from nnexp.analysis.experiments import ExperimentRow
    from nnexp.seeds import Spread
    from nnexp.store.listing import Entry

WIDEST = 30
"""Characters shown of a config's value, or of many seeds."""
GAP = 2
FIRST, TEST, SEEDS, EPOCHS, REST = range(5)
"""Who has room first: the most telling key, the results, what is left of the keys."""


class Column(NamedTuple):
    """A column of the table; one that may be left out has its rank, the last one goes first."""

    header: str
    cells: list[str]
    rank: int | None = None

    @property
    def width(self) -> int:
        """The characters it takes."""
        return max(len(printable(cell)) for cell in (self.header, *self.cells)) + GAP


def shown(experiments: Sequence[ExperimentRow], keys: Sequence[str], width: int) -> tuple[str, str]:
    """Return the table, and which columns the width had no room for; 0 has room for all."""
    columns = _columns(experiments, keys, ranked=width > 0)
    left_out: list[Column] = []
    if width:
        room = width + GAP - sum(column.width for column in columns if column.rank is None)
        optional = [column for column in columns if column.rank is not None]
        for column in sorted(optional, key=lambda column: column.rank or 0):
            if column.width <= room:
                room -= column.width
            else:
                left_out.append(column)
    kept = [column for column in columns if column not in left_out]
    rows = list(zip(*(column.cells for column in kept), strict=True))
    return (
        table([column.header for column in kept], rows, left=2),
        ", ".join(column.header for column in left_out),
    )


def _columns(rows: Sequence[ExperimentRow], keys: Sequence[str], *, ranked: bool) -> list[Column]:

    cells = {key: [_cell(each, key) for each in rows] for key in keys}
    order = experiments.telling(keys, cells.__getitem__) if ranked else list(keys)
    several = any(len(each.runs) > 1 for each in rows)
    columns = [
        Column("experiment" if several else "run", [_name(each) for each in rows]),
        Column("status", [_status(each) for each in rows]),
    ]
    if several:
        seeds = [shortened(ranges(each.seeds), WIDEST) for each in rows]
        columns.append(Column("seeds", seeds, SEEDS))
    columns.append(Column("epochs", [_between(each.epochs) for each in rows], EPOCHS))
    for key in keys:
        header = f"{PREFIX}{key}" if key in COLUMNS and key != "seed" else key
        place = order.index(key)
        columns.append(Column(header, cells[key], REST + place if place else FIRST))
    columns.append(Column("validation", [_spread(each.spread("validation")) for each in rows]))
    if not several:
        at = [str(each.runs[0].best_epoch or "-") for each in rows]
        columns.append(Column("at", at, REST + len(keys)))
    columns.append(Column("test", [_spread(each.spread("test")) for each in rows], TEST))
    return columns


def _name(experiment: ExperimentRow) -> str:
    first, *others = experiment.names
    if not others:
        return first
    return f"{first} (+ {others[0] if len(others) == 1 else f'{len(others)} other names'})"


def _status(experiment: ExperimentRow) -> str:
    if len(experiment.runs) == 1:
        return experiment.runs[0].status
    return ", ".join(f"{count} {status}" for status, count in experiment.statuses.items())


def _between(bounds: tuple[int, int]) -> str:
    least, most = bounds
    return str(least) if least == most else f"{least}-{most}"


def _spread(spread: Spread | None) -> str:
    if spread is None or spread.sd is None:
        return percent(spread and spread.mean)
    return f"{100 * spread.mean:.2f} ± {percent(spread.sd)}"


def _cell(experiment: ExperimentRow, key: str) -> str:

    value = setting(experiment.config, key)
    if value is UNSET:
        return "-"
    return shortened(value if isinstance(value, str) else as_json(value), WIDEST)


def experiment_output(experiment: ExperimentRow) -> ExperimentRunsOutput:
    """Return an experiment and its runs as a value for JSON."""
    return ExperimentRunsOutput(
        name=experiment.names[0],
        path=str(experiment.path),
        other_names=list(experiment.names[1:]),
        seeds=experiment.seeds,
        statuses=experiment.statuses,
        best_validation_accuracy=spread_output(experiment.spread("validation")),
        test_accuracy=spread_output(experiment.spread("test")),
        config={key: value for key, value in experiment.config.items() if key != "seed"},
        runs=[RunOutput(**_fields(run)) for run in experiment.runs],
    )


def run_outputs(entries: Sequence[Entry]) -> list[RunOutput]:
    """Return runs as values for JSON, each with its experiment's name."""
    grouped = experiments.listed(entries)
    names = {run.path: row.names[0] for row in grouped for run in row.runs}
    return [
        RunOutput(**_fields(run), experiment=names[run.path], config=run.config) for run in entries
    ]


def _fields(run: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(run)
    return {key: value for key, value in fields.items() if key not in {"config", "config_sha256"}}
