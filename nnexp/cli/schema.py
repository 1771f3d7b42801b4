"""nnexp schema: the JSON Schema of configs, or of what a command prints as JSON."""

from __future__ import annotations

import json

import click

from nnexp.cli import candidates
from nnexp.cli.output import put


@click.command()
@click.option(
    "--of",
    "command",
    metavar="COMMAND",
    shell_complete=candidates.json_commands,
    help="Print the schema of this command's --json, such as compare or 'runs --each'.",
)
def schema(command: str | None) -> None:
    """Print the JSON Schema of configs, for editors, or of a command's --json.

    \b
    Example:
      nnexp schema > nnexp.schema.json
      nnexp schema --of compare
    """
    from nnexp.config.schema import schema as config_schema

    whole = config_schema() if command is None else _output_schema(command)
    put(json.dumps(whole, indent=2, ensure_ascii=False))


def _output_schema(command: str) -> dict[str, object]:
    import msgspec

    from nnexp.config.messages import unknown
    from nnexp.errors import UsageError

    types = output_types()
    if command not in types:
        raise UsageError(f"--of: {unknown('command with --json', command, types)}")
    return msgspec.json.schema(types[command])


def output_types() -> dict[str, object]:
    """Return the type of what each command prints with --json."""
    from nnexp.report.comparison_output import CompareOutput
    from nnexp.report.comparison_page import ReportOutput
    from nnexp.report.data_description import DataOutput
    from nnexp.report.evaluations import EvaluateOutput
    from nnexp.report.inspection import InspectOutput
    from nnexp.report.listing import ExperimentRunsOutput, RunOutput
    from nnexp.report.notes import NotesOutput
    from nnexp.report.predictions import PredictionOutput
    from nnexp.report.races import RaceOutput
    from nnexp.report.replays import ReplayOutput
    from nnexp.report.search_ranking import SearchOutput
    from nnexp.report.summary import ShowOutput
    from nnexp.report.sweep_ranking import PlannedOutput, SweepOutput
    from nnexp.report.training import TrainOutput
    from nnexp.report.verification import VerifyOutput
    from nnexp.reproduction.document import FigureOutput, ReproduceOutput
    from nnexp.tune.learning_rate import FindRateOutput
    from nnexp.tune.outputs import StageOutput, TuneOutput

    return {
        "compare": CompareOutput,
        "evaluate": EvaluateOutput,
        "find-rate": FindRateOutput,
        "inspect": InspectOutput,
        "inspect --data": DataOutput,
        "note": list[NotesOutput],
        "predict": list[PredictionOutput],
        "race": RaceOutput,
        "replay": ReplayOutput,
        "report": ReportOutput,
        "reproduce": list[FigureOutput],
        "reproduce FIGURE": ReproduceOutput,
        "runs": list[ExperimentRunsOutput],
        "runs --each": list[RunOutput],
        "search": SearchOutput,
        "show": ShowOutput,
        "sweep": SweepOutput,
        "sweep --dry-run": PlannedOutput,
        "train": TrainOutput,
        "tune": TuneOutput,
        "tune --explain": list[StageOutput],
        "verify": VerifyOutput,
    }
