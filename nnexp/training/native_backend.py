"""The native backend: the kernels of ``nnexp.native`` as a backend of the trainer, for float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from nnexp.datasets.dataset import Split
from nnexp.native.kernels import (
    Floats,
    Indices,
    NativeExamples,
    NativeNetwork,
    NativePenalty,
    aligned_zeros,
)
from nnexp.nn.activations import Activation
from nnexp.training.backend import SATURATED, Evaluation

CHUNK = 5000
"""Examples evaluated between two heartbeats."""

_examples: WeakKeyDictionary[Split, dict[float, NativeExamples]] = WeakKeyDictionary()


def examples_of(split: Split, scale: float) -> NativeExamples:
    """Return a split's examples for the kernels, made once a process and shared by its forks."""
    by_scale = _examples.setdefault(split, {})
    if scale not in by_scale:
        by_scale[scale] = NativeExamples(split.features, scale, split.labels)
    return by_scale[scale]


class NativeBackend:
    """Computes with the native kernels, in their layout: see ``nnexp.native.kernels``.

    Args:
        network: the kernels of the architecture.
        activation: of the hidden neurons.
        penalty: the regularization.
        splits: the stored examples, among them "train".
        scale: the divisor of the features.
    """

    def __init__(
        self,
        network: NativeNetwork,
        activation: Activation,
        penalty: NativePenalty,
        splits: Mapping[str, Split],
        scale: float,
    ) -> None:
        self._network, self._activation, self._penalty = network, activation, penalty
        self._labels = {name: split.labels for name, split in splits.items()}
        self._splits = {name: examples_of(split, scale) for name, split in splits.items()}
        self._gradient = aligned_zeros(network.size)
        self.heartbeat: Callable[[], None] = lambda: None

    @property
    def examples(self) -> int:
        """The number of training examples."""
        return len(self._splits["train"])

    def pack(self, theta: Floats) -> Floats:
        """Return theta, or a vector like it, in the kernels' layout."""
        return self._network.pack(theta)

    def unpack(self, vector: Floats) -> Floats:
        """Return a vector in theta's layout."""
        return self._network.unpack(vector)

    def batches(
        self,
        parameters: Floats,
        order: Indices,
        batch_size: int,
        masks: Floats | None = None,
        costs: npt.NDArray[np.float64] | None = None,
    ) -> NativeBatches:
        """Return the mini-batches of successive steps; see ``Backend``."""
        self.heartbeat()
        return NativeBatches(
            self._network,
            parameters,
            self._splits["train"],
            self._penalty,
            self._gradient,
            order,
            batch_size,
            masks,
            costs,
        )

    def gradient(self, parameters: Floats) -> Floats:
        """Return the gradient of the cost over all training examples, without dropout."""
        gradient, order = aligned_zeros(self._network.size), np.arange(self.examples)
        self._network.gradient(
            parameters, self._splits["train"], order, gradient, penalty=self._penalty
        )
        return gradient

    def evaluate(self, parameters: Floats, split: str) -> Evaluation:
        """Evaluate parameters on all examples of a split."""
        examples, labels = self._splits[split], self._labels[split]
        total, predicted = 0.0, np.empty(len(examples), np.int64)
        for order in self._chunks(examples):
            cost, predicted[order] = self._network.evaluate(parameters, examples, order)
            total += cost
        accuracy = int(np.count_nonzero(predicted == labels)) / len(labels)
        penalty = self._network.penalty(parameters, self._penalty)
        return Evaluation(total / len(labels) + penalty, accuracy, predicted)

    def outputs(self, parameters: Floats, split: str) -> Floats:
        """Return the network's outputs for all examples of a split, (examples, classes)."""
        examples = self._splits[split]
        chunks = self._chunks(examples)
        return np.concatenate(
            [self._network.outputs(parameters, examples, order) for order in chunks]
        )

    def saturation(self, parameters: Floats) -> tuple[float, ...]:
        """Return the fraction of saturated (neuron, training example) pairs of each layer."""
        examples = self._splits["train"]
        counts = np.zeros(len(self._network.hidden_sizes), np.int64)
        for order in self._chunks(examples):
            for layer, outputs in enumerate(self._network.hidden(parameters, examples, order)):
                slopes = np.empty_like(outputs)
                self._activation.slope(outputs, slopes)
                counts[layer] += np.count_nonzero(slopes < SATURATED)
        pairs = len(examples) * np.array(self._network.hidden_sizes)
        return tuple(float(share) for share in counts / pairs)

    def _chunks(self, examples: NativeExamples) -> Iterator[Indices]:
        """Yield the indices of all examples, in chunks; heartbeat before each."""
        for start in range(0, len(examples), CHUNK):
            self.heartbeat()
            yield np.arange(start, min(start + CHUNK, len(examples)))


