"""The results of reproduce as documents and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nnexp.report.document import Block, Document, Sentences, Table, plain
from nnexp.report.text import MISSING, plus_minus
from nnexp.reproduction.verdicts import SeriesPoint
from nnexp.seeds import spread

if TYPE_CHECKING:
    from nnexp.reproduction.figures import BookFigure
    from nnexp.reproduction.plan import NetOutcome
    from nnexp.reproduction.verdicts import Number, Series


def document(outcomes: Iterable[NetOutcome]) -> Document:
    """Return tables of points and numbers and the verdict, for each net of a figure."""
    return plain(*(block for outcome in outcomes for block in _blocks(outcome)))


def _blocks(outcome: NetOutcome) -> Iterator[Block]:
    comparison, run = outcome.comparison, outcome.part.book.run.path
    yield from map(_points, comparison.series)
    if comparison.series:
        yield _summary(comparison.series)
    if comparison.numbers:
        yield _numbers(comparison.numbers)
    yield Sentences([f"{run}: {comparison.verdict} ({_promise(outcome)})"])


def _promise(outcome: NetOutcome) -> str:
    if outcome.is_promised:
        return "exact is promised"
    return {
        "points": "nothing is promised under --set",
        "numbers": "rounding errors grow: only the book's numbers are promised",
        "band": "chaotic: only the band of the seeds is promised",
    }[outcome.part.net.promise]


def _points(series: Series) -> Table:
    rows = [
        [str(p.epoch), _exact(p.published), _exact(p.obtained), "" if p.is_equal else "differs"]
        for p in series.points
    ]
    return Table(["epoch", f"published {_words(series.key)}", "obtained", ""], rows)


def _summary(compared: Iterable[Series]) -> Table:
    rows = [
        [
            _words(series.key),
            f"{len(series.points)} of {series.published}",
            str(sum(point.is_equal for point in series.points)),
            f"{max((abs(p.published - p.obtained) for p in series.points), default=0):.3g}",
        ]
        for series in compared
    ]
    return Table(["series", "epochs compared", "equal", "greatest difference"], rows)


def _numbers(numbers: Iterable[Number]) -> Table:
    rows = [
        [
            f"{number.headline.measure} {_words(number.headline.series)}",
            _decimal(number.headline.published, number),
            _decimal(number.obtained, number),
            _spread(number),
            number.verdict,
        ]
        for number in numbers
    ]
    return Table(["number", "published", "obtained", "seeds: mean ± sd", "verdict"], rows)


def _spread(number: Number) -> str:
    seeds = spread(number.seeds) if all(map(isfinite, number.seeds)) else None
    if seeds is None or seeds.sd is None:
        return MISSING
    return plus_minus(_decimal(seeds.mean, number), _decimal(seeds.sd, number))


def _decimal(value: float, number: Number) -> str:
    if not isfinite(value):
        return MISSING
    return f"{value:.{min(number.headline.digits, 6)}f}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _exact(value: float) -> str:
    return str(value) if value != int(value) else str(int(value))


class SeriesOutput(Struct, frozen=True, kw_only=True):
    """A published series beside the obtained one."""

    series: str
    exact: bool
    points: list[SeriesPoint]


class NumberOutput(Struct, frozen=True, kw_only=True):
    """A published number beside the obtained one."""

    number: str
    published: float
    obtained: float | None
    values: list[float | None]
    """Of the runs with other seeds."""
    verdict: str


class NetOutput(Struct, frozen=True, kw_only=True):
    """A net of a figure."""

    net: str | None
    """Null if the figure has no other."""
    run: str
    seed_runs: list[str]
    """The runs with other seeds."""
    promised_exact: bool
    verdict: str
    series: list[SeriesOutput]
    numbers: list[NumberOutput]


class ReproduceOutput(Struct, frozen=True, kw_only=True):
    """The result of reproduce."""

    figure: str
    picture: str
    nets: list[NetOutput]


def output(figure: str, outcomes: Iterable[NetOutcome], picture: Path) -> ReproduceOutput:
    """Return the comparison of a figure as a value for JSON."""
    nets = [
        NetOutput(
            net=part.net.name or None,
            run=str(part.book.run.path),
            seed_runs=[str(job.run.path) for job in part.seeds],
            promised_exact=is_promised,
            verdict=comparison.verdict,
            series=[
                SeriesOutput(series=series.key, exact=series.is_exact, points=list(series.points))
                for series in comparison.series
            ],
            numbers=list(map(_number_output, comparison.numbers)),
        )
        for part, comparison, is_promised in outcomes
    ]
    return ReproduceOutput(figure=figure, picture=str(picture), nets=nets)


def _number_output(number: Number) -> NumberOutput:
    series, measure, published, _ = number.headline
    return NumberOutput(
        number=f"{measure} {_words(series)}",
        published=published,
        obtained=number.obtained,
        values=list(number.seeds),
        verdict=number.verdict,
    )


class FigureOutput(Struct, frozen=True, kw_only=True):
    """A figure that reproduce can train."""

    figure: str
    title: str
    nets: list[str]
    """The names of its nets; empty if it has one without a name."""


def figure_list(figures: Mapping[str, BookFigure]) -> list[FigureOutput]:
    """Return the figures as values for JSON."""
    return [
        FigureOutput(
            figure=name, title=figure.title, nets=[net.name for net in figure.nets if net.name]
        )
        for name, figure in figures.items()
    ]


def list_document(figures: Iterable[FigureOutput]) -> Document:
    """Return a table of the figures."""
    rows = [[figure.figure, figure.title] for figure in figures]
    return plain(Table(["figure", "what it shows"], rows, left=2))
