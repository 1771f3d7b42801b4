"""The history of a training: one row per evaluated epoch, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

Fraction = Annotated[float, Meta(ge=0, le=1)]
Fingerprint = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One evaluation. Accuracies are fractions, and costs include the penalty.

    Tuples have a number for each layer, from the first hidden one on; running costs have one for
    each tenth of the epoch.
    """

    epoch: Annotated[int, Meta(ge=1, le=1_000_000)]
    """The number of epochs trained."""
    learning_rate: float | None
    """The epoch's learning rate; null if the optimizer chooses its steps."""
    train_cost: float | UnsetType = UNSET
    train_accuracy: Fraction | UnsetType = UNSET
    validation_cost: float | UnsetType = UNSET
    validation_accuracy: Fraction | UnsetType = UNSET
    test_cost: float | UnsetType = UNSET
    test_accuracy: Fraction | UnsetType = UNSET
    gradient_norm: float | UnsetType = UNSET
    """With full-batch optimizers: the Euclidean norm of the gradient."""
    step_norm: float | UnsetType = UNSET
    """With full-batch optimizers: the Euclidean norm of the step."""
    damping: float | UnsetType = UNSET
    """With `newton` and `hessian-free`: the multiple that is added to the curvature."""
    predicted_decrease: float | UnsetType = UNSET
    """With `newton` and `hessian-free`: the decrease of the cost that their model predicts."""
    actual_decrease: float | UnsetType = UNSET
    """With `newton` and `hessian-free`: the decrease of the cost."""
    evaluations: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    """Evaluations of the cost and its derivatives on all examples, since training began."""
    negative_curvature: float | UnsetType = UNSET
    """Set where the gradient vanishes at a saddle point: the cost's curvature in a direction."""
    saturation: tuple[Fraction, ...] | UnsetType = UNSET
    """With `monitor: saturation`: the fraction of saturated neurons, over all examples."""
    weight_norms: tuple[float, ...] | UnsetType = UNSET
    """With `monitor: norms`: the Euclidean norm of the weights."""
    gradient_norms: tuple[float, ...] | UnsetType = UNSET
    """With `monitor: norms`: the Euclidean norm of the gradient of the weights."""
    running_costs: tuple[float, ...] | UnsetType = UNSET
    """With `monitor: running_cost`: the mean cost of the mini-batches, while they are trained."""
    numerics: Fingerprint | UnsetType = UNSET
    """Set if the run was continued under other arithmetic than it began with."""


class Stretch(NamedTuple):
    """Consecutive epochs that were trained under the same arithmetic, from epoch ``since`` on."""

    since: int
    numerics: str


def stretches(first: str, history: Sequence[Row]) -> list[Stretch]:
    """Divide a history into stretches that were trained under the same arithmetic.

    Args:
        first: the fingerprint that the run began with.
        history: its rows; those without a fingerprint were trained under the first.
    """
    result, since = [Stretch(1, first)], 1
    for row in history:
        numerics = first if row.numerics is UNSET else row.numerics
        if numerics != result[-1].numerics:
            if result[-1].since == since:  # an empty stretch
                result.pop()
            result.append(Stretch(since, numerics))
        since = row.epoch + 1
    return result


def best_row(history: Sequence[Row]) -> Row:
    """Return the row of the best epoch: highest validation accuracy, the earliest on a tie.

    Without validation accuracies, return the last row.
    """
    if history[-1].validation_accuracy is UNSET:
        return history[-1]
    return max(history, key=lambda row: (row.validation_accuracy, -row.epoch))
