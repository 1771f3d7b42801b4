"""Results of commands as values: what --json prints; ``nnexp schema --of`` has the schemas.

Accuracies are fractions. null stands for a value that does not exist, a missing key for one that
does not apply.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from nnexp.seeds import Spread
from nnexp.store.records import DataRecord, Fault, Result, Versions
from nnexp.training.history import Row


class MetricOutput(Struct, frozen=True, kw_only=True):
    """A metric of one experiment, and the verdict against the first one, if there is one."""

    values: list[float | None]
    """By seed."""
    mean: float | None
    sd: float | None
    difference: float | UnsetType = UNSET
    half_width: float | UnsetType | None = UNSET
    test: str | UnsetType = UNSET
    p: float | UnsetType | None = UNSET
    p_adjusted: float | UnsetType | None = UNSET
    sign_flip_p: float | UnsetType | None = UNSET
    verdict: str | UnsetType = UNSET
    seeds_needed: int | UnsetType | None = UNSET


class ExperimentOutput(Struct, frozen=True, kw_only=True):
    """One side of a comparison."""

    place: str
    runs: list[str]
    seeds: list[int]
    statuses: dict[str, int]
    numerics: list[list[dict[str, Any]]]
    """By run: the arithmetic, and since which epoch."""


class CheckOutput(Struct, frozen=True, kw_only=True):
    """Whether a claim of --check holds."""

    claim: str
    holds: bool
    left: float | None
    right: float | None
    comparisons: list[CheckOutput] | UnsetType = UNSET
    """Of a claim that joins several."""


class CompareOutput(Struct, frozen=True, kw_only=True):
    """The result of compare."""

    experiments: dict[str, ExperimentOutput]
    """By letter."""
    config: dict[str, dict[str, Any]]
    """The values of the keys that differ, by key and letter."""
    notes: list[str]
    metrics: dict[str, dict[str, MetricOutput]]
    judged: str
    """The metric that the verdicts are on."""
    verdicts: dict[str, str]
    checks: list[CheckOutput]


class RunEvaluationOutput(Struct, frozen=True, kw_only=True):
    """A run's best epoch on a split."""

    run: str
    epoch: int
    cost: float
    accuracy: float


class VoteOutput(Struct, frozen=True, kw_only=True):
    """Several runs' vote."""

    accuracy: float


class EvaluateOutput(Struct, frozen=True, kw_only=True):
    """The result of evaluate."""

    on: str
    """The split."""
    examples: int
    runs: list[RunEvaluationOutput]
    vote: VoteOutput | None


class ReplayedOutput(Struct, frozen=True, kw_only=True):
    """What one rule with one patience would have made of a run."""

    rule: str
    patience: int
    stopped: int | None
    best: float
    best_epoch: int
    lost: float
    saved: int


class ReplayOutput(Struct, frozen=True, kw_only=True):
    """The result of replay."""

    run: str
    metric: str
    best: float
    best_epoch: int
    epochs: int
    replayed: list[ReplayedOutput]


class ReportOutput(Struct, frozen=True, kw_only=True):
    """The result of report."""

    report: str
    bytes: int
    verdicts: dict[str, str]


class DifferenceOutput(Struct, frozen=True, kw_only=True):
    """The first value that differs between a run and its repetition."""

    epoch: int | None
    quantity: str
    recorded: Any
    obtained: Any


class VerifyOutput(Struct, frozen=True, kw_only=True):
    """The result of verify."""

    run: str
    identical: bool
    same_numerics: bool
    difference: DifferenceOutput | None


class TrainOutput(Struct, frozen=True, kw_only=True):
    """The result of train: how a run stands."""

    run: str
    name: str
    status: str
    reason: str | UnsetType = UNSET
    epochs: int | UnsetType = UNSET
    best: Row | UnsetType | None = UNSET
    """A row of metrics.jsonl."""
    final: Row | UnsetType | None = UNSET
    test_accuracy: float | UnsetType | None = UNSET
    test_cost: float | UnsetType | None = UNSET
    fault: Fault | UnsetType | None = UNSET


class SpreadOutput(Struct, frozen=True, kw_only=True):
    """A result over seeds."""

    mean: float
    sd: float | None
    """None for one seed."""
    seeds: int


def spread_output(spread: Spread | None) -> SpreadOutput | None:
    """Return a result over seeds as a value for JSON."""
    return None if spread is None else SpreadOutput(**spread._asdict())


class RunOutput(Struct, frozen=True, kw_only=True):
    """How a run stands."""

    name: str
    path: str
    status: str
    epochs: int
    best_validation_accuracy: float | None
    best_epoch: int | None
    test_accuracy: float | None
    problem: str | None
    seed: int | None
    experiment: str | UnsetType = UNSET
    """With --each."""
    config: dict[str, Any] | UnsetType = UNSET
    """By dotted key; with --each."""


class ExperimentRunsOutput(Struct, frozen=True, kw_only=True):
    """An experiment of runs: its results over seeds, and its runs."""

    name: str
    path: str
    other_names: list[str]
    seeds: list[int]
    statuses: dict[str, int]
    best_validation_accuracy: SpreadOutput | None
    test_accuracy: SpreadOutput | None
    config: dict[str, Any]
    runs: list[RunOutput]


class InspectOutput(Struct, frozen=True, kw_only=True):
    """The result of inspect; null where a number is not finite."""

    sizes: list[int]
    parameters: dict[str, list[int] | int]
    """Of the layers, and of all together."""
    examples: int
    mean_square: float | None
    measured_on: dict[str, int]
    initializers: dict[str, list[dict[str, float | None]]]
    """By initializer, the layers."""
    decay: dict[str, Any] | None
    notes: list[str]
    warnings: list[str]


class FigureOutput(Struct, frozen=True, kw_only=True):
    """A figure that reproduce can train."""

    figure: str
    title: str
    nets: list[str]


class SeriesOutput(Struct, frozen=True, kw_only=True):
    """A published series beside the obtained one."""

    series: str
    exact: bool
    points: list[dict[str, Any]]


class NumberOutput(Struct, frozen=True, kw_only=True):
    """A published number beside the obtained one."""

    number: str
    published: float
    obtained: float | None
    seeds: list[float | None]
    verdict: str


class NetOutput(Struct, frozen=True, kw_only=True):
    """A net of a figure."""

    net: str
    run: str
    seeds: list[str]
    promised_exact: bool
    verdict: str
    series: list[SeriesOutput]
    numbers: list[NumberOutput]


class ReproduceOutput(Struct, frozen=True, kw_only=True):
    """The result of reproduce."""

    figure: str
    picture: str
    nets: list[NetOutput]


class ConfusionOutput(Struct, frozen=True, kw_only=True):
    """A confusion matrix: true classes in rows, predicted ones in columns."""

    matrix: list[list[int]]
    accuracy: list[float | None]
    """By class."""


class ShowOutput(Struct, frozen=True, kw_only=True):
    """The result of show."""

    run: str
    status: str
    ending: str
    result: Result | None
    config: dict[str, Any]
    changed: list[str]
    """The keys that differ from their defaults."""
    data: DataRecord
    versions: Versions
    numerics: str
    best: Row | None
    last: Row | None
    diagnosis: dict[str, Any] | None
    overfitting: dict[str, Any] | None
    classes: list[int]
    confusion: dict[str, ConfusionOutput]
    problems: list[str]
