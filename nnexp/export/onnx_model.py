"""A network as an ONNX model that takes unscaled examples and returns outputs and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp import __version__
from nnexp.datasets.sources import Idx, Images, Mnist
from nnexp.errors import printable

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

    Its input ``x``, (examples, features), is as in the data's files: float32, which holds pixels
    exactly, if they are images of bytes, else float64. Its outputs are ``outputs``, (examples,
    classes), the number ``class`` of the largest one, and its name ``class_name``, both
    (examples,).
    """
    from onnx import checker, helper  # noqa: PLC0415 - an extra
    from onnx import numpy_helper as arrays  # noqa: PLC0415 - likewise

    dtype = network.layers[0].weights.dtype
    has_bytes = isinstance(network.inputs.source, Mnist | Idx | Images)
    entry = np.dtype(np.float32 if has_bytes else np.float64)
    constants = _constants(network, dtype)
    features, classes = network.sizes[0], len(network.classes)

    def declared(name: str, kind: np.dtype[Any], *shape: int) -> Any:  # noqa: ANN401 - onnx's own
        element = helper.np_dtype_to_tensor_dtype(kind)
        return helper.make_tensor_value_info(name, element, ["examples", *shape])

    graph = helper.make_graph(
        list(_nodes(network, dtype)),
        printable(network.run),
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
    helper.set_model_props(whole, network.description)
    checker.check_model(whole, full_check=True)
    return whole.SerializeToString()  # type: ignore[no-any-return]


def _constants(network: TrainedNetwork, dtype: np.dtype[Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of the graph by name."""
    constants: dict[str, np.ndarray[Any, Any]] = {}
    if network.factors is None:
        constants["scale"] = np.array(network.scale, dtype).astype(np.float64)  # as in training
    else:
        constants["input_mean"] = network.factors.mean
        constants["input_deviation"] = network.factors.deviation
    for number, (weights, biases) in enumerate(network.layers, 1):
        constants[f"weights_{number}"] = weights.astype(dtype)
        constants[f"biases_{number}"] = biases.astype(dtype)
    return constants


def _nodes(network: TrainedNetwork, dtype: np.dtype[Any]) -> Iterator[NodeProto]:
    """Generate the steps from an example to its class.

    As in ``Predictor.outputs``, an example is scaled in float64 and rounded to the run's dtype, the
    layers compute in float64, and the outputs are rounded, too.
    """
    from onnx import helper  # noqa: PLC0415 - an extra

    make = helper.make_node
    double, single = map(helper.np_dtype_to_tensor_dtype, (np.dtype(np.float64), dtype))
    yield make("Cast", ["x"], ["unscaled"], to=double)
    if network.factors is None:
        yield make("Div", ["unscaled", "scale"], ["scaled"])
    else:
        yield make("Sub", ["unscaled", "input_mean"], ["centred"])
        yield make("Div", ["centred", "input_deviation"], ["scaled"])
    yield make("Cast", ["scaled"], ["input"], to=single)
    yield make("Cast", ["input"], ["a_0"], to=double)
    last = len(network.layers)
    for number in range(1, last + 1):
        parameters = [f"weights_{number}", f"biases_{number}"]
        wide = [f"{name}_as_double" for name in parameters]
        for name, target in zip(parameters, wide, strict=True):
            yield make("Cast", [name], [target], to=double)
        yield make("Gemm", [f"a_{number - 1}", *wide], [f"z_{number}"])
        if number < last:
            yield make(ACTIVATIONS[network.activation], [f"z_{number}"], [f"a_{number}"])
    axis = {"axis": 1} if network.output == "softmax" else {}
    yield make(OUTPUTS[network.output], [f"z_{last}"], [f"a_{last}"], **axis)
    yield make("Cast", [f"a_{last}"], ["outputs"], to=single)
    yield make("ArgMax", ["outputs"], ["class"], axis=1, keepdims=0)
    yield make(
        "LabelEncoder",
        ["class"],
        ["class_name"],
        domain="ai.onnx.ml",
        keys_int64s=list(range(len(network.classes))),
        values_strings=list(network.classes),
    )
