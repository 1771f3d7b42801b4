"""An exported ONNX model gives the outputs, classes and names that nnexp gives.

    python -m pytest -m slow tests/export -o log_cli=true --log-cli-level=INFO

prints the largest differences for 10,000 examples.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.export.onnx_model import model
from nnexp.export.trained import trained
from tests.export.networks import COLUMNS, EVERYDAY, LARGE, PLACES, Case, Networks, results
from tests.export.requirements import require

if TYPE_CHECKING:
    from nnexp.store.run import Run

LOG = logging.getLogger(__name__)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _packages() -> None:
    require("onnx", "onnxruntime")


def session(run: Run) -> Any:  # noqa: ANN401 - onnxruntime's own
    """Return a run's model as onnxruntime loads it, after ONNX's checker has passed it."""
    import onnx  # noqa: PLC0415 - of the extra
    import onnxruntime  # noqa: PLC0415 - likewise

    content = model(trained(run))
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return onnxruntime.InferenceSession(content)


def compare(run: Run) -> float:
    """Compare onnxruntime with nnexp; return the largest difference of outputs."""
    loaded, test = session(run), results(run)
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[loaded.get_inputs()[0].type]
    x = test.features.astype(kind)
    assert (x == test.features).all(), "the model's input is as in the data's file"
    outputs, classes, names = loaded.run(["outputs", "class", "class_name"], {"x": x})
    assert (outputs.dtype, classes.dtype) == (test.outputs.dtype, np.int64)
    assert names.tolist() == [str(run.classes[index]) for index in classes]
    return test.check(outputs, classes)


@pytest.mark.parametrize("case", EVERYDAY, ids=str)
def test_onnxruntime_gives_the_same_outputs_and_classes(networks: Networks, case: Case) -> None:
    compare(networks.run(case))


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_it_does_for_ten_thousand_examples(networks: Networks, case: Case) -> None:
    run = networks.run(case)
    assert run.record.data.test == 10_000
    LOG.info("ONNX %s: %.1e", case, compare(run))


def test_the_model_says_what_it_is(networks: Networks) -> None:
    run = networks.run(Case("softmax", "relu", "table", [5, 4], "float64"))
    loaded = session(run)
    about = loaded.get_modelmeta()
    assert about.producer_name == "nnexp"
    assert about.graph_name == run.name
    described = about.custom_metadata_map
    assert described.keys() == {"run", "architecture", "preprocessing", "classes", "feature_names"}
    assert described["run"] == run.name
    assert described["preprocessing"] == "(x - input_mean) / input_deviation"
    assert json.loads(described["classes"]) == sorted(PLACES)
    assert json.loads(described["feature_names"]) == list(COLUMNS)
    assert json.loads(described["architecture"]) == {
        "sizes": [4, 5, 4, 3],
        "activations": ["relu", "relu", "softmax"],
    }
    (x,) = loaded.get_inputs()
    assert (x.name, x.shape, x.type) == ("x", ["examples", 4], "tensor(double)")
    assert [(out.name, out.shape, out.type) for out in loaded.get_outputs()] == [
        ("outputs", ["examples", 3], "tensor(double)"),
        ("class", ["examples"], "tensor(int64)"),
        ("class_name", ["examples"], "tensor(string)"),
    ]


def test_equal_outputs_give_the_first_class_as_in_nnexp(networks: Networks) -> None:
    network = trained(networks.run(Case("sigmoid", "tanh", "table", [])))
    flat = network.layers[0]._replace(
        weights=np.zeros_like(network.layers[0].weights),
        biases=np.array([-1.0, 2.0, 2.0], np.float32),
    )
    import onnxruntime  # noqa: PLC0415 - of the extra

    loaded = onnxruntime.InferenceSession(model(network._replace(layers=(flat,))))
    assert loaded.run(["class"], {"x": np.ones((2, 4))})[0].tolist() == [1, 1]


def test_the_scale_is_rounded_as_in_training(networks: Networks) -> None:
    """A scale that float32 does not hold is rounded first."""
    import onnx  # noqa: PLC0415 - of the extra

    network = trained(networks.run(Case("sigmoid", "tanh", "bytes", [])))._replace(scale=0.1)
    loaded = onnx.load_from_string(model(network))
    (scale,) = (part for part in loaded.graph.initializer if part.name == "scale")
    assert onnx.numpy_helper.to_array(scale) == np.float64(np.float32(0.1))
    assert network.preprocessing == "x / 0.1"
