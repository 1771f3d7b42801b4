"""A metric over seeds as a value for JSON: the same in runs, compare, sweep, search and tune."""

from __future__ import annotations

from msgspec import Struct

from nnexp.seeds import Sample, Spread


class SampleOutput(Struct, frozen=True, kw_only=True):
    """A metric over seeds; accuracies are fractions."""

    mean: float | None
    """Null unless every run has a value."""
    sd: float | None
    """The sample standard deviation; null for one seed."""
    count: int
    """The number of values that are not null."""
    values: list[float | None]
    """By run; null for a run without a value."""


def of_sample(sample: Sample) -> SampleOutput:
    """Return a metric over runs, some of which may lack a value, for JSON."""
    return SampleOutput(
        mean=sample.mean,
        sd=sample.sd,
        count=len(sample.known),
        values=list(sample.values),
    )


def of_spread(spread: Spread | None) -> SampleOutput | None:
    """Return a mean and standard deviation with their values for JSON; None without values."""
    if spread is None:
        return None
    return of_sample(Sample(spread.values))
