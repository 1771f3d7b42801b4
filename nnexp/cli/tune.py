"""nnexp tune: the chapter's protocol as one command, every decision with its reasons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli import options, signals
from nnexp.cli.text import as_json as json_line
from nnexp.cli.text import put, say, table
from nnexp.cli.tuning import trials_of

if TYPE_CHECKING:
    from nnexp.config.model import Config
    from nnexp.tune.protocol import Tuned
    from nnexp.tune.state import State
    from nnexp.tune.trials import Budget

PARTS = ("eta", "lambda", "batch-size", "final")
_BUDGET = re.compile(r"(\d{1,9})(m?)", re.ASCII)


class Only(click.ParamType[tuple[str, ...]]):
    """Some of the parts of the protocol, between commas."""

    name = "parts"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the parts."""
        parts = (
            tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
        )
        if unknown := [part for part in parts if part not in PARTS]:
            self.fail(f"{unknown[0]!r} is none of {', '.join(PARTS)}", param, ctx)
        return parts


class Spending(click.ParamType["Budget"]):
    """``200`` is 200 epochs, ``10m`` ten minutes."""

    name = "budget"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Budget:
        """Return the budget."""
        from nnexp.tune.trials import Budget

        if isinstance(value, Budget):
            return value
        match = _BUDGET.fullmatch(value)
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no budget; 200 is 200 epochs, 10m is ten minutes", param, ctx)
        amount = int(match[1])
        return Budget(seconds=60.0 * amount) if match[2] else Budget(epochs=amount)


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where tuned.yaml and the decisions go; by default CONFIG's name with -tuned.",
)
@click.option(
    "--only",
    type=Only(),
    default=PARTS,
    metavar="PARTS",
    help="Decide these alone, between commas: eta, lambda, batch-size, final.",
)
@click.option(
    "--budget", type=Spending(), metavar="N|Nm", help="Stop at so many epochs, or minutes (10m)."
)
@click.option("--full", is_flag=True, help="No quick problem: all stages on the full one.")
@click.option("--explain", is_flag=True, help="Print the plan and its cost; train nothing.")
@options.as_json
@options.quiet
def tune(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    out: Path | None,
    only: tuple[str, ...],
    budget: Budget | None,
    full: bool,
    explain: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Choose the hyper-parameters of CONFIG by the chapter's protocol; print the tuned config.

    \b
    Example:
      nnexp tune configs/quickstart.yaml --explain
      nnexp tune configs/quickstart.yaml --only eta,lambda --budget 10m

    On a quick problem: better than chance, η by the training cost, λ by the validation accuracy,
    η again, the mini-batch size by the clock. Then the full problem and its final training.
    Trials are runs like any other: stopped and started again, tune goes on where it was.
    """
    from nnexp.config import load
    from nnexp.tune import outputs, protocol

    described = load.read(config, settings)
    folder = out or Path(f"{config.stem}-tuned")
    with signals.noted() as signal:
        trials = trials_of(config.stem, runs, signal, "nnexp tune", quiet=quiet, budget=budget)
        state, problems = protocol.begin(
            described,
            trials,
            only,
            outputs.read_sitting(folder),
            lambda sitting: outputs.keep_sitting(folder, sitting),
            full=full,
        )
        if explain:
            put(_plan(state, problems, as_json=as_json))
            return
        found = protocol.tune(state, problems, (lambda _: None) if quiet else say)
    files = outputs.write(folder, found, described, str(config))
    put(json_line(_tree(found, files, trials.epochs)) if as_json else _text(found, files))


def _plan(state: State, problems: dict[str, Config], *, as_json: bool) -> str:
    from nnexp.tune import protocol

    stages = protocol.plan(state, problems)
    if as_json:
        keys = ("stage", "trials_least", "trials_most", "epochs", "examples")
        return json_line([dict(zip(keys, stage, strict=True)) for stage in stages])
    rows = [
        [
            title,
            f"{least} to {most}",
            str(epochs),
            f"{n:,}",
            f"{least * epochs * n:,} to {most * epochs * n:,}",
        ]
        for title, least, most, epochs, n in stages
    ]
    header = ("stage", "trials", "epochs each, at most", "images", "images seen")
    return table(header, rows)


def _tree(found: Tuned, files: dict[str, Path], epochs: int) -> dict[str, Any]:
    return {
        **{what: str(path) for what, path in files.items()},
        "epochs": epochs,
        "unfinished": found.unfinished,
        "decisions": [
            {
                "stage": each.stage,
                "name": each.name,
                "answer": each.answer,
                "chose": dict(each.chose),
                "alternatives": [dict(zip(each.header, row, strict=True)) for row in each.rows],
                "notes": list(each.notes),
            }
            for each in found.decisions
        ],
    }


def _text(found: Tuned, files: dict[str, Path]) -> str:
    lines = [f"{each.stage}  {each.heading}: {each.answer}" for each in found.decisions]
    lines += [f"the budget did not suffice for stage {each}" for each in found.unfinished]
    return "\n".join([*lines, *map(str, files.values())])
