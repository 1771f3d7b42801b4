"""nnexp compare: how experiments differ, and whether that is more than noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options, pictures
from nnexp.cli.output import put
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from nnexp.analysis.claims import ClaimResult
    from nnexp.analysis.comparison import Comparison
    from nnexp.report.curves import Clock
    from nnexp.report.figure import Figure


@click.command()
@click.argument("paths", metavar="A B...", nargs=-1, required=True, type=options.RUN)
@options.metric
@click.option(
    "--baseline", type=options.RUN, metavar="A", help="Compare with this one instead of the first."
)
@click.option(
    "--top",
    type=options.WholeNumber(1),
    metavar="N",
    help="Show the N best experiments and the baseline, one a row.",
)
@click.option("--curves", is_flag=True, help="Also draw the curves in the terminal.")
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Also draw the curves, with a band for the seeds; FILE is .png, .svg or .pdf.",
)
@click.option(
    "--x",
    type=options.OneOf(("epochs", "seconds", "evaluations")),
    default="epochs",
    show_default=True,
    help="The x axis of --curves and --plot.",
)
@click.option(
    "--check",
    "checks",
    metavar="CLAIM",
    multiple=True,
    help="Exit with 7 unless this holds, such as 'B.test_accuracy >= A.test_accuracy - 0.2%'; "
    "repeatable.",
)
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print CSV, with one row per experiment and metric."
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as Markdown.")
@options.as_json
def compare(
    paths: tuple[Path, ...],
    metric: str | None,
    baseline: Path | None,
    top: int | None,
    curves: bool,
    plot: Path | None,
    x: str,
    checks: tuple[str, ...],
    as_csv: bool,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Show how experiments differ, by how much, and whether that is more than noise.

    \b
    Example:
      nnexp compare runs/A runs/B
      nnexp compare 'runs/eta-*' --metric epochs_to_95 --curves
      nnexp compare runs/A runs/B --check 'B.test_accuracy >= A.test_accuracy'

    A and B are run directories or experiments. An experiment is all seeds of a config: write
    the path of its runs without -s and the seed, or a pattern with *. The first one is the
    baseline. Runs that differ only in the seed are grouped. More than four experiments have a
    row each, the best first.

    KEY is test_accuracy or test_cost (both at the best epoch), best_validation_accuracy,
    first_validation_accuracy, last_train_accuracy or last_train_cost (also validation and
    test), or epochs_to_90 (also 93, 95, 96, 97, 97.5 and 98). A CLAIM can use best_epoch,
    epochs and seconds, too.

    A CLAIM compares sums of numbers and LETTER.KEY by = != < <= > or >=; join comparisons
    with and, or and brackets. The letters are those of the table. Accuracies are fractions:
    write 0.002 or 0.2%. With --check, a single A will do: A.test_accuracy >= 95%.
    """
    from nnexp.analysis import claims, comparison, experiments
    from nnexp.errors import CheckFailedError, UsageError
    from nnexp.report.figure import check_target

    if sum((as_csv, as_markdown, as_json)) + curves > 1:
        raise UsageError("--csv, --markdown, --json and --curves: choose one of them")
    _check_use(top, x, is_table=not (as_csv or as_json), has_curves=curves or plot is not None)
    if plot is not None:
        check_target(plot)
    judged = None if metric is None else comparison.judged_metric(metric, "--metric")
    gathered = experiments.gather(paths)
    if len(gathered) == 1 and not checks:
        message = "is one experiment; name another to compare it with, or give --check"
        raise UsageError(f"{gathered[0].place}: {message}")
    if baseline is not None:
        gathered = experiments.with_baseline(gathered, baseline)
    parsed = [claims.parse(check, [side.label for side in gathered]) for check in checks]
    compared = comparison.compare(gathered, judged)
    clock = None if x == "epochs" else _clock(compared, x)
    if parsed and not compared.has_same_data:
        raise UsageError("--check: the runs were trained on different data, so no claim is judged")
    outcomes = [claim.judge(compared.value) for claim in parsed]
    if as_json or as_csv:
        put(_json(compared, outcomes) if as_json else _csv(compared))
    else:
        put(
            _markdown(compared, top)
            if as_markdown
            else _text(compared, top, clock, with_curves=curves)
        )
    if plot is not None:
        pictures.save(lambda: _picture(compared, clock), plot)
    if failed := [outcome for outcome in outcomes if not outcome.holds]:
        raise CheckFailedError("; ".join(map(_failure, failed)))


