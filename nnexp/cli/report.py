"""nnexp report: a comparison, or one experiment, as an HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp import paths as folders
from nnexp.cli import options, pictures
from nnexp.cli.output import put
from nnexp.report.text import as_json as json_line


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=options.RUN)
@click.option(
    "-o",
    "--output",
    type=options.NewFile(),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="The HTML file; an existing one is replaced.",
)
@options.metric
@options.as_json
def report(paths: tuple[Path, ...], output: Path, metric: str | None, as_json: bool) -> None:
    """Write one HTML file that shows and compares runs.

    \b
    Example:
      nnexp report runs/A runs/B -o report.html
      nnexp report 'runs/eta-*' --metric epochs_to_95
      nnexp report runs/A

    RUN and KEY are as in nnexp compare: runs or experiments, of which the first one is the
    baseline. A single experiment is shown without a verdict. The file is self-contained: you
    can open it offline, print it and send it to others.
    """
    from nnexp.analysis import comparison, experiments
    from nnexp.errors import UsageError
    from nnexp.report import comparison_page
    from nnexp.store import disk

    if output.suffix not in {".html", ".htm"}:
        raise UsageError(f"{output}: a report's name ends in .html")
    if not folders.is_folder(output.parent):
        raise UsageError(f"{output}: {folders.no_folder(output.parent)}")
    judged = None if metric is None else comparison.judged_metric(metric, "--metric")
    compared = comparison.compare(experiments.gather(paths), judged)
    with pictures.drawing(output):
        content = comparison_page.report(compared).encode("utf-8")
    disk.publish(output, content)
    if as_json:
        put(json_line(comparison_page.output(compared, output, len(content))))
    else:
        put(str(output))
