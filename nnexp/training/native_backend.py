"""The native backend: the kernels of ``nnexp.native`` as a backend of the trainer, for float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

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
from nnexp.training.backend import SATURATED, Evaluation, Heartbeat
from nnexp.training.feed import CHUNK

if TYPE_CHECKING:
    import numpy.typing as npt

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
        penalty: the regularization.
        activation: of the hidden neurons.
        splits: the stored examples, among them "train".
        scale: the divisor of the features.
    """

    def __init__(
        self,
        network: NativeNetwork,
        penalty: NativePenalty,
        activation: Activation,
        splits: Mapping[str, Split],
        scale: float,
    ) -> None:
        self._network, self._penalty, self._activation = network, penalty, activation
        self._labels = {name: split.labels for name, split in splits.items()}
        self._splits = {name: examples_of(split, scale) for name, split in splits.items()}
        self.heartbeat = Heartbeat()
        self._objective = NativeObjective(network, self._splits["train"], penalty, self.heartbeat)

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
        return NativeBatches(parameters, self._objective, order, batch_size, masks, costs)

    def gradient(self, parameters: Floats) -> Floats:
        """Return the gradient of the cost over all training examples, without dropout."""
        self._objective.use(np.arange(self.examples), None)
        return self._objective.gradient(parameters).copy()

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
        return chunks(np.arange(len(examples)), self.heartbeat)


def chunks(order: Indices, heartbeat: Callable[[], None]) -> Iterator[Indices]:
    """Yield an order in chunks, with a heartbeat before each.

    Sums over several chunks are rounded after each, so that the chunks are part of the arithmetic.
    """
    for start in range(0, len(order), CHUNK):
        heartbeat()
        yield order[start : start + CHUNK]


class NativeObjective:
    """The mean cost over one mini-batch plus the penalty, and its gradient: an ``Objective``.

    Args:
        network: the kernels of the architecture.
        examples: the training examples.
        penalty: the regularization.
        heartbeat: called before each chunk of examples.
    """

    def __init__(
        self,
        network: NativeNetwork,
        examples: NativeExamples,
        penalty: NativePenalty,
        heartbeat: Callable[[], None],
    ) -> None:
        self._network, self._examples, self._penalty = network, examples, penalty
        self._heartbeat = heartbeat
        self._total, self._part = aligned_zeros(network.size), aligned_zeros(network.size)

    def use(self, order: Indices, masks: Floats | None) -> None:
        """Set the current mini-batch and a factor for each hidden neuron, from dropout."""
        self._order, self._masks = order, masks

    def value(self, theta: Floats) -> float:
        """Return the batch's mean cost plus the penalty."""
        total = 0.0
        for chunk in chunks(self._order, self._heartbeat):
            total += self._network.cost(theta, self._examples, chunk, self._masks)
        return total / len(self._order) + self._network.penalty(theta, self._penalty)

    def gradient(self, theta: Floats, scale: float = 1.0) -> Floats:
        """Return scale times the gradient of value, in a buffer that may be overwritten."""
        out, strength = self._total, self._penalty.strength
        for chunk in chunks(self._order, self._heartbeat):
            share = len(chunk) / len(self._order)
            self._network.gradient(
                theta,
                self._examples,
                chunk,
                out,
                scale=scale * share,
                penalty=self._penalty._replace(strength=strength / share),
                masks=self._masks,
            )
            if out is self._part:
                np.add(self._total, out, out=self._total)
            out, strength = self._part, 0.0  # the penalty is added once
        return self._total

    def descend(
        self,
        theta: Floats,
        learning_rate: float,
        batch_size: int,
        costs: npt.NDArray[np.float64] | None,
    ) -> None:
        """Make a step of gradient descent for each part of batch_size examples, all in one call."""
        self._heartbeat()
        self._network.descend(
            theta,
            self._examples,
            self._order,
            batch_size,
            learning_rate,
            penalty=self._penalty,
            masks=self._masks,
            costs=costs,
        )


class NativeBatches:
    """The mini-batches of successive steps: a ``Batches``.

    Args:
        parameters: of the network; change in place.
        objective: is set to each mini-batch in turn.
        order: indices of training examples.
        batch_size: examples per step.
        masks: factors of the hidden neurons for each step, from dropout.
        costs: receives the mean cost of each mini-batch plus the penalty before its step.
    """

    def __init__(
        self,
        parameters: Floats,
        objective: NativeObjective,
        order: Indices,
        batch_size: int,
        masks: Floats | None,
        costs: npt.NDArray[np.float64] | None,
    ) -> None:
        self._parameters, self._objective, self._order = parameters, objective, order
        self._batch_size, self._masks, self._costs = batch_size, masks, costs

    def __iter__(self) -> Iterator[NativeObjective]:
        """Yield the objective of each mini-batch."""
        for step, start in enumerate(range(0, len(self._order), self._batch_size)):
            masks = None if self._masks is None else self._masks[step]
            self._objective.use(self._order[start : start + self._batch_size], masks)
            if self._costs is not None:
                self._costs[step] = self._objective.value(self._parameters)
            yield self._objective

    def descend(self, learning_rate: float) -> None:
        """Make a step of gradient descent for each mini-batch, all of them in one call if small."""
        if self._batch_size <= CHUNK:
            self._objective.use(self._order, self._masks)
            self._objective.descend(self._parameters, learning_rate, self._batch_size, self._costs)
            return
        for objective in self:
            gradient = objective.gradient(self._parameters, learning_rate)
            np.subtract(self._parameters, gradient, out=self._parameters)