def _check_use(top: int | None, x: str, *, is_table: bool, has_curves: bool) -> None:
    """Check that options have an effect. Raises: UsageError."""
    from nnexp.errors import UsageError

    if top is not None and not is_table:
        raise UsageError("--top is for tables; --csv and --json have all experiments")
    if x != "epochs" and not has_curves:
        raise UsageError("--x is for curves: add --curves or --plot FILE")


def _clock(compared: Comparison, x: str) -> Clock:
    """Return the seconds or evaluations up to each epoch, by experiment and run."""
    from nnexp.errors import UsageError
    from nnexp.report.curves import Clock

    runs: dict[str, list[dict[int, float]]] = {}
    for side in compared.sides:
        for facts in side.counted:
            spent = facts.elapsed if x == "seconds" else facts.evaluations
            if spent is None:
                missing = "timing.jsonl lacks the times of some epochs"
                if x == "evaluations":
                    missing = "was trained by a version that did not count them; train it again"
                raise UsageError(f"--x {x}: {facts.run.path}: {missing}")
            runs.setdefault(side.experiment.label, []).append(spent)
    return Clock("seconds" if x == "seconds" else "evaluations", runs)


def _picture(compared: Comparison, clock: Clock | None) -> Figure:
    from nnexp.report import comparisons, curves

    labels = comparisons.captions(compared)
    histories = [side.histories for side in compared.sides]
    if clock is not None:
        clock = clock._replace(runs=dict(zip(labels, clock.runs.values(), strict=True)))
    return curves.figure(dict(zip(labels, histories, strict=True)), clock)


def _json(compared: Comparison, outcomes: list[ClaimResult]) -> str:
    from nnexp.report import comparison_output

    return json_line(comparison_output.output(compared, outcomes))


def _csv(compared: Comparison) -> str:
    from nnexp.report import comparison_output, document

    return document.as_csv(comparison_output.LONG_HEADER, comparison_output.long_rows(compared))


def _markdown(compared: Comparison, top: int | None) -> str:
    from nnexp.report import comparison_ranking, comparisons, document

    if comparison_ranking.suits(compared, top):
        return document.as_markdown(comparison_ranking.document(compared, top, width=0))
    return document.as_markdown(comparisons.document(compared))


def _text(
    compared: Comparison,
    top: int | None,
    clock: Clock | None,
    *,
    with_curves: bool,
) -> str:
    from nnexp.report import comparison_ranking, comparisons, document

    width = columns()
    if not comparison_ranking.suits(compared, top):
        return document.as_text(
            comparisons.document(compared, clock, with_curves=with_curves), width
        )
    fit = width or comparison_ranking.WIDTH
    ranking = comparison_ranking.document(compared, top, fit, clock, with_curves=with_curves)
    return document.as_text(ranking, fit)


def _failure(outcome: ClaimResult) -> str:
    failed = [part for part in outcome.comparisons if not part.holds]
    reasons = [f"{part.claim}: {_sides(part)}" for part in failed] or [_sides(outcome)]
    return f"does not hold: {outcome.claim} ({'; '.join(reasons)})"


def _sides(outcome: ClaimResult) -> str:
    sides = ["no value" if x is None else f"{x:.6g}" for x in (outcome.left, outcome.right)]
    return " against ".join(sides)
