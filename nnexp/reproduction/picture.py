"""A figure of the book beside its reproduction: published points and obtained lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nnexp.report.figure import HUES, Axis, Figure, Line, Mark, Panel, Points
from nnexp.reproduction.measures import Curve, curve, highest_epoch, obtained
from nnexp.reproduction.plan import NetPlan
from nnexp.reproduction.published import Published


class Reproduced(NamedTuple):
    """One series of one net: the published points and the obtained line."""

    series: str
    label: str
    published: Curve
    obtained: Curve


def figure(title: str, parts: Sequence[NetPlan], published: Sequence[Published] | None) -> Figure:
    """Return a panel for each series, a colour for each net.

    Args:
        title: what the book's figure shows.
        parts: the nets, trained.
        published: the content of the author's file for each; None: the book's numbers are drawn.
    """
    drawn = [
        each
        for place, part in enumerate(parts)
        for each in (_numbers(part) if published is None else _series(part, published[place]))
    ]
    x = Axis("epoch", whole=True)
    if len(parts) > HUES:  # nets that differ in one number: a point each
        drawn, x = list(_across(parts, drawn)), Axis("training images", scale="log")
    panels = [
        Panel(
            [
                mark
                for colour, each in enumerate(each for each in drawn if each.series == series)
                for mark in _marks(each, colour)
            ],
            x,
            Axis(series.replace("_", " ") + _unit(series, published is None)),
        )
        for series in dict.fromkeys(each.series for each in drawn)
    ]
    return Figure(panels, title)


def _marks(net: Reproduced, colour: int) -> list[Mark]:
    line = Line(f"{net.label} obtained".strip(), *net.obtained, colour=colour)
    if not net.published.values:
        return [line]
    label = f"{net.label} published".strip()
    return [Points(label, *net.published, colour=colour, size=4, faint=True), line]


def _unit(series: str, is_percent: bool) -> str:  # noqa: FBT001 - a word of the caller's
    if not series.endswith("accuracy"):
        return ""
    return " in %" if is_percent else " in examples"


def _series(part: NetPlan, published: Published) -> Iterator[Reproduced]:
    for key, values in published.items():
        yield Reproduced(key, part.net.name, values, obtained(part.book.run, key))


def _numbers(part: NetPlan) -> Iterator[Reproduced]:
    """Generate the series that headlines speak of, each with the headlines that have a place."""
    history = part.book.run.history()
    for key in dict.fromkeys(headline.series for headline in part.net.headlines):
        found = curve(history, key)
        scale = 100 if key.endswith("accuracy") else 1
        places = {
            "first": found.epochs[0],
            "last": found.epochs[-1],
            "highest": int(highest_epoch(found)),
        }
        stated = [(h.measure, h.published) for h in part.headlines if h.series == key]
        points = [(places[measure], value) for measure, value in stated if measure in places]
        published = Curve([epoch for epoch, _ in points], [value for _, value in points])
        line = Curve(found.epochs, [scale * value for value in found.values])
        yield Reproduced(key, part.net.name, published, line)


def _across(parts: Sequence[NetPlan], drawn: Sequence[Reproduced]) -> Iterator[Reproduced]:
    """Generate each series' last values against the nets' numbers of training examples."""
    examples = [part.book.run.record.data.train for part in parts]
    for series in dict.fromkeys(each.series for each in drawn):
        own = [each for each in drawn if each.series == series]
        last = [each.obtained.values[-1] for each in own]
        known = [
            (n, d.published.values[-1])
            for n, d in zip(examples, own, strict=True)
            if d.published.values
        ]
        published = Curve([n for n, _ in known], [value for _, value in known])
        yield Reproduced(series, "", published, Curve(examples, last))
