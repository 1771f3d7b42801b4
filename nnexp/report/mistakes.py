"""A run's most confident mistakes as a figure: images with their true and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.analysis.mistakes import Mistakes
from nnexp.config.messages import shortened
from nnexp.errors import UsageError, printable
from nnexp.report.figure import Figure, Image, Panel

ACROSS = 6
MOST = 5 * ACROSS
"""Maximum number of images in a figure."""
WIDTH, HEIGHT = 1.25, 1.5
"""Size of an image with its title, in inches."""
LINE = 0.18
"""Height of a further line of the title."""

SHORT = 2
"""Characters of classes' names up to which a title fits in one line."""
LONGEST_LABEL = 10
"""Maximum number of characters of a class's name in a title."""
LONGEST = 100
"""Maximum number of characters of the run's name."""


def figure(name: str, mistakes: Mistakes, classes: Sequence[int | str]) -> Figure:
    """Return the images with their true and predicted classes.

    Args:
        name: of the run.
        mistakes: at least one.
        classes: the labels, in the network's order.

    Raises:
        UsageError: the examples are no images.
    """
    if mistakes.image is None:
        count = mistakes.features.shape[1]
        raise UsageError(f"{name}: its examples, of {count} features, are no images to draw")
    panels = []
    is_short = max(len(str(label)) for label in classes) <= SHORT
    layout = "{} → {}   {:.2f}" if is_short else "{}\n→ {}\n{:.2f}"
    for index, features in enumerate(mistakes.features):
        labels = (mistakes.true[index], mistakes.predicted[index])
        true, predicted = (shortened(printable(str(classes[i])), LONGEST_LABEL) for i in labels)
        title = layout.format(true, predicted, mistakes.belief[index])
        image = Image(features.reshape(mistakes.image).tolist())
        panels.append(Panel([image], title=title))
    size = WIDTH, HEIGHT + LINE * layout.count("\n")
    return Figure(panels, _title(name, mistakes), size=size, across=ACROSS)


def _title(name: str, mistakes: Mistakes) -> str:
    shown = shortened(printable(name), LONGEST)
    number = len(mistakes.place)
    which = f"{number} surest of {mistakes.wrong}" if number < mistakes.wrong else f"{number}"
    return (
        f"{shown}\nepoch {mistakes.epoch}: the {which} mistakes on {mistakes.examples} "
        f"{mistakes.on} examples\ntrue class → predicted class, and its output"
    )