class NativeObjective:
    """The mean cost over one mini-batch plus the penalty, and its gradient: an ``Objective``.

    Args:
        network: the kernels of the architecture.
        examples: the training examples.
        penalty: the regularization.
        buffer: receives gradients.
    """

    def __init__(
        self,
        network: NativeNetwork,
        examples: NativeExamples,
        penalty: NativePenalty,
        buffer: Floats,
    ) -> None:
        self._network, self._examples, self._penalty = network, examples, penalty
        self._buffer = buffer

    def use(self, order: Indices, masks: Floats | None) -> None:
        """Set the current mini-batch and a factor for each hidden neuron, from dropout."""
        self._order, self._masks = order, masks

    def value(self, theta: Floats) -> float:
        """Return the batch's mean cost plus the penalty."""
        total = self._network.cost(theta, self._examples, self._order, self._masks)
        return total / len(self._order) + self._network.penalty(theta, self._penalty)

    def gradient(self, theta: Floats, scale: float = 1.0) -> Floats:
        """Return scale times the gradient of value, in a buffer that may be overwritten."""
        self._network.gradient(
            theta,
            self._examples,
            self._order,
            self._buffer,
            scale=scale,
            penalty=self._penalty,
            masks=self._masks,
        )
        return self._buffer


class NativeBatches:
    """The mini-batches of successive steps: a ``Batches``.

    Args:
        network: the kernels of the architecture.
        parameters: of the network; change in place.
        examples: the training examples.
        penalty: the regularization.
        buffer: receives gradients.
        order: indices of training examples.
        batch_size: examples per step.
        masks: factors of the hidden neurons for each step, from dropout.
        costs: receives the mean cost of each mini-batch plus the penalty before its step.
    """

    def __init__(
        self,
        network: NativeNetwork,
        parameters: Floats,
        examples: NativeExamples,
        penalty: NativePenalty,
        buffer: Floats,
        order: Indices,
        batch_size: int,
        masks: Floats | None,
        costs: npt.NDArray[np.float64] | None,
    ) -> None:
        self._network, self._parameters, self._examples = network, parameters, examples
        self._penalty, self._buffer, self._order = penalty, buffer, order
        self._batch_size, self._masks, self._costs = batch_size, masks, costs

    def __iter__(self) -> Iterator[NativeObjective]:
        """Yield the objective of each mini-batch."""
        objective = NativeObjective(self._network, self._examples, self._penalty, self._buffer)
        for step, start in enumerate(range(0, len(self._order), self._batch_size)):
            masks = None if self._masks is None else self._masks[step]
            objective.use(self._order[start : start + self._batch_size], masks)
            if self._costs is not None:
                self._costs[step] = objective.value(self._parameters)
            yield objective

    def descend(self, learning_rate: float) -> None:
        """Make a step of gradient descent for each mini-batch, all in one call."""
        self._network.descend(
            self._parameters,
            self._examples,
            self._order,
            self._batch_size,
            learning_rate,
            penalty=self._penalty,
            masks=self._masks,
            costs=self._costs,
        )
