"""What training records: one row an evaluated epoch, and what follows from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

Fraction = Annotated[float, Meta(ge=0, le=1)]
Fingerprint = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One evaluation: accuracies are fractions, costs include the penalty.

    What is listed has a number for each layer, the first hidden one first; running costs have
    one for each tenth of the epoch.
    """

    epoch: Annotated[int, Meta(ge=1, le=1_000_000)]
    learning_rate: float | None
    train_cost: float | UnsetType = UNSET
    train_accuracy: Fraction | UnsetType = UNSET
    validation_cost: float | UnsetType = UNSET
    validation_accuracy: Fraction | UnsetType = UNSET
    test_cost: float | UnsetType = UNSET
    test_accuracy: Fraction | UnsetType = UNSET
    # What full-batch optimizers say of their step:
    gradient_norm: float | UnsetType = UNSET
    step_norm: float | UnsetType = UNSET
    damping: float | UnsetType = UNSET
    predicted_decrease: float | UnsetType = UNSET
    actual_decrease: float | UnsetType = UNSET
    # What monitor asks for:
    saturation: tuple[Fraction, ...] | UnsetType = UNSET
    weight_norms: tuple[float, ...] | UnsetType = UNSET
    gradient_norms: tuple[float, ...] | UnsetType = UNSET
    running_costs: tuple[float, ...] | UnsetType = UNSET
    # Where the run went on under other arithmetic than it was begun on:
    numerics: Fingerprint | UnsetType = UNSET


class Stretch(NamedTuple):
    """Epochs that were trained under the same arithmetic."""

    since: int
    numerics: str


def stretches(first: str, history: Sequence[Row]) -> list[Stretch]:
    """Return under which arithmetic each part of a history was trained, in turn.

    Args:
        first: the fingerprint that the run was begun on.
        history: its rows; one that names no other fingerprint was trained under the first.
    """
    found, since = [Stretch(1, first)], 1
    for row in history:
        numerics = first if row.numerics is UNSET else row.numerics
        if numerics != found[-1].numerics:
            if found[-1].since == since:  # nothing was trained under it
                found.pop()
            found.append(Stretch(since, numerics))
        since = row.epoch + 1
    return found


def best_row(history: Sequence[Row]) -> Row:
    """Return the row of the best epoch: highest validation accuracy, the earliest on a tie.

    Without validation accuracies it is the last row.
    """
    if history[-1].validation_accuracy is UNSET:
        return history[-1]
    return max(history, key=lambda row: (row.validation_accuracy, -row.epoch))
