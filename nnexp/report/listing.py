"""The result of runs: experiments as a table that fits the terminal, and as values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from nnexp.analysis import experiment_rows, query
from nnexp.analysis.query import COLUMNS, PREFIX
from nnexp.analysis.run_keys import experiment_names, plain, setting_column
from nnexp.config.messages import ranges, shortened
from nnexp.config.sizes import format_size
from nnexp.errors import printable
from nnexp.names import is_derived
from nnexp.report.document import Table
from nnexp.report.samples import SampleOutput, of_spread
from nnexp.report.text import MISSING, counts, percent_spread, plus_minus
from nnexp.report.text import setting as setting_text

if TYPE_CHECKING:
    from nnexp.analysis.experiment_rows import ExperimentRow
    from nnexp.store.listing import Entry

WIDEST = 30
"""Maximum number of characters of a config's value, or of a list of seeds."""
GAP = 2
FIRST, TEST, SEEDS, EPOCHS, REST = range(5)
"""Ranks of optional columns: the most telling key, results, and the other keys."""


class Column(NamedTuple):
    """A column of the table; if it has a rank it is optional, and the lowest rank stays longest."""

    header: str
    cells: list[str]
    rank: int | None = None

    @property
    def width(self) -> int:
        """Its width in characters, with the gap after it."""
        return max(len(printable(cell)) for cell in (self.header, *self.cells)) + GAP


def fitted(rows: Sequence[ExperimentRow], keys: Sequence[str], width: int) -> tuple[Table, str]:
    """Return a table of experiments, and the names of the columns that do not fit.

    Args:
        rows: the experiments.
        keys: the config's keys that have columns.
        width: of the terminal; 0 for no limit.
    """
    columns = _columns(rows, keys, ranked=width > 0)
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
    cells = list(zip(*(column.cells for column in kept), strict=True))
    table = Table([column.header for column in kept], cells, left=2)
    return table, ", ".join(column.header for column in left_out)


def _columns(rows: Sequence[ExperimentRow], keys: Sequence[str], *, ranked: bool) -> list[Column]:
    cells = {key: [_cell(row, key) for row in rows] for key in keys}
    order = experiment_rows.telling(keys, cells.__getitem__) if ranked else list(keys)
    several = any(len(row.runs) > 1 for row in rows)
    columns = [
        Column("experiment" if several else "run", [_name(row) for row in rows]),
        Column("status", [_status(row) for row in rows]),
    ]
    if several:
        seeds = [shortened(ranges(row.seeds), WIDEST) for row in rows]
        columns.append(Column("seeds", seeds, SEEDS))
    columns.append(Column("epochs", [_range(row.epochs) for row in rows], EPOCHS))
    for key in keys:
        header, index = setting_column(key, COLUMNS.keys() - {"seed"}), order.index(key)
        columns.append(Column(header, cells[key], REST + index if index else FIRST))
    for key in experiment_rows.differing_content(rows):
        digests = [(row.content[key] or MISSING)[: experiment_rows.DIGITS] for row in rows]
        columns.append(Column(key, digests, FIRST))
    columns.append(Column("validation", [percent_spread(row.spread("validation")) for row in rows]))
    if not several:
        at = [str(row.runs[0].best_epoch or MISSING) for row in rows]
        columns.append(Column("at", at, REST + len(keys)))
    columns.append(Column("test", [percent_spread(row.spread("test")) for row in rows], TEST))
    if any(run.tags for row in rows for run in row.runs):
        columns.append(Column("tags", [CELLS["tags"](row) for row in rows], TEST))
    return columns


def chosen(rows: Sequence[ExperimentRow], keys: Sequence[str]) -> Table:
    """Return a table of experiments with certain columns.

    Args:
        rows: the experiments.
        keys: columns and keys of the config, in this order.
    """
    cells = [[_chosen_cell(row, key) for key in keys] for row in rows]
    words = list(takewhile(WORDS.__contains__, keys))
    return Table(list(keys), cells, left=max(1, len(words)))


