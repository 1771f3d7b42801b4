"""nnexp inspect: predict how a network starts, before any training."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import options
from nnexp.cli.output import log, put
from nnexp.report.document import READABLE, as_text
from nnexp.report.text import as_json as json_line


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@click.option(
    "--plot",
    type=options.File(),
    metavar="FILE",
    help="Also draw the distribution of z in each layer; FILE is .png, .svg or .pdf.",
)
@options.as_json
def inspect(config: Path, settings: tuple[str, ...], plot: Path | None, as_json: bool) -> None:
    """Predict, before training CONFIG: spread of z, saturation, gradients and weight decay.

    \b
    Example:
      nnexp inspect init-large --plot z.png
      nnexp inspect quickstart --set initializer=he-normal

    Shows the config's initializer beside the chapter's old and new rules, standard-normal
    and lecun-normal. Nothing is trained, and no run is created.
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
        log(f"warning: {warning}")
    if plot is not None:
        from nnexp.report import distributions, renderer

        renderer.save(distributions.figure(result, checked.activation), plot)
    if as_json:
        put(json_line(inspection.output(result)))
    else:
        put(as_text(inspection.document(result, str(config)), READABLE))
