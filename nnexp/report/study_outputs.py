"""Results of the commands that train many runs as values, as in ``outputs``."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from nnexp.report.outputs import CompareOutput, SpreadOutput


class RungOutput(Struct, frozen=True, kw_only=True):
    """A learning rate that find-rate tried."""

    learning_rate: float
    judgement: str
    why: str
    kind: str
    costs: list[float | None]


class FindRateOutput(Struct, frozen=True, kw_only=True):
    """The result of find-rate."""

    threshold: float | None
    learning_rate: float | None
    rungs: list[RungOutput]


class FailureOutput(Struct, frozen=True, kw_only=True):
    """A run that failed."""

    run: str
    exit: int
    reason: str
    log: str | None


class RankedOutput(Struct, frozen=True, kw_only=True):
    """A point of a sweep in its ranking."""

    values: dict[str, Any]
    accuracy: SpreadOutput | None
    """On the split of the ranking."""
    test: SpreadOutput | None
    runs: list[str]
    missing: int
    diverged: int
    against_best: dict[str, Any] | None


class SweepOutput(Struct, frozen=True, kw_only=True):
    """The result of sweep."""

    config: str
    keys: list[str]
    split: str | None
    ranking: list[RankedOutput]
    failures: list[FailureOutput]
    not_run: list[str]
    excluded: int
    repeated: int


class PlannedOutput(Struct, frozen=True, kw_only=True):
    """The result of sweep --dry-run."""

    runs: list[dict[str, Any]]
    """The name, path and state of each, and the values of its keys."""
    excluded: int
    repeated: int


class SampleOutput(Struct, frozen=True, kw_only=True):
    """A metric over the runs of a trial."""

    mean: float | None
    values: list[float | None]


class TrialOutput(Struct, frozen=True, kw_only=True):
    """A trial of a search."""

    trial: int
    values: dict[str, Any]
    runs: list[str]
    epochs: list[int]
    examples: list[int]
    validation_accuracy: SampleOutput
    test_accuracy: SampleOutput


class SearchOutput(Struct, frozen=True, kw_only=True):
    """The result of search."""

    config: str
    method: str
    seed: int
    space: dict[str, dict[str, Any]]
    exclude: list[dict[str, Any]]
    halving: int | None
    best: int | None
    """The number of the best trial."""
    examples: int
    baseline: TrialOutput | None
    trials: list[TrialOutput]
    failures: list[FailureOutput]
    comparison: CompareOutput | None


class DecisionOutput(Struct, frozen=True, kw_only=True):
    """A decision of tune."""

    stage: int
    name: str
    heading: str
    answer: str
    chose: dict[str, Any]
    alternatives: list[dict[str, str]]
    notes: list[str]


class TuneOutput(Struct, frozen=True, kw_only=True):
    """The result of tune."""

    tuned: str | UnsetType = UNSET
    """The files that were written."""
    markdown: str
    html: str
    epochs: int
    """All that were trained."""
    unfinished: list[str]
    decisions: list[DecisionOutput]
