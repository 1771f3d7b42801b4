"""Adam, for comparison; the chapter does not cover it."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.nn.elementary import power
from nnexp.optim.objective import Objective, Slots
from nnexp.optim.update_rule import MiniBatchRule

Decay = Annotated[float, Meta(ge=0, lt=1)]


class Adam(MiniBatchRule, frozen=True, tag="adam"):
    """Steps scaled by running means of the gradient and of its square.

    m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    theta <- theta - eta (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
    Source: Kingma and Ba (2015), algorithm 1.
    """

    default_learning_rate: ClassVar[float | None] = 0.001
    scales_gradients: ClassVar[bool] = True

    beta1: Annotated[Decay, Meta(description="The decay rate of the mean of gradients.")] = 0.9
    beta2: Annotated[Decay, Meta(description="The decay rate of the mean of squares.")] = 0.999
    epsilon: Annotated[float, Meta(gt=0, description="Avoids division by 0.")] = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: means of 0 and a step count of 0."""
        return {
            "mean": np.zeros_like(theta),
            "square": np.zeros_like(theta),
            "steps": np.zeros(1),
        }

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        mean, square, steps = slots["mean"], slots["square"], slots["steps"]
        steps += 1
        count = int(steps[0])
        new = 1 - self.beta1
        gradient = objective.gradient(theta, new)
        np.multiply(mean, self.beta1, out=mean)
        np.add(mean, gradient, out=mean)
        np.multiply(gradient, gradient, out=gradient)
        np.multiply(gradient, (1 - self.beta2) / (new * new), out=gradient)
        np.multiply(square, self.beta2, out=square)
        np.add(square, gradient, out=square)
        # Both bias corrections are folded into two numbers: see the end of the paper's section 2.
        correction = math.sqrt(1 - power(self.beta2, count))
        np.sqrt(square, out=gradient)
        np.add(gradient, self.epsilon * correction, out=gradient)
        np.divide(mean, gradient, out=gradient)
        rate = learning_rate * correction / (1 - power(self.beta1, count))
        np.multiply(gradient, rate, out=gradient)
        np.subtract(theta, gradient, out=theta)
