"""A network as a safetensors file: its arrays under the names that checkpoints use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from nnexp import __version__

if TYPE_CHECKING:
    from nnexp.export.trained import TrainedNetwork

LENGTH = 8
"""Bytes of the header's length at the beginning of a file."""


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
    metadata = {"producer": f"nnexp {__version__}", **network.description}
    return _sorted(save(arrays, metadata))


def _sorted(content: bytes) -> bytes:
    """Return a .safetensors file with sorted metadata, which the package writes in any order.

    Source: the format's description, https://huggingface.co/docs/safetensors
    """
    length = int.from_bytes(content[:LENGTH], "little")
    header = json.loads(content[LENGTH : LENGTH + length])
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH)  # so that the arrays stay aligned
    return len(text).to_bytes(LENGTH, "little") + text + content[LENGTH + length :]
