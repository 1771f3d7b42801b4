"""How the comparison of a figure with what was published is told: as tables, or as JSON."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.report.outputs import NetOutput, NumberOutput, ReproduceOutput, SeriesOutput
from nnexp.report.text import table
from nnexp.seeds import spread

if TYPE_CHECKING:
    from nnexp.reproduction.plan import NetOutcome
    from nnexp.reproduction.verdicts import Number, Series


def text(outcomes: list[NetOutcome]) -> str:
    """Return all that is to be said of a figure: points, numbers and the verdict of each net."""
    blocks = []
    for outcome in outcomes:
        comparison = outcome.comparison
        blocks += [_points(each) for each in comparison.series]
        if comparison.series:
            blocks.append(_summary(comparison.series))
        if comparison.numbers:
            blocks.append(_numbers(comparison.numbers))
        run = outcome.part.book.run.path
        blocks.append(f"{run}: {comparison.verdict} ({_promise(outcome)})")
    return "\n\n".join(blocks)


def _promise(outcome: NetOutcome) -> str:
    if outcome.is_promised:
        return "exact is promised"
    return {
        "points": "nothing is promised under --set",
        "numbers": "rounding errors grow: only the book's numbers are promised",
        "band": "chaotic: only the band of the seeds is promised",
    }[outcome.part.net.promise]


def _points(series: Series) -> str:
    rows = [
        [str(p.epoch), _shown(p.published), _shown(p.obtained), "" if p.is_equal else "differs"]
        for p in series.points
    ]
    return table(("epoch", f"published {_words(series.key)}", "obtained", ""), rows)


def _summary(series: tuple[Series, ...]) -> str:
    rows = [
        [
            _words(each.key),
            f"{len(each.points)} of {each.published}",
            str(sum(point.is_equal for point in each.points)),
            f"{max((abs(p.published - p.obtained) for p in each.points), default=0):.3g}",
        ]
        for each in series
    ]
    return table(("series", "epochs compared", "equal", "greatest difference"), rows)


def _numbers(numbers: tuple[Number, ...]) -> str:
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
    return table(("number", "published", "obtained", "seeds: mean ± sd", "verdict"), rows)


def _spread(number: Number) -> str:

    found = spread(number.seeds) if all(map(isfinite, number.seeds)) else None
    if found is None or found.sd is None:
        return "-"
    return f"{_decimal(found.mean, number)} ± {_decimal(found.sd, number)}"


def _decimal(value: float, number: Number) -> str:
    if not isfinite(value):
        return "-"
    return f"{value:.{min(number.headline.digits, 6)}f}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _shown(value: float) -> str:
    return str(value) if value != int(value) else str(int(value))


def output(figure: str, outcomes: list[NetOutcome], picture: Path) -> ReproduceOutput:
    """Return the same as a value for JSON."""
    nets = [
        NetOutput(
            net=part.net.name,
            run=str(part.book.run.path),
            seeds=[str(job.run.path) for job in part.seeds],
            promised_exact=is_promised,
            verdict=comparison.verdict,
            series=[_series_output(each) for each in comparison.series],
            numbers=[_number_output(each) for each in comparison.numbers],
        )
        for part, comparison, is_promised in outcomes
    ]
    return ReproduceOutput(figure=figure, picture=str(picture), nets=nets)


def _series_output(series: Series) -> SeriesOutput:
    points = [point._asdict() for point in series.points]
    return SeriesOutput(series=series.key, exact=series.is_exact, points=points)


def _number_output(number: Number) -> NumberOutput:
    series, measure, published, _ = number.headline
    return NumberOutput(
        number=f"{measure} {_words(series)}",
        published=published,
        obtained=_finite(number.obtained),
        seeds=[_finite(value) for value in number.seeds],
        verdict=number.verdict,
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
