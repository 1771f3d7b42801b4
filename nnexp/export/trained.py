"""A run's best network with all that is needed to apply it: weights, scaling and classes."""

from __future__ import annotations

import json
from typing import NamedTuple

from nnexp.analysis.evaluation import best_checkpoint
from nnexp.analysis.task import inputs
from nnexp.datasets.dataset import Factors
from nnexp.datasets.inputs import Inputs
from nnexp.errors import printable
from nnexp.nn.activations import ActivationName
from nnexp.nn.arrays import Array
from nnexp.nn.outputs import OutputName
from nnexp.runner.assembly import factors_of
from nnexp.store.run import Run


class LayerParameters(NamedTuple):
    """A layer's parameters: it computes x @ weights + biases."""

    weights: Array
    """(fan_in, fan_out)."""
    biases: Array
    """(fan_out,)."""


class TrainedNetwork(NamedTuple):
    """The network of a run's best epoch."""

    run: str
    layers: tuple[LayerParameters, ...]
    activation: ActivationName
    """Of the hidden layers."""
    output: OutputName
    """Of the last layer."""
    factors: Factors | None
    """Numbers that standardize examples; None if they are divided by scale."""
    scale: float
    classes: tuple[str, ...]
    """Their names, in the order of the outputs."""
    inputs: Inputs

    @property
    def sizes(self) -> list[int]:
        """Neurons of each layer, the inputs first."""
        return [len(self.layers[0].weights), *(len(layer.biases) for layer in self.layers)]

    @property
    def preprocessing(self) -> str:
        """How examples are scaled, as a formula."""
        if self.factors is not None:
            return "(x - input_mean) / input_deviation"
        return f"x / {str(self.scale).removesuffix('.0')}"

    @property
    def description(self) -> dict[str, str]:
        """All but the numbers, as metadata of a file; values are text, or JSON."""
        activations = [self.activation] * (len(self.layers) - 1) + [self.output]
        architecture = {"sizes": self.sizes, "activations": activations}
        return {
            "run": printable(self.run),
            "architecture": json.dumps(architecture),
            "preprocessing": self.preprocessing,
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "feature_names": json.dumps(list(self.inputs.feature_names), ensure_ascii=False),
        }


def trained(run: Run) -> TrainedNetwork:
    """Return the network of a run's best epoch.

    Raises:
        UsageError: no epoch is evaluated yet.
        CorruptError: the run is damaged.
    """
    config, (_, arrays) = run.config, best_checkpoint(run)
    depth = len(config.hidden) + 1
    return TrainedNetwork(
        run=run.name,
        layers=tuple(
            LayerParameters(arrays[f"weights_{number}"], arrays[f"biases_{number}"])
            for number in range(1, depth + 1)
        ),
        activation=config.activation,
        output=config.output,
        factors=factors_of(arrays),
        scale=config.data.scale,
        classes=tuple(map(str, run.classes)),
        inputs=inputs(run),
    )
