"""nnexp inspect: what to expect of a config before any training."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import options
from nnexp.cli.output import put, say
from nnexp.report.document import READABLE, as_text
from nnexp.report.text import as_json as json_line


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@click.option(
    "--plot",
    type=options.File(),
    metavar="FILE",
    help="Also draw how z is distributed, layer by layer (.png, .svg or .pdf).",
)
@options.as_json
def inspect(config: Path, settings: tuple[str, ...], plot: Path | None, as_json: bool) -> None:
    """Say what to expect of CONFIG before any training: z, saturation, gradients, decay.

    \b
    Example:
      nnexp inspect configs/init-large.yaml --plot z.png
      nnexp inspect configs/quickstart.yaml --set initializer=he-normal

    Under the config's initializer and, beside it, the chapter's old and new rules,
    standard-normal and lecun-normal. Trains nothing and creates no run.
    """
    from nnexp.analysis.inspection import inspect as inspected
    from nnexp.config import load
    from nnexp.report import inspection
    from nnexp.report.figure import check_target

    if plot is not None:
        check_target(plot)
    checked = load.read(config, settings)
    result = inspected(checked)
    for warning in result.warnings:
        say(f"warning: {warning}")
    if plot is not None:
        from nnexp.report import distributions, renderer

        renderer.save(distributions.figure(result, checked.activation), plot)
    if as_json:
        put(json_line(inspection.output(result)))
    else:
        put(as_text(inspection.document(result, str(config)), READABLE))
