"""Learning-rate schedules: pure functions of the epoch and the recorded history.

Their results are the same to the last bit on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from nnexp.nn.elementary import cosine, power

ROUNDING = 1e-9
"""Relative tolerance for reaching the floor, since 0.1 cubed is not exactly 0.001."""

Fraction = Annotated[float, Meta(gt=0, lt=1)]
Epoch = Annotated[int, Meta(ge=1, le=1_000_000)]
Rate = Annotated[float, Meta(gt=0)]


class Scored(NamedTuple):
    """An evaluated epoch and its validation accuracy."""

    epoch: int
    accuracy: float


class Constant(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="constant"):
    """The same learning rate in every epoch."""

    ends_the_run: ClassVar[bool] = False
    depends_on_epochs: ClassVar[bool] = False

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return the factor of the config's learning rate in an epoch: 1."""
        del epoch, epochs, history
        return 1.0


class Step(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="step"):
    """Multiply the learning rate by a factor at regular intervals."""

    ends_the_run: ClassVar[bool] = False
    depends_on_epochs: ClassVar[bool] = False

    every: Annotated[int, Meta(ge=1, le=1_000_000, description="Epochs between two steps.")] = 10
    factor: Annotated[Fraction, Meta(description="The factor of a step.")] = 0.5

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return factor^floor((epoch - 1) / every)."""
        del epochs, history
        return power(self.factor, (epoch - 1) // self.every)


class Exponential(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="exponential"
):
    """Multiply the learning rate by a factor after every epoch."""

    ends_the_run: ClassVar[bool] = False
    depends_on_epochs: ClassVar[bool] = False

    factor: Annotated[Fraction, Meta(description="The factor per epoch.")] = 0.95

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return factor^(epoch - 1)."""
        del epochs, history
        return power(self.factor, epoch - 1)


class Cosine(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="cosine"):
    """Decrease the learning rate along half a cosine, to reach the floor after the last epoch.

    Source: Loshchilov and Hutter (2017), eq. 5, without restarts.
    """

    ends_the_run: ClassVar[bool] = False
    depends_on_epochs: ClassVar[bool] = True

    floor: Annotated[
        float, Meta(ge=0, lt=1, description="The final learning rate as a fraction of the first.")
    ] = 0.0

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return floor + (1 - floor) (1 + cos(pi (epoch - 1) / epochs)) / 2."""
        del history
        return self.floor + (1 - self.floor) * (1 + cosine(math.pi * (epoch - 1) / epochs)) / 2


class HalveOnPlateau(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="halve-on-plateau"
):
    """Keep the learning rate until validation accuracy stops improving, then cut it.

    After ``patience`` epochs without a better accuracy, counted from the last cut, the learning
    rate is multiplied by ``factor``; the run ends when it reaches the floor.
    Source: Nielsen (2015), chapter 3, the exercise on learning-rate schedules.
    """

    ends_the_run: ClassVar[bool] = True
    depends_on_epochs: ClassVar[bool] = False

    patience: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Epochs without improvement before a cut.")
    ] = 10
    factor: Annotated[Fraction, Meta(description="The factor of a cut.")] = 0.5
    floor: Annotated[
        Fraction, Meta(description="The run ends at this fraction of the first learning rate.")
    ] = 0.0078125

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return factor^cuts, or None when the floor is reached and the run ends."""
        del epoch, epochs
        cuts, best, since = 0, -math.inf, 0
        for evaluated, accuracy in history:
            if accuracy > best:
                best, since = accuracy, evaluated
            elif evaluated - since >= self.patience:
                cuts, since = cuts + 1, evaluated
        share = power(self.factor, cuts)
        return None if share <= self.floor * (1 + ROUNDING) else share


class Piecewise(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="piecewise"):
    """Give the learning rates themselves, each with the first epoch in which it holds.

    Source: Nielsen (2015), chapter 3, on a variable learning rate.
    """

    ends_the_run: ClassVar[bool] = False
    depends_on_epochs: ClassVar[bool] = False

    rates: Annotated[
        dict[Epoch, Rate],
        Meta(
            description="Learning rates by the epoch in which each begins: {1: 0.5, 16: 0.1}.",
            extra_json_schema={
                "required": ["1"],
                "propertyNames": {"pattern": "^([1-9][0-9]{0,5}|1000000)$"},
            },
        ),
    ]

    def __hash__(self) -> int:
        """Return a hash, since configs are keys of dictionaries."""
        return hash(frozenset(self.rates.items()))

    def multiplier(self, epoch: int, epochs: int, history: Sequence[Scored]) -> float | None:
        """Return the epoch's learning rate itself: the config has none to multiply."""
        del epochs, history
        return self.rates[max(first for first in self.rates if first <= epoch)]


Schedule: TypeAlias = Constant | Step | Exponential | Cosine | HalveOnPlateau | Piecewise