def _chosen_cell(row: ExperimentRow, key: str) -> str:
    if key in CELLS:
        return CELLS[key](row)
    return _cell(row, key.removeprefix(PREFIX))


def csv_rows(
    entries: Sequence[Entry], keys: Sequence[str] | None
) -> tuple[list[str], list[list[object]]]:
    """Return the header and a record for each run; columns have the names of JSON.

    Args:
        entries: the runs.
        keys: columns and keys of the config; None for all columns and the keys that differ.
    """
    if keys is None:
        return _whole_csv_rows(entries)
    return list(map(_csv_header, keys)), [_csv_values(run, keys) for run in entries]


def _whole_csv_rows(entries: Sequence[Entry]) -> tuple[list[str], list[list[object]]]:
    rows = experiment_rows.listed(entries, each=True)
    differing = experiment_rows.differing(rows, seed=False)
    keys = [*COLUMNS, *(f"{PREFIX}{key}" for key in differing)]
    names, contents = experiment_names(entries), ("data_sha256", "weights_sha256", "problem")
    header = ["run", "experiment", *map(_csv_header, keys), *contents]
    records = [
        [
            *(run.path, names[run.path], *_csv_values(run, keys)),
            *(getattr(run, name) for name in contents),
        ]
        for run in entries
    ]
    return header, records


def _csv_header(key: str) -> str:
    """Return the name of a column or of a config's key, as in JSON."""
    return COLUMNS.get(key) or setting_column(key.removeprefix(PREFIX), FIELDS)


def _csv_values(run: Entry, keys: Sequence[str]) -> list[object]:
    return [_csv_value(query.value(run, key)) for key in keys]


def _csv_value(value: object) -> object:
    """Return a value as a field of CSV; tags are separated by commas."""
    return ",".join(value) if isinstance(value, tuple) else plain(value)


def _name(row: ExperimentRow) -> str:
    """Return all names given by hand, and the derived ones, or their number if there are many."""
    first, *others = row.names
    shown = [name for name in others if not is_derived(name)]
    derived = [name for name in others if is_derived(name)]
    shown += derived if len(derived) <= 1 else [f"{len(derived)} derived names"]
    return f"{first} (+ {', '.join(shown)})" if shown else first


def _status(row: ExperimentRow) -> str:
    if len(row.runs) == 1:
        return row.runs[0].status
    return counts(row.statuses)


def _range(bounds: tuple[int, int]) -> str:
    least, most = bounds
    return str(least) if least == most else f"{least}-{most}"


def _cell(row: ExperimentRow, key: str) -> str:
    return shortened(setting_text(query.setting(row.config, key)), WIDEST)


def _best_epoch(row: ExperimentRow) -> str:
    own = row.spread("best-epoch")
    if own is None or own.sd is None:
        return MISSING if own is None else f"{own.mean:.0f}"
    return plus_minus(f"{own.mean:.1f}", f"{own.sd:.1f}")


def _started(row: ExperimentRow) -> str:
    return MISSING if row.started is None else row.started[:16].replace("T", " ")


CELLS: dict[str, Callable[[ExperimentRow], str]] = {
    "name": _name,
    "status": _status,
    "seed": lambda row: shortened(ranges(row.seeds), WIDEST) or MISSING,
    "epochs": lambda row: _range(row.epochs),
    "validation": lambda row: percent_spread(row.spread("validation")),
    "best-epoch": _best_epoch,
    "test": lambda row: percent_spread(row.spread("test")),
    "started": _started,
    "size": lambda row: MISSING if row.size is None else format_size(row.size),
    "tags": lambda row: shortened(", ".join(row.tags), WIDEST) or MISSING,
}
"""The cells of columns that can be chosen."""
WORDS = {"name", "status", "started", "tags"}
"""Columns that are aligned to the left, if no other stands before them."""


