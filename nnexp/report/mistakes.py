"""A run's surest mistakes as a picture: each image with what it is and what it was taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nnexp.analysis.mistakes import Mistakes
from nnexp.config.messages import shortened
from nnexp.errors import UsageError, printable
from nnexp.report.curves import check_format
from nnexp.store import disk

ACROSS = 6
MOST = 5 * ACROSS
"""Images in a picture: what can be read at its own size."""
SIDE = 1.25
"""Inches that an image takes across, and a little less than down."""

LONGEST = 100
"""Characters of a name that fit in the picture's width."""


def draw(path: Path, name: str, mistakes: Mistakes, classes: Sequence[int]) -> None:
    """Draw mistakes into a file, whose ending says the format.

    Args:
        path: where the picture goes.
        name: the run's.
        mistakes: one at least.
        classes: what each class is called.

    Raises:
        UsageError: the file's ending is not a format of pictures, or the examples are no images.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    if mistakes.image is None:
        features = mistakes.features.shape[1]
        raise UsageError(f"{name}: its examples, of {features} features, are no images to draw")
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    shown = len(mistakes.place)
    down = math.ceil(shown / ACROSS)
    size = (ACROSS * SIDE, down * (SIDE + 0.25) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(_title(name, mistakes), fontsize=10)
    grid = figure.subplots(down, ACROSS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, axes in enumerate(grid.flat[:shown]):
        true, predicted = classes[mistakes.true[place]], classes[mistakes.predicted[place]]
        image = mistakes.features[place].reshape(mistakes.image)
        axes.imshow(image, cmap="gray_r", interpolation="nearest")
        axes.set_title(f"{true} → {predicted}   {mistakes.belief[place]:.2f}", fontsize=10)
    with disk.errors(path):
        figure.savefig(path, dpi=120)


def _title(name: str, mistakes: Mistakes) -> str:
    escaped = shortened(printable(name), LONGEST).replace(
        "$", r"\$"
    )  # between two $ stands a formula
    number = len(mistakes.place)
    which = f"{number} surest of {mistakes.wrong}" if number < mistakes.wrong else f"{number}"
    return (
        f"{escaped}\nepoch {mistakes.epoch}: the {which} mistakes on {mistakes.examples} "
        f"{mistakes.on} examples\ntrue class → taken for, and its degree of belief"
    )
