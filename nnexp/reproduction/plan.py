"""What a figure needs: its nets' configs and runs, and the comparison once they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nnexp.config import dump, load
from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.reproduction.figures import BookFigure, Headline, Net
from nnexp.reproduction.measures import MEASURES, Curve, curve, measured, obtained
from nnexp.reproduction.published import Published
from nnexp.reproduction.verdicts import TOLERANCE_DIGITS, NetComparison, Number, compare_series
from nnexp.runner.train import run_name
from nnexp.store.run import named
from nnexp.streams import Network2, Pcg64
from nnexp.study.job import Job

BAND_SEEDS = range(5)
"""What a chaotic net is held against: the spread of nnexp's own runs over these seeds."""


class NetPlan(NamedTuple):
    """One net of a figure, as it is going to be trained."""

    net: Net
    book: Job
    """With the generators of the book's own process."""
    seeds: tuple[Job, ...]
    """With nnexp's own, for the spread."""

    @property
    def trainings(self) -> tuple[Job, ...]:
        """All of them, in their order."""
        return (self.book, *self.seeds)

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """The book's numbers that can be compared: of later epochs only if they are trained."""
        if self.book.config.epochs == self.net.config.epochs:
            return self.net.headlines
        return tuple(each for each in self.net.headlines if each.measure == "first")


class NetOutcome(NamedTuple):
    """What came of one net."""

    part: NetPlan
    comparison: NetComparison
    is_promised: bool
    """Whether it had to be exact."""

    @property
    def is_broken(self) -> bool:
        """Whether it had to be exact and is not."""
        return self.is_promised and self.comparison.verdict != "exact"


def plan(
    name: str,
    figure: BookFigure,
    runs: Path,
    settings: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
) -> list[NetPlan]:
    """Return what is to be trained for a figure.

    What the process did before a net stays the book's, whatever the settings.

    Args:
        name: the figure's.
        figure: the figure.
        runs: the folder of the runs.
        settings: KEY=VALUE each, put over every net's config.
        seeds: of further runs, with ``rng: pcg64``; None: five of the nets that only a band is
            promised of, unless there are settings.

    Raises:
        ConfigError: a setting is wrong.
    """
    parts = []
    for net in figure.nets:
        config = load.parse(dump.to_yaml(net.config), name, settings)
        _check_kept(net.config, config)
        own = BAND_SEEDS if net.promise == "band" and not settings else ()
        chosen = own if seeds is None else seeds
        others = [load.changed(config, "--seeds", rng=Pcg64(), seed=seed) for seed in chosen]
        stem = f"{name}-{net.name}" if net.name else name
        book, *seeded = [Job(c, named(runs, run_name(c, stem))) for c in (config, *others)]
        parts.append(NetPlan(net, book, tuple(seeded)))
    return parts


def _check_kept(book: Config, changed: Config) -> None:
    """Refuse settings under which a figure's net could not be what it is compared as.

    Raises:
        UsageError: the net trains on, or is measured on, other examples than the figure needs.
    """
    missing = [each for each in book.monitor if each not in changed.monitor]
    if missing:
        raise UsageError(f"--set monitor: the figure shows {', '.join(missing)}")
    shared = changed.rng.shared() if isinstance(changed.rng, Network2) else []
    if shared and changed.data != book.data:
        raise UsageError(
            "--set data: this figure's nets train on one list of examples, one after another; "
            "other data would be another figure"
        )


def outcomes(
    parts: Sequence[NetPlan], published: Sequence[Published] | None, *, changed: bool
) -> list[NetOutcome]:
    """Return what came of a figure's nets, all trained.

    Args:
        parts: the nets.
        published: what the author's file holds of each; None: the book's numbers are compared.
        changed: whether settings changed the nets: then nothing but a file's points is promised.
    """
    return [
        NetOutcome(
            part,
            compare(part, None if published is None else published[place]),
            part.net.is_exact_promised(against=published is not None)
            and (published is not None or not changed),
        )
        for place, part in enumerate(parts)
    ]


def compare(part: NetPlan, published: Published | None) -> NetComparison:
    """Return what was published of a net beside what its runs, all finished, obtained.

    Without an author's file the numbers are the book's; with one, they are measured in it.
    """
    if published is None:
        numbers = [_number(part, headline) for headline in part.headlines]
        return NetComparison((), tuple(numbers))
    found = {key: obtained(part.book.run, key) for key in published}
    series = compare_series(published, found)
    numbers = [
        _number_of(part, key, measure, published[key])
        for key in published
        for measure in ("first", "last", *(["highest"] if key.endswith("accuracy") else []))
        if _shared(published[key], found[key]).epochs
    ]
    return NetComparison(series, tuple(numbers))


def _number(part: NetPlan, headline: Headline) -> Number:
    values = [
        measured(curve(job.run.history(), headline.series), headline.series, headline.measure)
        for job in part.trainings
    ]
    return Number(headline, values[0], tuple(values[1:]))


def _number_of(part: NetPlan, key: str, measure: str, published: Curve) -> Number:
    """Measure a published curve and the obtained ones, in the epochs that all have."""
    measure_of = MEASURES[measure]
    curves = [_shared(obtained(job.run, key), published) for job in part.trainings]
    theirs = measure_of(_shared(published, curves[0]))
    own, *others = [measure_of(each) if each.epochs else float("nan") for each in curves]
    digits = 0 if key.endswith("accuracy") else TOLERANCE_DIGITS  # counts, or costs
    return Number(Headline(key, measure, theirs, digits), own, tuple(others))


def _shared(curve: Curve, other: Curve) -> Curve:
    """Return what a curve is in the epochs that another has too."""
    wanted = set(other.epochs)
    kept = [(e, v) for e, v in zip(*curve, strict=True) if e in wanted]
    return Curve([epoch for epoch, _ in kept], [value for _, value in kept])
