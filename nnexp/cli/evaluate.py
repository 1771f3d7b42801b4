"""nnexp evaluate: runs on validation or test data, and their vote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.report.text import as_json as json_line
from nnexp.report.text import percent, table

if TYPE_CHECKING:
    from nnexp.analysis.evaluation import On, RunsEvaluation
    from nnexp.report.outputs import EvaluateOutput


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.RUN)
@click.option(
    "--on",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The examples to measure on.",
)
@options.as_json
def evaluate(runs: tuple[Path, ...], on: On, as_json: bool) -> None:
    """Measure each RUN's best epoch on validation or test data; several RUNs also vote.

    \b
    Example:
      nnexp evaluate runs/A --on test
      nnexp evaluate runs/A-s0 runs/A-s1 runs/A-s2

    The vote takes the class whose mean output over the runs is the largest.
    """
    from nnexp.analysis import evaluation
    from nnexp.store.run import at

    evaluated = evaluation.evaluate([at(run) for run in runs], on)
    put(json_line(_output(evaluated)) if as_json else _text(evaluated))


def _output(evaluated: RunsEvaluation) -> EvaluateOutput:
    from nnexp.report.outputs import EvaluateOutput, RunEvaluationOutput, VoteOutput

    return EvaluateOutput(
        on=evaluated.on,
        examples=evaluated.examples,
        runs=[RunEvaluationOutput(**each._asdict()) for each in evaluated.runs],
        vote=None if evaluated.vote is None else VoteOutput(accuracy=evaluated.vote.accuracy),
    )


def _text(evaluated: RunsEvaluation) -> str:
    rows = [
        [each.run, str(each.epoch), f"{each.cost:.4f}", percent(each.accuracy)]
        for each in evaluated.runs
    ]
    if evaluated.vote is not None:
        rows.append([f"vote of {len(rows)}", "", "", percent(evaluated.vote.accuracy)])
    header = ("run", "best epoch", f"{evaluated.on} cost", f"{evaluated.on} accuracy")
    return table(header, rows)
