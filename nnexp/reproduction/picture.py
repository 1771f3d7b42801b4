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
        title: of the figure.
        parts: the trained nets.
        published: the content of the author's file for each net; None to draw the numbers in the
            book's text.
    """
    drawn = [
        net
        for index, part in enumerate(parts)
        for net in (_numbers(part) if published is None else _series(part, published[index]))
    ]
    x = Axis("epoch", whole=True)
    if len(parts) > HUES:  # one point per net, since too many curves are unreadable
        drawn, x = list(_across(parts, drawn)), Axis("training images", scale="log")
    panels = [
        Panel(
            [
                mark
                for colour, net in enumerate(net for net in drawn if net.series == series)
                for mark in _marks(net, colour)
            ],
            x,
            Axis(series.replace("_", " ") + _unit(series, published is None)),
        )
        for series in dict.fromkeys(net.series for net in drawn)
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
    """Yield the series of the headlines, with the headlines that belong to an epoch as points."""
    history = part.book.run.history()
    for key in dict.fromkeys(headline.series for headline in part.net.headlines):
        series = curve(history, key)
        scale = 100 if key.endswith("accuracy") else 1
        epochs = {
            "first": series.epochs[0],
            "last": series.epochs[-1],
            "highest": int(highest_epoch(series)),
        }
        stated = [(h.measure, h.published) for h in part.headlines if h.series == key]
        points = [(epochs[measure], value) for measure, value in stated if measure in epochs]
        published = Curve([epoch for epoch, _ in points], [value for _, value in points])
        line = Curve(series.epochs, [scale * value for value in series.values])
        yield Reproduced(key, part.net.name, published, line)


def _across(parts: Sequence[NetPlan], drawn: Sequence[Reproduced]) -> Iterator[Reproduced]:
    """Yield the last values of each series against the nets' numbers of training examples."""
    examples = [part.book.run.record.data.train for part in parts]
    for series in dict.fromkeys(net.series for net in drawn):
        own = [net for net in drawn if net.series == series]
        last = [net.obtained.values[-1] for net in own]
        known = [
            (n, d.published.values[-1])
            for n, d in zip(examples, own, strict=True)
            if d.published.values
        ]
        published = Curve([n for n, _ in known], [value for _, value in known])
        yield Reproduced(series, "", published, Curve(examples, last))
