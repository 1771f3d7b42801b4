"""Plan the runs of a figure's nets, and compare them with published values once trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nnexp.config import dump, load
from nnexp.config.model import Config
from nnexp.datasets.loading import Data
from nnexp.errors import UsageError
from nnexp.reproduction.figures import BookFigure, Headline, Net
from nnexp.reproduction.measures import MEASURES, Curve, curve, measured, obtained
from nnexp.reproduction.published import Published
from nnexp.reproduction.verdicts import TOLERANCE_DIGITS, NetComparison, Number, compare_series
from nnexp.runner.naming import RunNames
from nnexp.streams import Network2, Pcg64
from nnexp.study.job import Job

BAND_SEEDS = range(5)
"""Seeds of nnexp's own runs whose spread a chaotic net is compared with."""


class NetPlan(NamedTuple):
    """The planned runs of one net of a figure."""

    net: Net
    book: Job
    """With the random draws of the book's own process."""
    seeds: tuple[Job, ...]
    """With nnexp's own random draws, for the spread."""

    @property
    def trainings(self) -> tuple[Job, ...]:
        """All jobs, in the order of training."""
        return (self.book, *self.seeds)

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """The numbers in the book's text that can be compared with the epochs trained."""
        if self.book.config.epochs == self.net.config.epochs:
            return self.net.headlines
        return tuple(number for number in self.net.headlines if number.measure == "first")


class NetOutcome(NamedTuple):
    """The comparison of one net with its published values."""

    part: NetPlan
    comparison: NetComparison
    is_promised: bool
    """Whether it must be exact."""

    @property
    def is_broken(self) -> bool:
        """Whether it must be exact, but is not."""
        return self.is_promised and self.comparison.verdict != "exact"


def plan(
    name: str,
    figure: BookFigure,
    runs: Path,
    settings: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
) -> list[NetPlan]:
    """Return the plans of a figure's nets.

    Settings do not change the draws of the book's process before a net.

    Args:
        name: of the figure.
        figure: the figure.
        runs: the folder of the runs.
        settings: ``KEY=VALUE`` overrides of every net's config.
        seeds: of further runs, with ``rng: pcg64``; None for five seeds of the chaotic nets, or
            none with settings.

    Raises:
        ConfigError: a setting is invalid.
    """
    parts, data = [], Data()
    for net in figure.nets:
        config = load.parse(dump.to_yaml(net.config), name, settings)
        _check_kept(net.config, config)
        own = BAND_SEEDS if net.promise == "band" and not settings else ()
        chosen = own if seeds is None else seeds
        others = [load.changed(config, "--seeds", rng=Pcg64(), seed=seed) for seed in chosen]
        stem = f"{name}-{net.name}" if net.name else name
        names = RunNames(runs, stem, data)
        book, *seeded = [
            Job(each, names.run(each), content=names.content(each), backend="numpy")
            for each in (config, *others)
        ]
        parts.append(NetPlan(net, book, tuple(seeded)))
    return parts


def _check_kept(book: Config, changed: Config) -> None:
    """Check that a net with changed settings can still be compared with its figure.

    Raises:
        UsageError: the net trains on, or is measured on, other examples than the figure needs.
    """
    missing = [name for name in book.monitor if name not in changed.monitor]
    if missing:
        raise UsageError(f"--set monitor: must include {', '.join(missing)} for this figure")
    shared = changed.rng.shared() if isinstance(changed.rng, Network2) else []
    if shared and changed.data != book.data:
        raise UsageError(
            "--set data: this figure's nets train on one list of examples, one after another; "
            "their data cannot be changed"
        )


def outcomes(
    parts: Sequence[NetPlan], published: Sequence[Published] | None, *, changed: bool
) -> list[NetOutcome]:
    """Compare the trained nets of a figure with their published values.

    Args:
        parts: the nets.
        published: the content of the author's file for each net; None to compare with the numbers
            in the book's text.
        changed: whether settings changed the nets; only the points of a file must then be exact.
    """
    return [
        NetOutcome(
            part,
            compare(part, None if published is None else published[index]),
            part.net.is_exact_promised(against=published is not None)
            and (published is not None or not changed),
        )
        for index, part in enumerate(parts)
    ]


def compare(part: NetPlan, published: Published | None) -> NetComparison:
    """Compare the finished runs of a net with its published values.

    Numbers are those in the book's text or, with an author's file, measures of its curves.
    """
    if published is None:
        numbers = [_number(part, headline) for headline in part.headlines]
        return NetComparison((), tuple(numbers))
    curves = {key: obtained(part.book.run, key) for key in published}
    series = compare_series(published, curves)
    numbers = [
        _number_of(part, key, measure, published[key])
        for key in published
        for measure in ("first", "last", *(["highest"] if key.endswith("accuracy") else []))
        if _shared(published[key], curves[key]).epochs
    ]
    return NetComparison(series, tuple(numbers))


def _number(part: NetPlan, headline: Headline) -> Number:
    values = [
        measured(curve(job.run.history(), headline.series), headline.series, headline.measure)
        for job in part.trainings
    ]
    return Number(headline, values[0], tuple(values[1:]))


def _number_of(part: NetPlan, key: str, measure: str, published: Curve) -> Number:
    """Measure a published curve and the obtained ones in their common epochs."""
    measure_of = MEASURES[measure]
    curves = [_shared(obtained(job.run, key), published) for job in part.trainings]
    theirs = measure_of(_shared(published, curves[0]))
    own, *others = [measure_of(curve) if curve.epochs else float("nan") for curve in curves]
    digits = 0 if key.endswith("accuracy") else TOLERANCE_DIGITS  # counts, or costs
    return Number(Headline(key, measure, theirs, digits), own, tuple(others))


def _shared(curve: Curve, reference: Curve) -> Curve:
    """Return the part of a curve in the epochs of another curve."""
    wanted = set(reference.epochs)
    kept = [(e, v) for e, v in zip(*curve, strict=True) if e in wanted]
    return Curve([epoch for epoch, _ in kept], [value for _, value in kept])
