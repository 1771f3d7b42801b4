"""NumPy and PyTorch rebuild a network by the lines of docs/export.md.

    python -m pytest -m slow tests/export -o log_cli=true --log-cli-level=INFO

prints the largest differences for 10,000 examples.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.export.tensors import tensors
from nnexp.export.trained import trained
from tests.export.networks import COLUMNS, EVERYDAY, LARGE, PLACES, Case, Networks, results
from tests.export.page import program
from tests.export.requirements import require

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.store.run import Run

LOG = logging.getLogger(__name__)


def by_numpy(run: Run) -> float:
    """Compare the page's functions with nnexp; return the largest difference of outputs."""
    steps, _, _ = program("NumPy alone").partition("\nclasses = ")
    assert steps.count("runs/digits-s0") == 1
    names: dict[str, Any] = {}
    exec(steps.replace("runs/digits-s0", str(run.path)), names)  # noqa: S102 - the page's own
    test = results(run)
    return test.check(names["outputs"](test.features))


def by_torch(run: Run, folder: Path) -> float:
    """Compare the page's module with nnexp; return the largest difference of outputs."""
    import torch  # noqa: PLC0415 - of the extra

    file = folder / "a.safetensors"
    file.write_bytes(tensors(trained(run)))
    build, _, _ = program("PyTorch").partition("\nimport numpy as np")
    assert build.count("digits.safetensors") == 1
    names: dict[str, Any] = {}
    exec(build.replace("digits.safetensors", str(file)), names)  # noqa: S102 - the page's own
    test = results(run)
    file_names = names["file"].keys()
    given = {name: names["file"].get_tensor(name).numpy() for name in file_names}
    formula = names["about"]["preprocessing"]
    x = eval(formula, {"x": test.features} | given)  # noqa: S307 - the file's own
    rounded = torch.tensor(x).to(names["weights"].dtype).to(torch.float64)
    with torch.no_grad():
        return test.check(names["network"](rounded).to(names["weights"].dtype).numpy())


@pytest.mark.parametrize("case", EVERYDAY, ids=str)
def test_numpy_alone_gives_the_same_outputs_and_classes(networks: Networks, case: Case) -> None:
    by_numpy(networks.run(case))


@pytest.mark.parametrize("case", EVERYDAY, ids=str)
def test_ten_lines_rebuild_the_module(networks: Networks, case: Case, tmp_path: Path) -> None:
    require("safetensors", "torch")
    by_torch(networks.run(case), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_they_do_for_ten_thousand_examples(networks: Networks, case: Case, tmp_path: Path) -> None:
    run = networks.run(case)
    assert run.record.data.test == 10_000
    LOG.info("NumPy %s: %.1e", case, by_numpy(run))
    require("safetensors", "torch")
    LOG.info("PyTorch %s: %.1e", case, by_torch(run, tmp_path))


def test_the_page_has_ten_lines() -> None:
    build, _, _ = program("PyTorch").partition("\nimport numpy as np")
    _, _, lines = build.partition("\nKINDS")
    assert lines.partition("\nprint(")[0].count("\n") + 1 <= 10


def test_the_metadata_describe_the_network(networks: Networks, tmp_path: Path) -> None:
    require("safetensors")
    from safetensors import safe_open  # noqa: PLC0415 - of the extra

    run = networks.run(Case("softmax", "relu", "table", [5, 4], "float64"))
    network = trained(run)
    (tmp_path / "a.safetensors").write_bytes(tensors(network))
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        about = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert about.keys() == {
        *("producer", "run", "architecture", "preprocessing", "classes", "feature_names")
    }
    assert about["producer"].startswith("nnexp ")
    assert about["run"] == run.name
    assert json.loads(about["classes"]) == sorted(PLACES)
    assert json.loads(about["feature_names"]) == list(COLUMNS)
    assert arrays.keys() == {
        *("weights_1", "biases_1", "weights_2", "biases_2", "weights_3", "biases_3"),
        *("input_mean", "input_deviation"),
    }
    for number, (weights, biases) in enumerate(network.layers, 1):
        assert np.array_equal(arrays[f"weights_{number}"], weights)
        assert np.array_equal(arrays[f"biases_{number}"], biases)
        assert arrays[f"weights_{number}"].dtype == np.float64
