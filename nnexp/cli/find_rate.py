"""nnexp find-rate: find the largest learning rate at which the training cost falls."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import engines, options, pictures, study_progress
from nnexp.cli.output import log, log_sentences, put
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns


@click.command("find-rate", cls=options.TrainingCommand)
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@options.backend
@options.data_root
@click.option(
    "--epochs",
    type=options.WholeNumber(10, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Epochs per learning rate; at least 10, to tell oscillation from noise.",
)
@click.option(
    "--seeds",
    type=options.WholeNumber(1, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="Number of seeds around the threshold, from the config's on.",
)
@engines.jobs_option(default=1)
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Also draw the cost curves; FILE is .png, .svg or .pdf.",
)
@options.as_json
@options.quiet
def find_rate(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    epochs: int,
    seeds: int,
    jobs: int,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the largest learning rate at which CONFIG's training cost falls; print half of it.

    \b
    Example:
      nnexp find-rate quickstart --set data.train=1000 --plot learning_rate.png

    Starts at 0.01 with λ = 0 and increases the rate by factors of ten until the cost
    oscillates or rises. Then several seeds try rates around the threshold, which is
    interpolated between them. Each trial is a run, so nothing is trained twice. The threshold
    is stored in the runs folder; nnexp train warns of a learning rate far above it.
    """
    from nnexp.config import load
    from nnexp.config.argument import required_stem
    from nnexp.datasets.data_warnings import data_warnings
    from nnexp.report.figure import check_target
    from nnexp.tune import learning_rate
    from nnexp.tune.trials import StepSampler, Trials

    if plot is not None:
        check_target(plot)
    described = load.read(config, settings)
    progress = study_progress.of_tuning(quiet=quiet)
    trials = Trials(required_stem(config), runs, tell=progress.report, command="nnexp find-rate")
    for warning in data_warnings(trials.dataset(described), described.dtype):
        log_sentences(f"warning: {warning}")
    sampler = StepSampler(learning_rate.find(described, trials, epochs, seeds), trials)
    where = engines.EngineOptions(jobs)
    engines.train(sampler, where, runs, progress, data=trials.data)
    rungs = sampler.result
    decision = learning_rate.decision(
        rungs, stage=2, heading="Learning rate", rule=learning_rate.RULE
    )
    if as_json:
        put(json_line(learning_rate.output(rungs)))
    else:
        put(as_text(learning_rate.document(decision), columns()))
    if plot is not None and (picture := decision.picture) is not None:
        pictures.save(lambda: picture, plot)
        if not quiet:
            log(f"{plot}: the cost of each rate")
