"""nnexp schema: the JSON Schema of configs, or of what a command prints as JSON."""

from __future__ import annotations

import json

import click

from nnexp.cli.output import put


@click.command()
@click.option("--of", "command", metavar="COMMAND", help="Of this command's --json instead.")
def schema(command: str | None) -> None:
    """Print the JSON Schema of configs, which lets an editor complete and explain them.

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
    from nnexp.report import outputs, study_outputs

    if command not in OUTPUTS:
        raise UsageError(f"--of: {unknown('command with --json', command, OUTPUTS)}")
    name = OUTPUTS[command]
    return msgspec.json.schema(getattr(outputs, name, None) or getattr(study_outputs, name))


OUTPUTS = {
    "compare": "CompareOutput",
    "evaluate": "EvaluateOutput",
    "find-rate": "FindRateOutput",
    "inspect": "InspectOutput",
    "replay": "ReplayOutput",
    "report": "ReportOutput",
    "reproduce": "ReproduceOutput",
    "runs": "ExperimentRunsOutput",
    "search": "SearchOutput",
    "show": "ShowOutput",
    "sweep": "SweepOutput",
    "train": "TrainOutput",
    "tune": "TuneOutput",
    "verify": "VerifyOutput",
}
"""By command, the class in ``outputs`` or ``study_outputs``; runs prints a list of its."""
