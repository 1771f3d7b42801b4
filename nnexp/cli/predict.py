"""nnexp predict: the classes of new examples by a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options, pictures
from nnexp.cli.output import log, put
from nnexp.report.document import as_csv as csv_text
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.analysis.prediction import FilePrediction, Predictor

PARTIAL, NOTHING = 1, 2
"""Exit codes if some files, or all, cannot be read."""


@click.command()
@click.argument("run", metavar="RUN", type=options.RUN)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option("--raw", is_flag=True, help="Only resize pictures; do not prepare them like MNIST's.")
@click.option(
    "--top",
    type=options.WholeNumber(1),
    default=2,
    show_default=True,
    help="List the classes with the N largest outputs.",
)
@click.option(
    "--shown",
    type=options.NewFile(),
    metavar="FILE",
    help="Draw the first 30 examples as the network saw them: .png, .svg or .pdf.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print all outputs as CSV.")
@options.as_json
def predict(
    run: Path,
    files: tuple[Path, ...],
    raw: bool,
    top: int,
    shown: Path | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Predict the class of each example in each FILE by the best network of RUN.

    \b
    Example:
      nnexp predict runs/A drawing.png
      nnexp predict runs/A photos/*.jpg --shown seen.png
      nnexp predict runs/A new.csv --csv > predictions.csv

    A FILE is a PNG or JPEG picture, a csv, npz or IDX file; it may have labels. It is scaled as
    the run's own data was. Pictures for a network trained on MNIST are prepared like MNIST's:
    grey, light on dark, cropped, 20 x 20 pixels centred in 28 x 28. If RUN is an experiment
    or a quoted pattern, the networks of all its runs vote.
    """
    from nnexp.analysis.experiments import gather
    from nnexp.analysis.prediction import Predictor
    from nnexp.errors import UsageError
    from nnexp.report import predictions
    from nnexp.report.figure import check_target

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other")
    if shown is not None:
        check_target(shown)
    runs = [each for experiment in gather([run]) for each in experiment.runs]
    predictor = Predictor(runs)
    for line in predictor.provisional():
        log(line)
    read = _read(predictor, files, raw=raw)
    # The figure is made first, so that nothing is printed if the examples are no images.
    figure = None if shown is None else predictions.figure(read, predictor.inputs)
    if as_json:
        put(json_line(predictions.output(read)))
    elif as_csv:
        put(csv_text(*predictions.rows(read)))
    else:
        top = min(top, len(predictor.classes))
        document = predictions.document(read, top, voters=len(runs))
        put(as_text(document, columns()))
    if shown is not None and figure is not None:
        pictures.save(lambda: figure, shown)
    if len(read) < len(files):
        raise SystemExit(PARTIAL)


def _read(predictor: Predictor, files: Sequence[Path], *, raw: bool) -> list[FilePrediction]:
    """Return the predictions for the files that can be read; exit if there are none."""
    from nnexp.analysis.prediction import FilePrediction, UnreadFile

    results = predictor.predict(files, raw=raw)
    for result in results:
        if isinstance(result, UnreadFile):
            log(result.reason)
    read = [result for result in results if isinstance(result, FilePrediction)]
    if not read:
        raise SystemExit(NOTHING)
    return read
