"""A network as an ONNX model that takes unscaled examples and returns outputs and classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto

    from nnexp.export.trained import TrainedNetwork

OPSET, CLASSES_OPSET, IR = 17, 3, 8
"""Versions of the operators and of the format that runtimes of 2022 and later read."""
ACTIVATIONS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
OUTPUTS = {"sigmoid": "Sigmoid", "softmax": "Softmax", "tanh": "Tanh", "linear": "Identity"}


def model(network: TrainedNetwork) -> bytes:
    """Return the model as the bytes of an .onnx file.

    Its input x, (examples, features), is as in the data's files: float32 pixels, or float64
    columns. Its outputs are ``outputs``, (examples, classes), the number ``class`` of the largest
    one, and its name ``class_name``, both (examples,).
    """
    from onnx import checker, helper  # noqa: PLC0415 - an extra
    from onnx import numpy_helper as arrays  # noqa: PLC0415 - likewise

    dtype = network.layers[0].weights.dtype
    entry = np.dtype(np.float64) if network.inputs.image is None else np.dtype(np.float32)
    constants = _constants(network, dtype)
    features, classes = network.sizes[0], len(network.classes)

    def declared(name: str, kind: np.dtype[Any], *shape: int) -> Any:  # noqa: ANN401 - onnx's own
        element = helper.np_dtype_to_tensor_dtype(kind)
        return helper.make_tensor_value_info(name, element, ["examples", *shape])

    graph = helper.make_graph(
        list(_nodes(network, dtype)),
        network.run,
        [declared("x", entry, features)],
        [
            declared("outputs", dtype, classes),
            declared("class", np.dtype(np.int64)),
            declared("class_name", np.dtype(object)),
        ],
        [arrays.from_array(np.ascontiguousarray(own), name) for name, own in constants.items()],
    )
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", CLASSES_OPSET)]
    whole = helper.make_model(
        graph,
        producer_name="nnexp",
        producer_version=__version__,
        opset_imports=versions,
        ir_version=IR,
    )
    helper.set_model_props(
        whole,
        {
            "run": network.run,
            "preprocessing": network.preprocessing,
            "classes": json.dumps(network.classes, ensure_ascii=False),
            "feature_names": json.dumps(list(network.inputs.feature_names), ensure_ascii=False),
        },
    )
    checker.check_model(whole, full_check=True)
    return whole.SerializeToString()  # type: ignore[no-any-return]


def _constants(network: TrainedNetwork, dtype: np.dtype[Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of the graph by name."""
    constants: dict[str, np.ndarray[Any, Any]] = {}
    if network.factors is None:
        constants["scale"] = np.array(network.scale)
    else:
        constants["input_mean"] = network.factors.mean
        constants["input_deviation"] = network.factors.deviation
    for number, (weights, biases) in enumerate(network.layers, 1):
        constants[f"weights_{number}"] = weights.astype(dtype)
        constants[f"biases_{number}"] = biases.astype(dtype)
    return constants


def _nodes(network: TrainedNetwork, dtype: np.dtype[Any]) -> Iterator[NodeProto]:
    """Generate the steps from an example to its class. Scaling is in float64, as in nnexp."""
    from onnx import helper  # noqa: PLC0415 - an extra

    make = helper.make_node
    double, single = (
        helper.np_dtype_to_tensor_dtype(kind) for kind in (np.dtype(np.float64), dtype)
    )
    yield make("Cast", ["x"], ["unscaled"], to=double)
    if network.factors is None:
        yield make("Div", ["unscaled", "scale"], ["scaled"])
    else:
        yield make("Sub", ["unscaled", "input_mean"], ["centred"])
        yield make("Div", ["centred", "input_deviation"], ["scaled"])
    yield make("Cast", ["scaled"], ["a_0"], to=single)
    last = len(network.layers)
    for number in range(1, last + 1):
        inputs = [f"a_{number - 1}", f"weights_{number}", f"biases_{number}"]
        yield make("Gemm", inputs, [f"z_{number}"])
        if number < last:
            yield make(ACTIVATIONS[network.activation], [f"z_{number}"], [f"a_{number}"])
    axis = {"axis": 1} if network.output == "softmax" else {}
    yield make(OUTPUTS[network.output], [f"z_{last}"], ["outputs"], **axis)
    yield make("ArgMax", ["outputs"], ["class"], axis=1, keepdims=0)
    yield make(
        "LabelEncoder",
        ["class"],
        ["class_name"],
        domain="ai.onnx.ml",
        keys_int64s=list(range(len(network.classes))),
        values_strings=list(network.classes),
    )