class RunOutput(Struct, frozen=True, kw_only=True):
    """The status and results of a run."""

    name: str
    run: str
    """Its directory."""
    status: str
    epochs: int
    best_validation_accuracy: float | None
    best_epoch: int | None
    test_accuracy: float | None
    """At the best epoch."""
    problem: str | None
    seed: int | None
    experiment: str | UnsetType = UNSET
    """With --each."""
    config: dict[str, Any] | UnsetType = UNSET
    """By dotted key; with --each."""
    data_sha256: str | None
    """The digest of the data's content."""
    weights_sha256: str | None
    """The digest of the weights that the run took from another one; null if it drew them."""
    started: str | None
    """When training was first started, in UTC; null if log.txt does not tell."""
    size: int | None
    """Bytes of its files."""
    tags: list[str]


class ExperimentRunsOutput(Struct, frozen=True, kw_only=True):
    """An experiment: its results over seeds, and its runs."""

    name: str
    run: str
    """The argument with which compare names it: a run, or the name of several without the seed."""
    other_names: list[str]
    seeds: list[int]
    statuses: dict[str, int]
    best_validation_accuracy: SampleOutput | None
    """Of the finished runs once there is one, like the next."""
    test_accuracy: SampleOutput | None
    """At the best epoch."""
    config: dict[str, Any]
    data_sha256: str | None
    """The digest of the data's content, by which experiments of one config may differ."""
    weights_sha256: str | None
    """The digest of the weights that were taken from another run; null if they were drawn."""
    runs: list[RunOutput]


FIELDS = [name for name in RunOutput.__struct_fields__ if name != "config"]
"""The names of a run's columns for other programs, besides the keys of its config."""


def experiment_output(row: ExperimentRow) -> ExperimentRunsOutput:
    """Return an experiment and its runs as a value for JSON."""
    return ExperimentRunsOutput(
        name=row.names[0],
        run=str(row.path),
        other_names=list(row.names[1:]),
        seeds=row.seeds,
        statuses=row.statuses,
        best_validation_accuracy=of_spread(row.spread("validation")),
        test_accuracy=of_spread(row.spread("test")),
        config={key: value for key, value in row.config.items() if key != "seed"},
        data_sha256=row.runs[0].data_sha256,
        weights_sha256=row.runs[0].weights_sha256,
        runs=[RunOutput(**_fields(run)) for run in row.runs],
    )


def run_outputs(entries: Sequence[Entry]) -> list[RunOutput]:
    """Return runs as values for JSON, each with its experiment's name."""
    names = experiment_names(entries)
    return [
        RunOutput(**_fields(run), experiment=names[run.path], config=run.config) for run in entries
    ]


def run_columns(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    """Return runs as columns that data frames take: their fields for JSON, then the config's keys.

    Lists are text, such as "[30]", and tags, such as "a,b". A key that is also a field, such as
    epochs, has the prefix ``config.``; the seed is one column.

    Returns: equally long lists by name. A list has values of one type, and None where a run lacks
        the value.
    """
    rows = []
    for run in run_outputs(entries):
        config = {} if run.config is UNSET else run.config
        settings = {
            setting_column(key, FIELDS): setting_text(value) if isinstance(value, list) else value
            for key, value in config.items()
            if key != "seed"
        }
        rows.append(asdict(run) | {"tags": ",".join(run.tags)} | settings)
    keys = dict.fromkeys([*FIELDS, *(key for row in rows for key in row if key != "config")])
    return {key: _of_one_type([row.get(key) for row in rows]) for key in keys}


def _of_one_type(cells: list[Any]) -> list[Any]:
    """Return numbers of two types as floats, and any other mixture of types as text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) < 2:  # noqa: PLR2004 - of one type already
        return cells
    unified = float if kinds == {int, float} else setting_text
    return [None if cell is None else unified(cell) for cell in cells]


def _fields(run: Entry) -> dict[str, Any]:
    fields = asdict(run)
    fields["run"] = fields.pop("path")
    fields["tags"] = list(run.tags)
    left_out = {"config", "experiment_sha256", "facts_problem"}
    return {key: value for key, value in fields.items() if key not in left_out}
