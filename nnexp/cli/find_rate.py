"""nnexp find-rate: the largest learning rate with which the training cost still falls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options, study_progress
from nnexp.cli.output import put, say, tell
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns, table, wrapped

if TYPE_CHECKING:
    from nnexp.report.study_outputs import FindRateOutput
    from nnexp.tune.decision import Decision
    from nnexp.tune.ladder import Rung


@click.command("find-rate")
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@click.option(
    "--epochs",
    type=click.IntRange(10, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Epochs that each rate is tried for; fewer than 10 cannot tell noise from oscillation.",
)
@engines.jobs_option(default=1)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also draw the cost curves (.png, .svg or .pdf).",
)
@options.as_json
@options.quiet
def find_rate(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    epochs: int,
    jobs: int,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the learning rate of CONFIG by the training cost; print it, half of the threshold.

    \b
    Example:
      nnexp find-rate configs/quickstart.yaml --set data.train=1000 --plot learning_rate.png

    From 0.01 by factors of ten, with λ = 0, until the cost of the first epochs oscillates or
    rises; then within the decade. Each rate is a run like any other, so that nothing is trained
    twice. The threshold is noted beside the runs, and train warns of a rate far above it.
    """
    from nnexp.config import load
    from nnexp.datasets.loading import scale_warning
    from nnexp.report.figure import check_target
    from nnexp.tune import learning_rate
    from nnexp.tune.trials import StepSampler, Trials

    if plot is not None:
        check_target(plot)
    described = load.read(config, settings)
    progress = study_progress.of_tuning(quiet=quiet)
    trials = Trials(config.stem, runs, tell=progress.report, command="nnexp find-rate")
    if (warning := scale_warning(trials.dataset(described))) is not None:
        tell(f"warning: {warning}")
    sampler = StepSampler(learning_rate.find(described, trials, epochs), trials)
    where = engines.EngineOptions(jobs)
    engines.train(sampler, where, runs, progress, data=trials.data)
    rungs = sampler.result
    found = learning_rate.decision(rungs, stage=2, heading="Learning rate", rule=learning_rate.RULE)
    if found.picture is not None and plot is not None:
        from nnexp.report import renderer  # matplotlib is slow to import

        renderer.save(found.picture, plot)
    put(json_line(_output(rungs)) if as_json else _text(found))
    if plot is not None and not quiet:
        say(f"{plot}: the cost of each rate")


def _text(found: Decision) -> str:
    rates = table(found.header, found.rows, left=found.left, most=columns())
    return f"{rates}\n\n{wrapped(found.answer, columns())}"


def _output(rungs: list[Rung]) -> FindRateOutput:
    from nnexp.report.study_outputs import FindRateOutput, RungOutput
    from nnexp.tune import ladder

    threshold = ladder.threshold(rungs)
    return FindRateOutput(
        threshold=threshold,
        learning_rate=threshold and threshold / 2,
        rungs=[
            RungOutput(
                learning_rate=each.rung.learning_rate,
                judgement=each.judgement,
                why=each.why,
                kind=each.diagnosis.kind,
                costs=[cost if abs(cost) < float("inf") else None for cost in each.rung.costs],
            )
            for each in ladder.judged(rungs)
        ],
    )
