"""nnexp compare: what differs between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import UNSET

from nnexp.checks import printable
from nnexp.cli import options
from nnexp.cli.text import as_json as json_line
from nnexp.cli.text import percent, put, table

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison

MISSING = "-"


@click.command()
@click.argument("run_a", metavar="RUN_A", type=options.RUN)
@click.argument("run_b", metavar="RUN_B", type=options.RUN)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also draw both runs' cost and accuracy curves (.png, .svg or .pdf).",
)
@options.as_json
def compare(run_a: Path, run_b: Path, plot: Path | None, as_json: bool) -> None:
    """Say what differs between two runs: config keys, accuracies, and how soon they came.

    \b
    Example:
      nnexp compare runs/A runs/B --plot curves.png
    """
    from nnexp.analysis import comparison
    from nnexp.store.run import at

    a, b = at(run_a), at(run_b)
    compared = comparison.compare(a, b)
    if plot is not None:  # first, so that a wrong name of the picture is all that is said
        from nnexp.report import curves

        curves.plot(plot, [(run.name, run.history()) for run in (a, b)])
    put(json_line(_tree(compared)) if as_json else _text(compared))


def _tree(compared: Comparison) -> dict[str, Any]:
    return {
        "differences": {
            d.key: {side: v for side, v in (("a", d.a), ("b", d.b)) if v is not UNSET}
            for d in compared.differences
        },
        "levels_of": compared.levels_of,
        "a": compared.a._asdict(),
        "b": compared.b._asdict(),
    }


def _text(compared: Comparison) -> str:
    sides = (("A", compared.a), ("B", compared.b))
    blocks = ["\n".join(f"{x}  {printable(each.run)}  {each.status}" for x, each in sides)]
    if compared.differences:
        rows = [[d.key, _value(d.a), _value(d.b)] for d in compared.differences]
        blocks.append(table(("config", "A", "B"), rows))
    else:
        blocks.append("The configs are the same.")
    blocks.append(_results(compared))
    return "\n\n".join(blocks)


def _results(compared: Comparison) -> str:
    a, b = compared.a, compared.b
    rows = [
        [
            "best validation accuracy",
            *(percent(_get(s.best, "validation_accuracy")) for s in (a, b)),
        ],
        ["  at epoch", *(_value(_get(s.best, "epoch")) for s in (a, b))],
        ["test accuracy there", *(percent(s.test_accuracy) for s in (a, b))],
    ]
    for split in ("train", "validation", "test"):
        cost, accuracy = f"{split}_cost", f"{split}_accuracy"
        if _get(a.last, cost) is not None or _get(b.last, cost) is not None:
            rows.append(
                [f"last {split} accuracy", *(percent(_get(s.last, accuracy)) for s in (a, b))]
            )
            rows.append([f"last {split} cost", *(_cost(_get(s.last, cost)) for s in (a, b))])
    rows.append(["epochs", str(a.epochs), str(b.epochs)])
    what = compared.levels_of.replace("_", " ")
    rows += [
        [f"epochs to {level} % {what}", _value(a.reached[level]), _value(b.reached[level])]
        for level in a.reached
    ]
    return table(("result", "A", "B"), rows)


def _get(row: dict[str, Any] | None, key: str) -> Any:  # noqa: ANN401 - a JSON value
    return None if row is None else row.get(key)


def _value(value: Any) -> str:  # noqa: ANN401 - a config's value
    if value is None or value is UNSET:
        return MISSING
    return value if isinstance(value, str) else json_line(value)


def _cost(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"
