"""nnexp inspect: predict how a network starts, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options, pictures
from nnexp.cli.output import log, put
from nnexp.report.document import READABLE, as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig


@click.command()
@click.argument("config", type=options.CONFIG)
@options.settings
@options.data_root
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Also draw the distribution of z in each layer, or examples of the data; FILE is .png, "
    ".svg or .pdf.",
)
@click.option(
    "--data",
    "of_data",
    is_flag=True,
    help="Describe the data: examples, classes, range of features, duplicates.",
)
@options.as_json
def inspect(
    config: Path, settings: tuple[str, ...], plot: Path | None, of_data: bool, as_json: bool
) -> None:
    """Predict, before training CONFIG: spread of z, saturation, gradients and weight decay.

    \b
    Example:
      nnexp inspect init-large --plot z.png
      nnexp inspect quickstart --set initializer=he-normal
      nnexp inspect quickstart --data --plot examples.png

    Shows the config's initializer beside the chapter's old and new rules, standard-normal
    and lecun-normal. Nothing is trained, and no run is created.
    """
    from nnexp.config import load
    from nnexp.report.figure import check_target

    if plot is not None:
        check_target(plot)
    checked = load.read(config, settings)
    (_inspect_data if of_data else _inspect_network)(checked, str(config), plot, as_json)


def _inspect_data(checked: CheckedConfig, config: str, plot: Path | None, as_json: bool) -> None:
    from nnexp.analysis.data_description import describe
    from nnexp.report import data_description

    description = describe(checked)
    for warning in description.warnings:
        log(f"warning: {warning}")
    if as_json:
        put(json_line(data_description.output(description)))
    else:
        put(as_text(data_description.document(description, config), READABLE))
    if plot is not None:
        pictures.save(lambda: data_description.figure(description, config), plot)


def _inspect_network(checked: CheckedConfig, config: str, plot: Path | None, as_json: bool) -> None:
    from nnexp.analysis.inspection import inspect as inspected
    from nnexp.report import inspection

    result = inspected(checked)
    for warning in result.warnings:
        log(f"warning: {warning}")
    if as_json:
        put(json_line(inspection.output(result)))
    else:
        put(as_text(inspection.document(result, config), READABLE))
    if plot is not None:
        from nnexp.report import distributions

        pictures.save(lambda: distributions.figure(result, checked.activation), plot)
