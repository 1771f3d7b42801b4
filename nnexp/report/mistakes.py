"""A run's surest mistakes as a figure: each image with what it is and what it was taken for."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.analysis.mistakes import Mistakes
from nnexp.config.messages import shortened
from nnexp.errors import UsageError, printable
from nnexp.report.figure import Figure, Image, Panel

ACROSS = 6
MOST = 5 * ACROSS
"""Images in a figure: what can be read at its own size."""
SIZE = 1.25, 1.5
"""Inches of an image with its title."""

LONGEST = 100
"""Characters of a name that fit in the figure's width."""


def figure(name: str, mistakes: Mistakes, classes: Sequence[int]) -> Figure:
    """Return the images, each with its class and the class it was taken for.

    Args:
        name: the run's.
        mistakes: one at least.
        classes: what each class is called.

    Raises:
        UsageError: the examples are no images.
    """
    if mistakes.image is None:
        count = mistakes.features.shape[1]
        raise UsageError(f"{name}: its examples, of {count} features, are no images to draw")
    panels = []
    for place, features in enumerate(mistakes.features):
        true, predicted = classes[mistakes.true[place]], classes[mistakes.predicted[place]]
        title = f"{true} → {predicted}   {mistakes.belief[place]:.2f}"
        image = Image(features.reshape(mistakes.image).tolist())
        panels.append(Panel([image], title=title))
    return Figure(panels, _title(name, mistakes), size=SIZE, across=ACROSS)


def _title(name: str, mistakes: Mistakes) -> str:
    shown = shortened(printable(name), LONGEST)
    number = len(mistakes.place)
    which = f"{number} surest of {mistakes.wrong}" if number < mistakes.wrong else f"{number}"
    return (
        f"{shown}\nepoch {mistakes.epoch}: the {which} mistakes on {mistakes.examples} "
        f"{mistakes.on} examples\ntrue class → taken for, and its degree of belief"
    )
