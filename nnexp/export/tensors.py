"""A network as a safetensors file: its arrays under the names that checkpoints use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from nnexp import __version__

if TYPE_CHECKING:
    from nnexp.export.trained import TrainedNetwork


def tensors(network: TrainedNetwork) -> bytes:
    """Return the bytes of a .safetensors file.

    It contains ``weights_1`` (fan_in, fan_out), ``biases_1``, … and, if examples are standardized,
    ``input_mean`` and ``input_deviation``. Its metadata are strings of JSON.
    """
    from safetensors.numpy import save  # noqa: PLC0415 - an extra

    arrays = {}
    for number, (weights, biases) in enumerate(network.layers, 1):
        arrays[f"weights_{number}"] = np.ascontiguousarray(weights)
        arrays[f"biases_{number}"] = np.ascontiguousarray(biases)
    if network.factors is not None:
        arrays["input_mean"] = network.factors.mean
        arrays["input_deviation"] = network.factors.deviation
    architecture = {
        "sizes": network.sizes,
        "activation": network.activation,
        "output": network.output,
    }
    metadata = {
        "producer": f"nnexp {__version__}",
        "run": network.run,
        "architecture": json.dumps(architecture),
        "preprocessing": network.preprocessing,
        "classes": json.dumps(network.classes, ensure_ascii=False),
        "feature_names": json.dumps(list(network.inputs.feature_names), ensure_ascii=False),
    }
    return save(arrays, metadata)  # type: ignore[no-any-return]
