"""nnexp tune: choose hyper-parameters by the chapter's protocol, with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import candidates, engines, options, pictures, study_progress
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import log, log_sentences, put
from nnexp.cli.quantities import Spending
from nnexp.errors import NnexpError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from nnexp.config.model import Config
    from nnexp.tune.trials import Budget, Trials

PARTS = ("eta", "lambda", "batch-size", "final")
REPLACED = ("epochs", "patience", "schedule", "stopping", "evaluate_every")
"""Keys for which trials have their own values."""


class Only(click.ParamType[tuple[str, ...]]):
    """Parts of the protocol, separated by commas."""

    name = "parts"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the parts. Raises: UsageError."""
        del ctx
        if not isinstance(value, str):
            return value
        parts = tuple(part.strip() for part in value.split(","))
        if unknown := [part for part in parts if part not in PARTS]:
            allowed = f"one or more of {', '.join(PARTS)}"
            raise options.rejection(options.option_name(param), allowed, unknown[0], PARTS)
        return parts


@click.command(cls=options.TrainingCommand)
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@options.backend
@options.data_root
@click.option(
    "--out",
    type=options.Folder(),
    metavar="DIR",
    help="Folder for tuned.yaml and the decisions (default: CONFIG's name with -tuned).",
)
@click.option(
    "--only",
    type=Only(),
    default=PARTS,
    metavar="PARTS",
    shell_complete=candidates.lists(PARTS),
    help="Make only these decisions, separated by commas: eta, lambda, batch-size, final.",
)
@click.option(
    "--budget",
    type=Spending(),
    metavar="N|TIME",
    help="Limit the epochs of all trials (200), or the time (90s, 2.5m, 1h).",
)
@click.option(
    "--examples",
    type=options.WholeNumber(1),
    metavar="N",
    help="Limit the training examples that all trials process.",
)
@click.option(
    "--full", is_flag=True, help="Run all stages on the full problem, without a quick one."
)
@click.option("--explain", is_flag=True, help="Print the plan and its cost; train nothing.")
@engines.engine_options(default=1)
@options.as_json
@options.quiet
def tune(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    out: Path | None,
    only: tuple[str, ...],
    budget: Budget | None,
    examples: int | None,
    full: bool,
    explain: bool,
    where: EngineOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Choose the hyper-parameters of CONFIG by the chapter's protocol; print the decisions.

    \b
    Example:
      nnexp tune quickstart --explain
      nnexp tune quickstart --only eta,lambda --budget 10m

    On a quick problem, tune first finds settings that beat chance, then chooses η by the
    training cost, λ by validation accuracy and cost, η again, and the mini-batch size by the time
    needed. It then checks η and λ on the full problem and trains the final network. If you
    stop it, repeat the command to resume. Trials ignore CONFIG's epochs, patience and
    schedule; the final training takes 100 epochs, or CONFIG's if they are more.
    """
    from nnexp.config import load
    from nnexp.config.argument import required_stem
    from nnexp.datasets.data_warnings import data_warnings
    from nnexp.store import disk
    from nnexp.tune import outputs, protocol, quick_problem
    from nnexp.tune.decision import NothingFoundError
    from nnexp.tune.trials import Budget, StepSampler, Trials

    described = load.read(config, settings)
    stem = required_stem(config)
    folder = out or Path(f"{stem}-tuned")
    _warn(settings, described)
    disk.check_directory(folder)
    progress = study_progress.of_tuning(quiet=quiet)
    limits = (budget or Budget())._replace(examples=examples)
    trials = Trials(stem, runs, limits, progress.report)
    dataset = trials.dataset(described)
    for about_data in data_warnings(dataset, described.dtype):
        log_sentences(f"warning: {about_data}")
    state, problems = protocol.begin(
        described,
        trials,
        only,
        outputs.read_session(folder, log),
        lambda session: outputs.write_session(folder, session),
        full=full,
    )
    if (warning := quick_problem.sample_size_warning(dataset)) is not None:
        log_sentences(f"warning: {warning}")
    if explain:
        stages = list(map(outputs.stage_output, protocol.plan(state, problems)))
        document = outputs.plan_document(stages)
        put(json_line(stages) if as_json else as_text(document, columns()))
        return
    sampler = StepSampler(protocol.tune(state, problems, progress.report), trials)
    try:
        engines.train(sampler, where, runs, progress, data=trials.data)
    except NothingFoundError as error:
        with pictures.drawing(folder):
            path = outputs.write_failure(folder, state.decisions, error.decision, str(config))
        raise NothingFoundError(f"{error}; {path} shows what was tried", error.decision) from None
    result = sampler.result

    def show(files: dict[str, Path]) -> None:
        if as_json:
            put(json_line(outputs.output(result, files, trials)))
        else:
            put(as_text(outputs.summary(result, files), columns()))

    try:
        with pictures.drawing(folder):
            files = outputs.write(folder, result, described, str(config))
    except NnexpError:
        show({})
        raise
    for warning in _warnings(result.config, trials):
        log_sentences(f"warning: {files['tuned']}: {warning}")
    show(files)


def _warn(settings: tuple[str, ...], described: Config) -> None:
    """Warn of settings on the command line that have no effect."""
    from nnexp.tune import final

    keys = {setting.partition("=")[0].strip().partition(".")[0] for setting in settings}
    if final.epochs(described) > final.EPOCHS:
        keys.discard("epochs")  # the final training takes as many
    idle = [key for key in REPLACED if key in keys]
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        log_sentences(
            f"--set {', '.join(idle)} {verb} no effect: tune's trials use their own values"
        )


def _warnings(config: Config, trials: Trials) -> Iterator[str]:
    """Yield the warnings of train about the tuned config, except those about its data."""
    from nnexp.config import rules
    from nnexp.runner import preconditions

    dataset = trials.dataset(config)
    yield from rules.warnings(config, len(dataset.train.labels))
    job = trials.job(config)
    yield from preconditions.threshold_warnings(job.config, trials.runs, job.content or {})
