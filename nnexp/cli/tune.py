"""nnexp tune: the chapter's protocol as one command, every decision with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli import engines, options, study_progress
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import put, say, tell
from nnexp.cli.quantities import Spending
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns, table, wrapped

if TYPE_CHECKING:
    from nnexp.config.model import Config
    from nnexp.report.study_outputs import TuneOutput
    from nnexp.tune.protocol import StagePlan, TuningResult
    from nnexp.tune.state import TuneState
    from nnexp.tune.trials import Budget, Trials

PARTS = ("eta", "lambda", "batch-size", "final")
REPLACED = ("epochs", "patience", "schedule", "stopping", "evaluate_every")
"""Keys that trials have their own values for."""


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
    "--budget",
    type=Spending(),
    metavar="N|TIME",
    help="Stop at so many epochs of trials (200), or after a time (90s, 2.5m, 1h).",
)
@click.option("--full", is_flag=True, help="No quick problem: all stages on the full one.")
@click.option("--explain", is_flag=True, help="Print the plan and its cost; train nothing.")
@engines.options(default=1)
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
    where: EngineOptions,
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
    They have their own epochs, patience and schedule, whatever CONFIG says; only the final
    training has CONFIG's epochs where these are more than its own 100.
    """
    from nnexp.config import load
    from nnexp.datasets.loading import scale_warning
    from nnexp.store import disk
    from nnexp.tune import outputs, protocol, quick_problem
    from nnexp.tune.decision import NothingFoundError
    from nnexp.tune.trials import StepSampler, Trials

    described = load.read(config, settings)
    folder = out or Path(f"{config.stem}-tuned")
    _warn(settings, described)
    disk.check_directory(folder)
    progress = study_progress.of_tuning(quiet=quiet)
    trials = Trials(config.stem, runs, budget, progress.report)
    dataset = trials.dataset(described)
    if (warning := scale_warning(dataset)) is not None:
        tell(f"warning: {warning}")
    state, problems = protocol.begin(
        described,
        trials,
        only,
        outputs.read_session(folder, say),
        lambda session: outputs.write_session(folder, session),
        full=full,
    )
    if (warning := quick_problem.sample_size_warning(dataset)) is not None:
        tell(f"warning: {warning}")
    if explain:
        put(_plan(state, problems, as_json=as_json))
        return
    sampler = StepSampler(protocol.tune(state, problems, progress.report), trials)
    try:
        engines.train(sampler, where, runs, progress, data=trials.data)
    except NothingFoundError as error:
        decided, failing = state.decisions, error.decision
        path = outputs.write_failure(folder, decided, failing, str(config))
        raise NothingFoundError(f"{error}; {path} shows what was tried", failing) from None
    found = sampler.result
    files = outputs.write(folder, found, described, str(config))
    for warning in _doubts(found.config, trials):
        tell(f"warning: {files['tuned']}: {warning}")
    put(json_line(_output(found, files, trials.epochs)) if as_json else _text(found, files))


def _warn(settings: tuple[str, ...], described: Config) -> None:
    """Say which of the settings on the command line change nothing."""
    from nnexp.tune import final

    keys = {setting.partition("=")[0].strip().partition(".")[0] for setting in settings}
    if final.epochs(described) > final.EPOCHS:
        keys.discard("epochs")  # the final training takes as many
    idle = [key for key in REPLACED if key in keys]
    if idle:
        plays = "plays" if len(idle) == 1 else "play"
        tell(f"--set {', '.join(idle)} {plays} no part: tune's trials have their own")


def _doubts(config: Config, trials: Trials) -> Iterator[str]:
    """Yield what train will warn of, but for the data, whose oddities were said."""
    from nnexp.config import rules
    from nnexp.runner import preconditions

    dataset = trials.dataset(config)
    yield from rules.warnings(config, len(dataset.train.labels))
    yield from preconditions.history_warnings(trials.checked(config)[1], trials.runs, dataset, None)


def _plan(state: TuneState, problems: dict[str, Config], *, as_json: bool) -> str:
    from nnexp.tune import protocol

    stages = protocol.plan(state, problems)
    if as_json:
        return json_line([_planned(stage) for stage in stages])
    rows = [
        [
            each.stage.replace("(full problem)", "(full)"),
            _range(each.trials_least, each.trials_most),
            str(each.epochs),
            _range(*each.all_epochs),
            f"{each.examples:,}",
        ]
        for each in stages
    ]
    trials = [(each.trials_least, each.trials_most) for each in stages]
    epochs = [each.all_epochs for each in stages]
    rows.append(["together", _sums(trials), "", _sums(epochs), ""])
    header = ("stage", "trials", "epochs of one", "epochs", "images")
    return f"{table(header, rows)}\n\n{wrapped(UNIT, columns())}"


UNIT = (
    "At least to at most, where no run ends early and none is there yet; images are those of an "
    "epoch. --budget counts epochs, of all trials together, however many images an epoch has; "
    "or a time, as 90s, 2.5m or 1h."
)


def _planned(stage: StagePlan) -> dict[str, Any]:
    least, most = stage.all_epochs
    return {
        **stage._asdict(),
        "epochs_least": least,
        "epochs_most": most,
        "images_least": least * stage.examples,
        "images_most": most * stage.examples,
    }


def _range(least: int, most: int) -> str:
    return f"{least:,} to {most:,}" if least < most else f"{least:,}"


def _sums(ranges: list[tuple[int, int]]) -> str:
    return _range(*(sum(each) for each in zip(*ranges, strict=True)))


def _output(found: TuningResult, files: dict[str, Path], epochs: int) -> TuneOutput:
    from nnexp.report.study_outputs import DecisionOutput, TuneOutput

    decisions = [
        DecisionOutput(
            stage=each.stage,
            name=each.name,
            heading=each.heading,
            answer=each.answer,
            chose=dict(each.chose),
            alternatives=[dict(zip(each.header, row, strict=True)) for row in each.rows],
            notes=list(each.notes),
        )
        for each in found.decisions
    ]
    written = {what: str(path) for what, path in files.items()}
    return TuneOutput(**written, epochs=epochs, unfinished=found.unfinished, decisions=decisions)


def _text(found: TuningResult, files: dict[str, Path]) -> str:
    lines = [f"{each.stage}  {each.heading}: {each.answer}" for each in found.decisions]
    lines += found.notes
    told = wrapped("\n".join(lines), columns())
    return "\n".join([told, *map(str, files.values())])
